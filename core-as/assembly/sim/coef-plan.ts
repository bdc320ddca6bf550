// Decoded coefficients in the form that the executor runs: kept per coefficient buffer, so that a
// second inference does not decode again. An entry is valid for one version of the buffer and one
// set of fields.
// SPDX-License-Identifier: MIT
import { CoefStats, Fault, Status } from "../abi";
import { arenaAlloc, arenaAllocZeroed } from "../arena";
import { decodeCoefficients, openCoefficients } from "../coef/decoders";
import { CoefRequest, KERNEL_RECORD_BYTES, TAP_ENTRY_BYTES, Tap } from "../coef/request";
import { noteFault } from "../fault";
import { BlockId, Nn } from "../gen/fields";
import { failLimit, simFail } from "./faults";
import { spend } from "./limits";
import { SimBuffer } from "./memory";
import { NnJob } from "./nn-job";
import { Area, scratch } from "./scratch";
import { inputCentre, planeOffset } from "./versions";

const PLANS_MAX: u32 = 1024;
/** Pairs of taps: offset or tap of each, then both weights as 16-bit values. */
export const PAIR_BYTES: usize = 12;
/** Kernels that the matrix interleaves. */
export const GROUP: u32 = 4;
/** A kernel whose output plane does not exist (quirk Q1). */
const DROPPED: u32 = 0xffffffff;
/** At this share of nonzero weights (in percent) the matrix is faster than lists of taps. */
const DENSE_PERCENT: u64 = 35;
/** Work units to decode a byte: up to 128 weights, and some order. */
const DECODE_WORK: u64 = 64;
const BYTES_MAX: u64 = 0x60000000;

@unmanaged
export class CoefPlan {
  kernelAddr: u32;
  /** Of the buffer that holds the coefficients. */
  version: u32;
  kernelX: u32;
  kernelY: u32;
  kernelZ: u32;
  kernelsPerCore: u32;
  outZ: u32;
  weightZp: u32;
  depthwise: bool;
  outPlane: u64;
  slab: usize;
  slabBytes: u32;

  /** Biases (i32), then output offsets (u32), one for each output channel. */
  biases: usize;
  offsets: usize;
  /** Weights per kernel. */
  taps: u32;
  nonzero: u32;
  /** 0: lists. Else pairs of taps per kernel in the matrix. */
  matrixPairs: u32;
  /**
   * Matrix, by groups of kernels: for each pair of taps, two 16-bit weights of each kernel of the
   * group.
   */
  matrix: usize;
  /** Lists: index of each channel's first pair (outZ + 1 words), then the pairs. */
  starts: usize;
  pairs: usize;
}

let plans: usize = 0;
let planCount: u32 = 0;
let evicted: u32 = 0;
const request = changetype<CoefRequest>(memory.data(offsetof<CoefRequest>(), 8));
const stats = memory.data(CoefStats.WORDS * 4, 4);

export function resetPlans(): Status {
  plans = arenaAllocZeroed(PLANS_MAX * offsetof<CoefPlan>());
  planCount = 0;
  evicted = 0;
  return plans == 0 ? Status.NO_MEMORY : Status.OK;
}

/** The entry of a coefficient address; a new or the oldest one if there is none. */
function entryOf(kernelAddr: u32): CoefPlan {
  for (let i: u32 = 0; i < planCount; i++) {
    const plan = changetype<CoefPlan>(plans + <usize>i * offsetof<CoefPlan>());
    if (plan.kernelAddr == kernelAddr) return plan;
  }
  const index = planCount < PLANS_MAX ? planCount++ : evicted++ % PLANS_MAX;
  const plan = changetype<CoefPlan>(plans + <usize>index * offsetof<CoefPlan>());
  plan.kernelAddr = kernelAddr;
  plan.version = 0;
  return plan;
}

