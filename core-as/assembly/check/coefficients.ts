// Coefficient buffers: the streams lie in the buffer, end where they say, and, in version 7, their offsets keep every
// output plane in the output's buffer (spec/coefficients-v7.md, spec/coefficients-v8.md).
// SPDX-License-Identifier: MIT
import { Access, CoefStats, Fault, Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { decodeCoefficients, openCoefficients } from "../coef/decoders";
import { CoefRequest, KERNEL_RECORD_BYTES } from "../coef/request";
import { faultRecord, noteFault } from "../fault";
import { BlockId, COEF_ALIGN, COEF_V8_LENGTHS_OFFSET, Nn } from "../gen/fields";
import { checkMapped, checkRange, heldAt, heldBytes } from "./buffers";
import { NnShape } from "./nn-shape";
import { note, noteField, noteRange, refusal, refuse } from "./report";

/** Coefficients of all jobs of a submit; far above any network, and a bound on the time of a check. */
const WORK_MAX: u64 = 0x10000000;

const request = changetype<CoefRequest>(memory.data(offsetof<CoefRequest>(), 8));
const stats = memory.data(CoefStats.WORDS * 4, 4);
let work: u64 = 0;

/** Starts the count of decoded bytes of a submit. */
export function startCoefficients(): void {
  work = 0;
}

function alignUp(value: u64): u64 {
  return (value + (COEF_ALIGN - 1)) & ~(<u64>(COEF_ALIGN - 1));
}

/** Bytes from the start of a version 7 buffer to the end of its last stream, by its size table. */
function totalV7(src: usize, cores: u32): u64 {
  let total = alignUp(4 * cores);
  for (let core: usize = 0; core < cores; core++) total += <u64>load<u32>(src + 4 * core);
  return total;
}

/** Bytes from the start of a version 8 buffer to the end of the biases, by its stream lengths in bits. */
function totalV8(src: usize, cores: u32, outZ: u32): u64 {
  let total = alignUp(COEF_V8_LENGTHS_OFFSET + 4 * cores);
  for (let core: usize = 0; core < min(cores, outZ); core++)
    total += alignUp((<u64>load<u32>(src + COEF_V8_LENGTHS_OFFSET + 4 * core) + 7) >> 3);
  return total + 4 * <u64>outZ;
}

/** Checks the coefficient buffer of a job. */
export function checkCoefficients(shape: NnShape, version: u32, cores: u32): Status {
  const head = version == 7 ? 4 * cores : COEF_V8_LENGTHS_OFFSET + 4 * cores;
  const src = heldAt(BlockId.NN, Nn.KERNEL_ADDR, shape.kernelAddr, alignUp(head));
  if (src == 0) return refusal();
  const total = version == 7 ? totalV7(src, cores) : totalV8(src, cores, shape.outZ);
  if (total > heldBytes()) {
    noteRange(shape.kernelAddr, <u64>shape.kernelAddr + total);
    noteFault(Fault.ADDRESS, shape.kernelAddr);
    return refuse(Status.CHECK_ADDRESS, CheckReason.STREAMS_OUTSIDE, <u32>total);
  }
  work += total;
  if (work > WORK_MAX)
    return refuse(Status.CHECK_LIMIT, CheckReason.COEFFICIENT_WORK, <u32>WORK_MAX);

  request.source = src;
  // Nothing behind what the sizes say belongs to the streams.
  request.bytes = <u32>total;
  request.cores = cores;
  request.kernelX = shape.kernelX;
  request.kernelY = shape.kernelY;
  request.kernelZ = shape.kernelZ;
  request.perCore = shape.kernelsPerCore;
  request.outZ = shape.outZ;
  request.zeroPoint = shape.weightZp;
  request.depthwise = shape.depthwise;
  request.stats = stats;
  const mark = arenaMark();
  const status = decode(shape, version);
  arenaReset(mark);
  return status;
}

/** Walks through all streams without keeping weights. */
function decode(shape: NnShape, version: u32): Status {
  if (openCoefficients(version, request) != Status.OK) return refuseStreams();
  // Zero runs of version 8 are written out, so a short stream can be long work.
  work += request.workBytes;
  if (work > WORK_MAX)
    return refuse(Status.CHECK_LIMIT, CheckReason.COEFFICIENT_WORK, <u32>WORK_MAX);
  request.entries = 0;
  request.records = arenaAlloc(<usize>request.kernels * KERNEL_RECORD_BYTES);
  request.workspace = arenaAlloc(<usize>request.workBytes + 4);
  if (request.records == 0 || request.workspace == 0)
    return refuse(Status.CHECK_LIMIT, CheckReason.COEFFICIENT_WORK, request.streamBytes);
  if (decodeCoefficients(version, request) != Status.OK) return refuseStreams();
  return version == 7 ? checkOffsets(shape) : Status.OK;
}

/** The decoder has filled the fault record: its word is one of the coefficient buffer. */
function refuseStreams(): Status {
  note(CheckReport.DETAIL, load<i32>(faultRecord() + 4 * <usize>Fault.WORD_INDEX));
  const value = load<i32>(faultRecord() + 4 * <usize>Fault.VALUE);
  noteField(BlockId.NN, Nn.KERNEL_ADDR);
  return refuse(Status.CHECK_DESCRIPTOR, CheckReason.COEFFICIENTS, value);
}

/**
 * Version 7: each kernel says where its output plane begins. Whether a kernel beyond the descriptor's channels (the
 * reference makes such, Q1) is written is not known: it has to lie in the memory of the output's buffer.
 */
function checkOffsets(shape: NnShape): Status {
  const base = <u64>shape.outAddr;
  const bytes = shape.outPlaneBytes;
  const planes = <u64>shape.outZ * shape.outPlane;
  for (let kernel: u32 = 0; kernel < request.kernels; kernel++) {
    const offset = <u64>load<u32>(request.records + <usize>kernel * KERNEL_RECORD_BYTES, 4);
    const from = base + offset;
    const status =
      offset < planes
        ? checkRange(BlockId.NN, Nn.OUT_IMAGE_ADDR, from, bytes, Access.WRITE)
        : checkMapped(BlockId.NN, Nn.OUT_IMAGE_ADDR, base, from, bytes);
    if (status == Status.OK) continue;
    note(CheckReport.DETAIL, kernel);
    return status;
  }
  return Status.OK;
}
