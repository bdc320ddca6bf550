// Reshuffle and pad programs as the reference writes them, quirks included (spec/lowering.md 9).
// SPDX-License-Identifier: MIT
import { TpJob } from "../assembly/abi.ts";
import type { TpProgram } from "./jobs.ts";
import { ceilDiv } from "./lower-shared.ts";
import type { Extent } from "./tp-programs.ts";

const WRAP_16 = 0xffff;

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
export function reshufflePrograms(from: Extent, to: Extent, options: ReshuffleOptions): TpProgram[] {
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
  const plane = outX * outY;

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
      core === cores - 1
        ? remainingIn
        : axis === 2
          ? size
          : 2 * size - (axis === 0 ? padX : padY);
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
      record: reshuffleRecord(partIn, partOut, [padX, padY], {
        stride: from.f,
        slice: inX * inY,
        plane,
        outX,
        zp: options.zp,
        noFlush: core < cores - 1,
      }),
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

function reshuffleRecord(
  partIn: readonly [number, number, number],
  partOut: readonly [number, number, number],
  pads: readonly [number, number],
  layout: {
    stride: number;
    slice: number;
    plane: number;
    outX: number;
    zp: number;
    noFlush: boolean;
  },
): TpProgram["record"] {
  const tileX = 2 * partOut[0];
  const tileY = 2 * partOut[1];
  return {
    // A last core without rows left gets a size below zero, which wraps (Q44).
    [TpJob.IN_X_SIZE]: partIn[0] & WRAP_16,
    [TpJob.IN_Y_SIZE]: partIn[1] & WRAP_16,
    [TpJob.IN_Z_SIZE]: partIn[2] & WRAP_16,
    [TpJob.IN_STRIDE]: layout.stride & WRAP_16,
    [TpJob.IN_SLICE]: layout.slice,
    [TpJob.WINDOW_X_START]: -pads[0],
    [TpJob.WINDOW_Y_START]: -pads[1],
    [TpJob.WINDOW_X_END]: (tileX - 1 - pads[0]) & WRAP_16,
    [TpJob.WINDOW_Y_END]: (tileY - 1 - pads[1]) & WRAP_16,
    [TpJob.TILE_X_SIZE]: tileX & WRAP_16,
    [TpJob.TILE_X_INC]: tileX & WRAP_16,
    [TpJob.TILE_Y_SIZE]: tileY & WRAP_16,
    [TpJob.TILE_Y_INC]: tileY & WRAP_16,
    [TpJob.LOOP_1_RESET]: 1,
    [TpJob.LOOP_3_RESET]: 1,
    [TpJob.NO_FLUSH]: layout.noFlush ? 1 : 0,
    [TpJob.COUNT_0]: 2,
    [TpJob.INC_0]: layout.plane,
    [TpJob.COUNT_1]: partOut[0],
    [TpJob.INC_1]: 1,
    [TpJob.COUNT_2]: 2,
    [TpJob.INC_2]: 2 * layout.plane,
    [TpJob.COUNT_3]: partOut[1],
    [TpJob.INC_3]: layout.outX,
    [TpJob.COUNT_4]: 1,
    [TpJob.COUNT_5]: 1,
    [TpJob.INC_6]: 4 * layout.plane,
    [TpJob.IN_ZP]: layout.zp,
    [TpJob.OUT_ZP]: layout.zp,
  };
}

/** Padding by one pixel on every side; channels are dealt to all cores, also when there are fewer (Q45). */
export function padPrograms(from: Extent, to: Extent, zp: number, tpCores: number): TpProgram[] {
  const programs: TpProgram[] = [];
  let remaining = from.c;
  let done = 0;
  for (let core = 0; core < tpCores; core++) {
    const size = core === tpCores - 1 ? remaining : ceilDiv(remaining, tpCores - core);
    programs.push({
      inOffset: done * from.s * from.f,
      outOffset: done * to.s * to.f,
      record: padRecord(from, to, size, zp, core < tpCores - 1),
    });
    remaining -= size;
    done += size;
  }
  return programs;
}

/** One core's share of a padding job: `planes` planes. */
export function padRecord(
  from: Extent,
  to: Extent,
  planes: number,
  zp: number,
  noFlush: boolean,
): TpProgram["record"] {
  return {
    [TpJob.IN_X_SIZE]: from.f,
    [TpJob.IN_Y_SIZE]: from.s,
    [TpJob.IN_Z_SIZE]: planes,
    [TpJob.IN_STRIDE]: from.f,
    [TpJob.IN_SLICE]: from.f * from.s,
    [TpJob.WINDOW_X_START]: -1,
    [TpJob.WINDOW_Y_START]: -1,
    [TpJob.WINDOW_X_END]: from.f,
    [TpJob.WINDOW_Y_END]: from.s,
    [TpJob.TILE_X_SIZE]: to.f,
    [TpJob.TILE_X_INC]: to.f,
    [TpJob.TILE_Y_SIZE]: to.s,
    [TpJob.TILE_Y_INC]: to.s,
    [TpJob.NO_FLUSH]: noFlush ? 1 : 0,
    [TpJob.COUNT_0]: 1,
    [TpJob.INC_0]: 0,
    [TpJob.COUNT_1]: to.f,
    [TpJob.INC_1]: 1,
    [TpJob.COUNT_2]: to.s,
    [TpJob.INC_2]: to.f,
    [TpJob.COUNT_3]: 1,
    [TpJob.COUNT_4]: 1,
    [TpJob.COUNT_5]: 1,
    [TpJob.INC_6]: to.f * to.s,
    [TpJob.IN_ZP]: zp,
    [TpJob.OUT_ZP]: zp,
  };
}