function matches(plan: CoefPlan, job: NnJob, version: u32): bool {
  return (
    plan.version == version &&
    plan.kernelX == job.kernelX &&
    plan.kernelY == job.kernelY &&
    plan.kernelZ == job.kernelZ &&
    plan.kernelsPerCore == job.kernelsPerCore &&
    plan.outZ == job.outZ &&
    plan.weightZp == job.weightZp &&
    plan.depthwise == job.depthwise &&
    plan.outPlane == job.outPlane
  );
}

let found: CoefPlan = changetype<CoefPlan>(0);

/** The plan that the last successful findPlan found. */
export function foundPlan(): CoefPlan {
  return found;
}

/**
 * Finds or makes the plan of a job whose coefficients are in `buffer`, at `ptr`.
 * @returns SIM_BAD_COEFFICIENTS, SIM_DOUBLE_WRITE (two kernels with one output plane), SIM_LIMIT
 */
export function findPlan(
  job: NnJob,
  nnVersion: u32,
  nnCores: u32,
  buffer: SimBuffer,
  ptr: usize,
): Status {
  const plan = entryOf(job.kernelAddr);
  found = plan;
  if (matches(plan, job, buffer.version)) return Status.OK;

  plan.version = 0;
  request.source = ptr;
  request.bytes = buffer.bytes - (job.kernelAddr - buffer.address);
  request.cores = nnCores;
  request.kernelX = job.kernelX;
  request.kernelY = job.kernelY;
  request.kernelZ = job.kernelZ;
  request.perCore = job.kernelsPerCore;
  request.outZ = job.outZ;
  request.zeroPoint = job.weightZp;
  request.depthwise = job.depthwise;
  request.stats = stats;
  let status = decode(nnVersion);
  if (status == Status.OK) status = assignSlots(job, nnVersion);
  if (status == Status.OK) status = build(plan, job, nnVersion);
  if (status != Status.OK) return status;

  plan.kernelX = job.kernelX;
  plan.kernelY = job.kernelY;
  plan.kernelZ = job.kernelZ;
  plan.kernelsPerCore = job.kernelsPerCore;
  plan.outZ = job.outZ;
  plan.weightZp = job.weightZp;
  plan.depthwise = job.depthwise;
  plan.outPlane = job.outPlane;
  plan.version = buffer.version;
  return Status.OK;
}

function decode(nnVersion: u32): Status {
  let status = openCoefficients(nnVersion, request);
  if (status != Status.OK) return simFail(status);
  status = spend(<u64>request.streamBytes * DECODE_WORK + request.workBytes);
  if (status != Status.OK) return status;
  // One entry more: the place behind the last one is written before it is known to be needed.
  request.entries = scratch(Area.ENTRIES, (request.entriesMax + 1) * <u64>TAP_ENTRY_BYTES);
  request.records = scratch(Area.RECORDS, <u64>request.kernels * <u64>KERNEL_RECORD_BYTES);
  request.workspace = scratch(Area.STREAM, request.workBytes + 4);
  if (request.entries == 0 || request.records == 0 || request.workspace == 0)
    return simFail(Status.NO_MEMORY);
  status = decodeCoefficients(nnVersion, request);
  return status == Status.OK ? status : simFail(status);
}

function failKernel(code: Status, kernel: u32, offset: u32): Status {
  noteFault(Fault.BLOCK, BlockId.NN);
  noteFault(Fault.FIELD, Nn.OUT_Z_SIZE);
  noteFault(Fault.VALUE, offset);
  noteFault(Fault.LIMIT, kernel);
  return simFail(code);
}

/**
 * Kernel in stream order -> output channel, from its offset. A kernel beyond the last channel is
 * dropped (quirk Q1); the others must make up every channel, once.
 */
