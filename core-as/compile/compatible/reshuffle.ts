// Reshuffle programs as the reference writes them, quirks included (spec/lowering.md 9).
// SPDX-License-Identifier: MIT
import type { TpProgram } from "../jobs.ts";
import { ceilDiv } from "../lower-shared.ts";
import type { Extent } from "../../ir/extent.ts";
import { reshuffleRecord } from "../tp-programs.ts";

interface ReshuffleOptions {
  kernel: number;
  same: boolean;
  zp: number;
  tpCores: number;
}

/** Image sizes that the reference gives to one core, whatever the number of cores. */
const SINGLE_CORE_SIDES = [320, 224];

/** Axis that is dealt to the cores: 0 = x, 1 = y, 2 = z. */
function splitAxis(outX: number, outY: number, channels: number): 0 | 1 | 2 {
  const spatial = outY >= outX ? 1 : 0;
  return channels >= (spatial === 1 ? outY : outX) ? 2 : spatial;
}

/** Stride-two reshuffle: output plane 4z + 2 (y & 1) + (x & 1). */
export function reshufflePrograms(
  from: Extent,
  to: Extent,
  options: ReshuffleOptions,
): TpProgram[] {
  const channels = from.c;
  const single =
    !(from.s > 8 || channels > 1) || (channels === 3 && SINGLE_CORE_SIDES.includes(from.s));
  const cores = single ? 1 : options.tpCores;
  const exchange = from.f > from.s;
  const [inX, inY] = exchange ? [from.f, from.s] : [from.s, from.f];
  const [outX, outY] = exchange ? [to.f, to.s] : [to.s, to.f];
  const axis = splitAxis(outX, outY, channels);
  const ins = [inX, inY, channels];
  const outs = [outX, outY, channels];

  const programs: TpProgram[] = [];
  let remainingIn = ins[axis]!;
  let remainingOut = outs[axis]!;
  let inOffset = 0;
  let outOffset = 0;
  let outDone = 0;
  for (let core = 0; core < cores; core++) {
    const [padX, padY] = reshufflePads(from, options, core, axis);
    const size = ceilDiv(remainingOut, cores - core);
    const partIn: [number, number, number] = [inX, inY, channels];
    partIn[axis] =
      core === cores - 1 ? remainingIn : axis === 2 ? size : 2 * size - (axis === 0 ? padX : padY);
    const partOut: [number, number, number] = [outX, outY, channels];
    partOut[axis] = size;
    remainingIn -= partIn[axis];
    remainingOut -= size;

    const tileX = 2 * partOut[0];
    const tileY = 2 * partOut[1];
    programs.push({
      inOffset,
      // Along z the reference multiplies by this core's tile, not by the planes before.
      outOffset: axis === 2 ? outDone * tileX * tileY : outOffset,
      // A last core without rows left gets a size below zero, which wraps in its field (Q44).
      record: reshuffleRecord(
        { size: partIn[0], outputs: partOut[0], start: -padX },
        { size: partIn[1], outputs: partOut[1], start: -padY },
        partIn[2],
        {
          stride: from.f,
          slice: inX * inY,
          rows: outY,
          columns: outX,
          zp: options.zp,
          noFlush: core < cores - 1,
        },
      ),
    });
    inOffset += partIn[axis] * [1, from.f, inX * inY][axis]!;
    // The row step should be the row length outX; the reference uses the number of rows (Q15).
    outOffset += size * [1, outY, 0][axis]!;
    outDone += size;
  }
  return programs;
}

function reshufflePads(
  from: Extent,
  { kernel, same }: ReshuffleOptions,
  core: number,
  axis: number,
): [x: number, y: number] {
  let padX = 0;
  let padY = 0;
  if (!same) return [0, 0];
  const atStart = (of: number): number => (core === 0 || axis !== of ? 1 : 0);
  if (kernel === 5) {
    padX += atStart(0);
    padY += atStart(1);
  }
  // x pads by the parity of S and y by that of F, although x runs over F when F > S (Q60).
  if (from.s % 2 === 1) padX += atStart(0);
  if (from.f % 2 === 1) padY += atStart(1);
  return [padX, padY];
}
