// Decoded coefficients for tests and the inspector: plain arrays instead of the executor's forms.
// SPDX-License-Identifier: MIT
import { CoefStats, Status } from "../abi";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { clearFault, fail } from "../fault";
import { decodeCoefficients, decoderExists, openCoefficients } from "./decoders";
import { CoefRequest, KERNEL_RECORD_BYTES, TAP_ENTRY_BYTES, entryBytesMax, Tap } from "./request";

const request = changetype<CoefRequest>(memory.data(offsetof<CoefRequest>(), 8));

/**
 * Decodes a coefficient buffer as the hardware does, from the fields of the NN descriptor.
 *
 * Kernels come in stream order (core by core). `weights` receives weight - zero point as 16-bit
 * values, kernel by kernel, [z][y][x]; `biases` and `offsets` one word each per kernel. With
 * weights = 0 the result is only `stats` (CoefStats words); the caller then knows how much room
 * kernels and weights take.
 * @returns SIM_BAD_COEFFICIENTS when the streams contradict the fields
 */
export function decodeCoefs(
  nnCoreVersion: u32,
  nnCores: u32,
  src: usize,
  bytes: u32,
  kernelX: u32,
  kernelY: u32,
  kernelZ: u32,
  kernelsPerCore: u32,
  outZ: u32,
  weightZeroPoint: u32,
  weights: usize,
  biases: usize,
  offsets: usize,
  stats: usize,
): Status {
  clearFault();
  if (!decoderExists(nnCoreVersion) || nnCores - 1 > 15) return fail(Status.BAD_ARGUMENT);
  if (kernelX - 1 > 14 || kernelY - 1 > 14 || kernelZ - 1 > 0xfffff || kernelsPerCore == 0)
    return fail(Status.BAD_ARGUMENT);
  memory.fill(stats, 0, CoefStats.WORDS * 4);
  request.source = src;
  request.bytes = bytes;
  request.cores = nnCores;
  request.kernelX = kernelX;
  request.kernelY = kernelY;
  request.kernelZ = kernelZ;
  request.perCore = kernelsPerCore;
  request.outZ = outZ;
  request.zeroPoint = weightZeroPoint;
  request.stats = stats;

  const mark = arenaMark();
  const status = decodeInto(nnCoreVersion, weights, biases, offsets);
  arenaReset(mark);
  return status == Status.OK ? status : fail(status);
}

function decodeInto(version: u32, weights: usize, biases: usize, offsets: usize): Status {
  let status = openCoefficients(version, request);
  if (status != Status.OK) return status;
  const entryBytes = entryBytesMax(request.streamBytes);
  if (entryBytes > 0x7fffffff) return Status.NO_MEMORY;
  request.entries = arenaAlloc(<usize>entryBytes);
  request.records = arenaAlloc(<usize>request.kernels * KERNEL_RECORD_BYTES);
  if (request.entries == 0 || request.records == 0) return Status.NO_MEMORY;
  status = decodeCoefficients(version, request);
  if (status != Status.OK) return status;

  const stats = request.stats;
  store<u32>(stats + 4 * <usize>CoefStats.KERNELS, request.kernels);
  store<u32>(stats + 4 * <usize>CoefStats.NONZERO, request.entryCount);
  store<u32>(stats + 4 * <usize>CoefStats.BYTES, request.streamBytes);
  if (weights != 0) expand(weights, biases, offsets);
  return Status.OK;
}

function expand(weights: usize, biases: usize, offsets: usize): void {
  const taps = <usize>request.kernelX * <usize>request.kernelY * <usize>request.kernelZ;
  memory.fill(weights, 0, (taps * <usize>request.kernels) << 1);
  for (let i: usize = 0; i < request.entryCount; i++) {
    const entry = request.entries + i * TAP_ENTRY_BYTES;
    const index = <usize>Tap.kernel(entry) * taps + <usize>Tap.index(entry);
    store<i16>(weights + (index << 1), <i16>Tap.weight(entry));
  }
  for (let kernel: usize = 0; kernel < request.kernels; kernel++) {
    const record = request.records + kernel * KERNEL_RECORD_BYTES;
    store<u32>(biases + (kernel << 2), load<u32>(record));
    store<u32>(offsets + (kernel << 2), load<u32>(record, 4));
  }
}
