// Sparse kernels: for each output channel, its few nonzero taps over all pixels, sixteen at a time.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CoefPlan, PAIR_BYTES } from "./coef-plan";
import { simFail } from "./faults";
import { Lanes } from "./lanes";
import { nnView } from "./nn-view";
import { Requant } from "./requant";
import { Area, scratch } from "./scratch";
import { endChannel, firstChannel } from "./share";

/** Runs a job from lists of taps; `offsets`: tap -> offset from a pixel's first input byte. */
export function runLists(plan: CoefPlan, offsets: usize, output: usize): Status {
  const longest = (<u64>plan.taps + 1) >> 1;
  const list = scratch(Area.TAPS, longest * <u64>PAIR_BYTES);
  if (list == 0) return simFail(Status.NO_MEMORY);
  for (let channel = firstChannel; channel < endChannel; channel++) {
    const at = (<usize>channel) << 2;
    let pair = plan.pairs + <usize>load<u32>(plan.starts + at) * PAIR_BYTES;
    const last = plan.pairs + <usize>load<u32>(plan.starts + at, 4) * PAIR_BYTES;
    let end = list;
    for (; pair < last; pair += PAIR_BYTES, end += PAIR_BYTES) {
      store<u32>(end, load<u32>(offsets + ((<usize>load<u32>(pair)) << 2)));
      store<u32>(end, load<u32>(offsets + ((<usize>load<u32>(pair, 4)) << 2)), 4);
      store<u32>(end, load<u32>(pair, 8), 8);
    }
    const bias = load<i32>(plan.biases + at);
    const plane = output + <usize>load<u32>(plan.offsets + at);
    if (nnView.step == 1) planeDense(list, end, bias, plane);
    else planeStrided(list, end, bias, plane);
  }
  return Status.OK;
}

function planeDense(list: usize, end: usize, bias: i32, output: usize): void {
  ListPlane.run(list, end, bias, output, false);
}

function planeStrided(list: usize, end: usize, bias: i32, output: usize): void {
  ListPlane.run(list, end, bias, output, true);
}

abstract class ListPlane {
  /**
   * One output plane from the taps list..end-1. Inlined twice, so that `strided` is a constant in
   * the loop.
   */
  @inline
  static run(list: usize, end: usize, bias: i32, output: usize, strided: bool): void {
    const columns = nnView.columns;
    const scale: u32 = strided ? 2 : 1;
    const half: usize = strided ? 16 : 8;
    let source = nnView.base;
    for (let y = nnView.rows; y > 0; y--) {
      for (let x: u32 = 0; x < columns; x += 16) {
        const from = source + x * scale;
        let a = i32x4.splat(bias);
        let b = a;
        let c = a;
        let d = a;
        for (let tap = list; tap < end; tap += PAIR_BYTES) {
          const p = from + load<u32>(tap);
          const q = from + load<u32>(tap, 4);
          const weights = v128.load32_splat(tap, 8);
          const p0 = Lanes.pixels8(p, strided);
          const q0 = Lanes.pixels8(q, strided);
          const p1 = Lanes.pixels8(p + half, strided);
          const q1 = Lanes.pixels8(q + half, strided);
          a = Lanes.multiplyAdd(a, Lanes.interleaveLow(p0, q0), weights);
          b = Lanes.multiplyAdd(b, Lanes.interleaveHigh(p0, q0), weights);
          c = Lanes.multiplyAdd(c, Lanes.interleaveLow(p1, q1), weights);
          d = Lanes.multiplyAdd(d, Lanes.interleaveHigh(p1, q1), weights);
        }
        const bytes = Requant.bytes16(a, b, c, d);
        if (x + 16 <= columns) v128.store(output + x, bytes);
        else Lanes.storePart(output + x, bytes, columns - x);
      }
      source += nnView.row * scale;
      output += nnView.outRow;
    }
  }
}
