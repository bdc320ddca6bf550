// Dense kernels: a matrix product. Blocks of eight pixels are packed once as pairs of 16-bit values
// in tap order, then groups of four kernels run over them; packed chunks are small enough to stay
// in the cache.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CoefPlan, GROUP } from "./coef-plan";
import { simFail } from "./faults";
import { Lanes } from "./lanes";
import { nnView } from "./nn-view";
import { Requant } from "./requant";
import { Area, scratch } from "./scratch";
import { endChannel, firstChannel } from "./share";

const PACKED_CHUNK: usize = 0x30000;
const BLOCK_PIXELS: u32 = 8;
/** Eight pixels of two taps. */
const BLOCK_PAIR_BYTES: usize = 32;

/** Runs a job from the plan's matrix; `offsets`: tap -> offset from a pixel's first input byte. */
export function runMatrix(plan: CoefPlan, offsets: usize, output: usize): Status {
  const pairs = <usize>plan.matrixPairs;
  const blockBytes = pairs * BLOCK_PAIR_BYTES;
  const rowBlocks = (nnView.columns + BLOCK_PIXELS - 1) / BLOCK_PIXELS;
  const total = rowBlocks * nnView.rows;
  const chunk = max<u32>(1, min<u32>(total, <u32>(PACKED_CHUNK / blockBytes)));
  const packed = scratch(Area.PACKED, <u64>chunk * <u64>blockBytes);
  if (packed == 0) return simFail(Status.NO_MEMORY);

  for (let first: u32 = 0; first < total; first += chunk) {
    const count = min(chunk, total - first);
    for (let i: u32 = 0; i < count; i++) {
      const row = (first + i) / rowBlocks;
      const column = ((first + i) % rowBlocks) * BLOCK_PIXELS;
      const source = nnView.base + (row * nnView.row + column) * nnView.step;
      const block = packed + <usize>i * blockBytes;
      if (nnView.step == 1) packDense(block, source, offsets, pairs);
      else packStrided(block, source, offsets, pairs);
    }
    for (let channel = firstChannel; channel < endChannel; channel += GROUP) {
      const weights = plan.matrix + <usize>(channel / GROUP) * pairs * 16;
      for (let i: u32 = 0; i < count; i++) {
        const row = (first + i) / rowBlocks;
        const column = ((first + i) % rowBlocks) * BLOCK_PIXELS;
        const pixel = output + row * nnView.outRow + column;
        const width = min(BLOCK_PIXELS, nnView.columns - column);
        const block = packed + <usize>i * blockBytes;
        multiply(plan, block, weights, channel, endChannel - channel, pixel, width);
      }
    }
  }
  return Status.OK;
}

function packDense(dst: usize, source: usize, offsets: usize, pairs: usize): void {
  Block.pack(dst, source, offsets, pairs, false);
}

function packStrided(dst: usize, source: usize, offsets: usize, pairs: usize): void {
  Block.pack(dst, source, offsets, pairs, true);
}

abstract class Block {
  /** Inlined twice, so that `strided` is a constant in the loop. */
  @inline
  static pack(dst: usize, source: usize, offsets: usize, pairs: usize, strided: bool): void {
    const end = offsets + pairs * 8;
    for (; offsets < end; offsets += 8, dst += BLOCK_PAIR_BYTES) {
      const p = Lanes.pixels8(source + load<u32>(offsets), strided);
      const q = Lanes.pixels8(source + load<u32>(offsets, 4), strided);
      v128.store(dst, Lanes.interleaveLow(p, q));
      v128.store(dst, Lanes.interleaveHigh(p, q), 16);
    }
  }

  /** Adds the bias, requantises and stores up to eight pixels of one channel. */
  @inline
  static finish(
    plan: CoefPlan,
    channel: u32,
    low: v128,
    high: v128,
    pixel: usize,
    width: u32,
  ): void {
    const at = (<usize>channel) << 2;
    const bias = i32x4.splat(load<i32>(plan.biases + at));
    const bytes = Requant.bytes8(i32x4.add(low, bias), i32x4.add(high, bias));
    const dst = pixel + <usize>load<u32>(plan.offsets + at);
    if (width == BLOCK_PIXELS) store<u64>(dst, i64x2.extract_lane(bytes, 0));
    else Lanes.storePart(dst, bytes, width);
  }
}

/**
 * Up to four (`left`) kernels from `channel` on over one block: eight accumulators stay in
 * registers.
 */
function multiply(
  plan: CoefPlan,
  packed: usize,
  weights: usize,
  channel: u32,
  left: u32,
  pixel: usize,
  width: u32,
): void {
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  const end = weights + <usize>plan.matrixPairs * 16;
  for (; weights < end; weights += 16, packed += BLOCK_PAIR_BYTES) {
    const x0 = v128.load(packed);
    const x1 = v128.load(packed, 16);
    let w = v128.load32_splat(weights);
    a0 = Lanes.multiplyAdd(a0, x0, w);
    a1 = Lanes.multiplyAdd(a1, x1, w);
    w = v128.load32_splat(weights, 4);
    b0 = Lanes.multiplyAdd(b0, x0, w);
    b1 = Lanes.multiplyAdd(b1, x1, w);
    w = v128.load32_splat(weights, 8);
    c0 = Lanes.multiplyAdd(c0, x0, w);
    c1 = Lanes.multiplyAdd(c1, x1, w);
    w = v128.load32_splat(weights, 12);
    d0 = Lanes.multiplyAdd(d0, x0, w);
    d1 = Lanes.multiplyAdd(d1, x1, w);
  }
  Block.finish(plan, channel, a0, a1, pixel, width);
  if (left > 1) Block.finish(plan, channel + 1, b0, b1, pixel, width);
  if (left > 2) Block.finish(plan, channel + 2, c0, c1, pixel, width);
  if (left > 3) Block.finish(plan, channel + 3, d0, d1, pixel, width);
}