function assignSlots(job: NnJob, nnVersion: u32): Status {
  const slots = scratch(Area.SLOTS, <u64>(request.kernels + 2 * job.outZ) * 4);
  if (slots == 0) return simFail(Status.NO_MEMORY);
  const counts = slots + ((<usize>request.kernels) << 2);
  memory.fill(counts, 0xff, (<usize>job.outZ) << 2);
  let kept: u32 = 0;
  for (let kernel: u32 = 0; kernel < request.kernels; kernel++) {
    const word = load<u32>(request.records + <usize>kernel * KERNEL_RECORD_BYTES, 4);
    const offset = planeOffset(nnVersion, job, word);
    const slot = offset / job.outPlane;
    const place = slots + ((<usize>kernel) << 2);
    if (offset % job.outPlane != 0) return failKernel(Status.SIM_BAD_COEFFICIENTS, kernel, word);
    if (slot >= job.outZ) {
      store<u32>(place, DROPPED);
      continue;
    }
    const taken = counts + ((<usize>slot) << 2);
    if (load<u32>(taken) == 0) return failKernel(Status.SIM_DOUBLE_WRITE, kernel, word);
    store<u32>(taken, 0);
    store<u32>(place, <u32>slot);
    kept++;
  }
  // A channel without a kernel would keep what the buffer held before.
  if (kept != job.outZ) return failKernel(Status.SIM_BAD_COEFFICIENTS, request.kernels, kept);
  return Status.OK;
}

/**
 * Counts the weights of every channel that differ from the zero point; returns the pairs that they
 * make.
 */
function countPairs(plan: CoefPlan, outZ: u32): u64 {
  const slots = scratch(Area.SLOTS, 0);
  const counts = slots + ((<usize>request.kernels) << 2);
  const end = request.entries + <usize>request.entryCount * TAP_ENTRY_BYTES;
  plan.nonzero = 0;
  for (let entry = request.entries; entry < end; entry += TAP_ENTRY_BYTES) {
    const slot = load<u32>(slots + ((<usize>Tap.kernel(entry)) << 2));
    if (slot == DROPPED) continue;
    const place = counts + ((<usize>slot) << 2);
    store<u32>(place, load<u32>(place) + 1);
    plan.nonzero++;
  }
  let pairs: u64 = 0;
  for (let slot: u32 = 0; slot < outZ; slot++)
    pairs += <u64>((load<u32>(counts + ((<usize>slot) << 2)) + 1) >> 1);
  return pairs;
}

function build(plan: CoefPlan, job: NnJob, nnVersion: u32): Status {
  const taps = <u64>job.kernelX * <u64>job.kernelY * <u64>job.kernelZ;
  const listPairs = countPairs(plan, job.outZ);
  const dense = <u64>plan.nonzero * 100 >= taps * <u64>job.outZ * DENSE_PERCENT;
  const matrixPairs = (taps + 1) >> 1;
  const groups = <u64>((job.outZ + GROUP - 1) / GROUP);
  const table = <u64>job.outZ * 8;
  const body = dense
    ? groups * matrixPairs * 16
    : listPairs * <u64>PAIR_BYTES + <u64>(job.outZ + 1) * 4;
  if (table + body > BYTES_MAX) return failLimit(table + body);

  const bytes = <u32>(((table + 15) & ~15) + body);
  if (plan.slabBytes < bytes) {
    const size = bytes + (plan.slabBytes != 0 ? bytes >> 2 : 0);
    plan.slab = arenaAlloc(size);
    plan.slabBytes = plan.slab == 0 ? 0 : size;
    if (plan.slab == 0) return simFail(Status.NO_MEMORY);
  }
  plan.biases = plan.slab;
  plan.offsets = plan.slab + ((<usize>job.outZ) << 2);
  plan.taps = <u32>taps;
  const start = plan.slab + <usize>((table + 15) & ~15);
  placeRecords(plan, job);
  centreInputs(plan, inputCentre(nnVersion));
  if (dense) {
    plan.matrixPairs = <u32>matrixPairs;
    plan.matrix = start;
    memory.fill(start, 0, <usize>body);
    fillMatrix(plan);
  } else {
    plan.matrixPairs = 0;
    plan.starts = start;
    plan.pairs = start + ((<usize>job.outZ + 1) << 2);
    fillLists(plan, job.outZ);
  }
  return Status.OK;
}

function placeRecords(plan: CoefPlan, job: NnJob): void {
  const slots = scratch(Area.SLOTS, 0);
  for (let kernel: u32 = 0; kernel < request.kernels; kernel++) {
    const slot = load<u32>(slots + ((<usize>kernel) << 2));
    if (slot == DROPPED) continue;
    const record = request.records + <usize>kernel * KERNEL_RECORD_BYTES;
    store<u32>(plan.biases + ((<usize>slot) << 2), load<u32>(record));
    // A job whose planes do not fit 32 bits is refused for its output address.
    store<u32>(plan.offsets + ((<usize>slot) << 2), <u32>(<u64>slot * job.outPlane));
  }
}

/**
 * Σ w * (x - centre) = Σ w * x - centre * Σ w, also when it wraps: moves the centre of all inputs to
 * the biases, so that the loops multiply input bytes as they are.
 */
function centreInputs(plan: CoefPlan, centre: i32): void {
  if (centre == 0) return;
  const slots = scratch(Area.SLOTS, 0);
  const end = request.entries + <usize>request.entryCount * TAP_ENTRY_BYTES;
  for (let entry = request.entries; entry < end; entry += TAP_ENTRY_BYTES) {
    const slot = load<u32>(slots + ((<usize>Tap.kernel(entry)) << 2));
    if (slot == DROPPED) continue;
    const bias = plan.biases + ((<usize>slot) << 2);
    store<i32>(bias, load<i32>(bias) - centre * Tap.weight(entry));
  }
}

function fillMatrix(plan: CoefPlan): void {
  const slots = scratch(Area.SLOTS, 0);
  const groupBytes = <usize>plan.matrixPairs * 16;
  const end = request.entries + <usize>request.entryCount * TAP_ENTRY_BYTES;
  for (let entry = request.entries; entry < end; entry += TAP_ENTRY_BYTES) {
    const slot = load<u32>(slots + ((<usize>Tap.kernel(entry)) << 2));
    if (slot == DROPPED) continue;
    const tap = <usize>Tap.index(entry);
    const row = plan.matrix + <usize>(slot / GROUP) * groupBytes + ((tap >> 1) << 4);
    store<i16>(row + ((<usize>(slot % GROUP)) << 2) + ((tap & 1) << 1), <i16>Tap.weight(entry));
  }
}

/** Entries of a kernel are in stream order; the order within a list does not matter. */
function fillLists(plan: CoefPlan, outZ: u32): void {
  const slots = scratch(Area.SLOTS, 0);
  const counts = slots + ((<usize>request.kernels) << 2);
  const filled = counts + ((<usize>outZ) << 2);
  let first: u32 = 0;
  for (let slot: u32 = 0; slot < outZ; slot++) {
    const taps = load<u32>(counts + ((<usize>slot) << 2));
    store<u32>(plan.starts + ((<usize>slot) << 2), first);
    store<u32>(filled + ((<usize>slot) << 2), 0);
    first += (taps + 1) >> 1;
  }
  store<u32>(plan.starts + ((<usize>outZ) << 2), first);

  const end = request.entries + <usize>request.entryCount * TAP_ENTRY_BYTES;
  for (let entry = request.entries; entry < end; entry += TAP_ENTRY_BYTES) {
    const slot = load<u32>(slots + ((<usize>Tap.kernel(entry)) << 2));
    if (slot == DROPPED) continue;
    const at = filled + ((<usize>slot) << 2);
    const index = load<u32>(at);
    store<u32>(at, index + 1);
    const pair = load<u32>(plan.starts + ((<usize>slot) << 2)) + (index >> 1);
    const place = plan.pairs + <usize>pair * PAIR_BYTES;
    const tap = Tap.index(entry);
    if ((index & 1) == 0) {
      // The second half repeats the tap with weight 0 unless another tap follows.
      store<u32>(place, tap);
      store<u32>(place, tap, 4);
      store<u32>(place, (<u32>Tap.weight(entry)) & 0xffff, 8);
    } else {
      store<u32>(place, tap, 4);
      store<i16>(place, <i16>Tap.weight(entry), 10);
    }
  }
}
