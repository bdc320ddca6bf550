// The look-up of TP jobs in the simulator against a plain version of the newer driver's formulas, and the newer
// driver's own tables and descriptor words (spec/newer-driver.md 2.1 to 2.3).
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TpJob } from "../../core-as/assembly/abi.ts";
import type { Simulator } from "../../core-as/runtime/simulator.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { rng } from "../helpers/prng.mjs";
import { bytesOf, descriptor, sameBytes, simulatorOf, streamOf, tpJobWords, type Fields } from "../helpers/sim-rig.ts"; // prettier-ignore
import { thrownCode } from "../helpers/thrown.ts";

const IN = 0x10000000;
const OUT = 0x20000000;
const LUT = 0x30000000;
const TP = 0x40000000;

/** All 256 bytes in 16 rows, copied through the table. */
const ALL_BYTES: Fields = {
  IN_X_SIZE: 16, IN_Y_SIZE: 16, IN_Z_SIZE: 1, IN_STRIDE: 16, IN_SLICE: 256, WINDOW_X_END: 15, WINDOW_Y_END: 15,
  TILE_X_SIZE: 16, TILE_Y_SIZE: 16, TILE_X_INC: 16, TILE_Y_INC: 16, OUT_LOOP_0_COUNT: 1, OUT_LOOP_1_COUNT: 16,
  OUT_LOOP_1_INC: 1, OUT_LOOP_2_COUNT: 16, OUT_LOOP_2_INC: 16, IN_BASE_ADDR: IN, OUT_BASE_ADDR: OUT,
  PWL: 1, LOAD_LUT: 1, LUT_GLOBAL_MEM: 1, PWL_SIGN: 1, LUT_ADDR: LUT,
}; // prettier-ignore

function lookup(simulator: Simulator, table: Uint32Array, fields: Fields, access = 1): Uint8Array {
  const contents = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  simulator.mapBuffer({ address: IN, bytes: 256, access: 1, contents });
  simulator.mapBuffer({ address: OUT, bytes: 256, access: 2 });
  simulator.mapBuffer({ address: LUT, bytes: 4096, access, contents: bytesOf(table) });
  const words = descriptor("TP", { ...ALL_BYTES, ...fields });
  simulator.mapBuffer({ address: TP, bytes: 124, access: 1, contents: bytesOf(words) });
  simulator.submit(streamOf(tpJobWords(TP)));
  return simulator.read(OUT, 256);
}

/** FP21 as binary64: the same number with a wider exponent and fraction. */
function decode(code: number): number {
  const [exponent, fraction] = [(code >>> 15) & 31, (code & 0x7fff) / 0x8000];
  const magnitude = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
  return (code & 0x100000) === 0 ? magnitude : -magnitude;
}

/** Index of a number with the part of the way to the next index. */
function indexOf(x: number): [index: number, part: number] {
  if (x === 0) return [0, 0];
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  const position = (exponent + 15) * 16 + (Math.abs(x) / 2 ** exponent - 1) * 16;
  const index = Math.floor(position);
  return [index + (x < 0 ? 512 : 0), position - index];
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const isUp = value - floor === 0.5 ? floor % 2 !== 0 : value - floor > 0.5;
  return floor + Number(isUp);
}

interface Scaling {
  inZp: number;
  outZp: number;
  multiplier: number;
  shift: number;
}

function expected(table: Uint32Array, { inZp, outZp, multiplier, shift }: Scaling): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const [index, part] = indexOf(byte - inZp);
    const [here, next] = [decode(table[index]!), decode(table[index + 1]!)];
    const value = (here + part * (next - here)) * (1 + multiplier / 0x8000) * 2 ** -shift;
    return Math.min(Math.max(roundHalfEven(value) + outZp, 0), 255);
  });
}

const fieldsOf = ({ inZp, outZp, multiplier, shift }: Scaling): Fields => ({
  IN_ZERO_POINT: inZp,
  OUT_ZERO_POINT: outZp,
  OUT_POST_MULTIPLIER: multiplier,
  OUT_POST_SHIFT: shift,
});

/** The newer driver's table of RELU. */
const RELU = Uint32Array.from({ length: 1024 }, (_, i) =>
  i < 16 ? 0 : i < 496 ? i << 11 : i < 512 ? 0xf7fff : 0x100000,
);

/** The newer driver's table of ABS. */
const ABS = Uint32Array.from({ length: 1024 }, (_, i) => {
  const magnitude = i & 511;
  return magnitude < 16 ? (i < 512 ? 0 : 0x100000) : magnitude < 496 ? magnitude << 11 : 0xf7fff;
});

for (const build of BUILDS) {
  test(`${build}: random tables, zero points and multipliers equal the formulas`, async () => {
    const random = rng("sim-lookup/random");
    const simulator = await simulatorOf(build);
    for (let i = 0; i < 100; i++) {
      // Exponents around 2^6, or any finite ones.
      const table = Uint32Array.from({ length: 1024 }, () => {
        const exponent = i % 2 === 0 ? 15 + (random.next() % 8) : random.next() % 31;
        return (random.next() % 2 << 20) | (exponent << 15) | random.next() % 0x8000;
      }); // prettier-ignore
      const scaling: Scaling = {
        inZp: random.byte(),
        outZp: random.byte(),
        multiplier: i % 3 === 0 ? 0 : random.next() % 0x8000,
        shift: i % 5 === 0 ? (random.next() % 128) - 64 : (random.next() % 4) - 2,
      };
      const output = lookup(simulator, table, fieldsOf(scaling));
      sameBytes(output, expected(table, scaling), JSON.stringify(scaling));
    }
  });

  test(`${build}: the newer driver's tables of RELU and ABS are exact`, async () => {
    const simulator = await simulatorOf(build);
    for (const inZp of [0, 7, 128, 255]) {
      const scaling = { inZp, outZp: 0, multiplier: 0, shift: 0 };
      const ramp = Array.from({ length: 256 }, (_, byte) => byte - inZp);
      const relu = lookup(simulator, RELU, fieldsOf(scaling));
      sameBytes(relu, Uint8Array.from(ramp, (x) => Math.max(x, 0)), `RELU ${inZp}`); // prettier-ignore
      sameBytes(lookup(simulator, ABS, fieldsOf(scaling)), Uint8Array.from(ramp, Math.abs), `ABS ${inZp}`); // prettier-ignore
    }
  });

  test(`${build}: halves round as the simulator is told`, async () => {
    const outputs = await Promise.all(
      (["half-even", "half-up", "half-away"] as const).map(async (rounding) => {
        const simulator = await simulatorOf(build, { rounding });
        const identity = Uint32Array.from(RELU, (word, i) => (i < 528 ? word : (i & 511) << 11 | 0x100000)); // prettier-ignore
        const fields = { IN_ZERO_POINT: 128, OUT_ZERO_POINT: 128, OUT_POST_SHIFT: 1 };
        return [...lookup(simulator, identity, fields).subarray(123, 134)];
      }),
    );
    assert.equal(outputs, [
      [126, 126, 126, 127, 128, 128, 128, 129, 130, 130, 130],
      [126, 126, 127, 127, 128, 128, 129, 129, 130, 130, 131],
      [125, 126, 126, 127, 127, 128, 129, 129, 130, 130, 131],
    ]);
  });

  test(`${build}: what the newer driver does not do is refused`, async () => {
    const special = (index: number, word: number): Uint32Array =>
      Uint32Array.from(RELU, (old, i) => (i === index ? word : old));
    const refused: [string, Fields, Uint32Array?, number?][] = [
      ["TW_SIM_BAD_DESCRIPTOR", { PWL: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { LOAD_LUT: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { LUT_GLOBAL_MEM: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { PWL_SIGN: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { LUT_ADDR: LUT + 64 }],
      ["TW_SIM_BAD_ADDRESS", { LUT_ADDR: LUT + 4096 }],
      ["TW_SIM_BAD_ADDRESS", {}, RELU, 2],
      ["TW_SIM_BAD_ADDRESS", { OUT_BASE_ADDR: LUT }, RELU, 3],
      ["TW_SIM_BAD_DESCRIPTOR", { WINDOW_X_START: -1, WINDOW_X_END: 14 }],
      ["TW_SIM_BAD_DESCRIPTOR", { WINDOW_Y_START: -1, WINDOW_Y_END: 14 }],
      ["TW_SIM_BAD_DESCRIPTOR", { IN_X_SIZE: 15 }],
      ["TW_SIM_BAD_DESCRIPTOR", { IN_Y_SIZE: 15 }],
      ["TW_SIM_BAD_DESCRIPTOR", { MULT: 1 }],
      ["TW_SIM_BAD_DESCRIPTOR", {}, special(240, 31 << 15)],
      ["TW_SIM_BAD_DESCRIPTOR", {}, special(240, 1 << 21)],
      ["none", {}, special(500, 31 << 15)],
      ["none", {}],
    ];
    for (const [code, fields, table = RELU, access = 1] of refused) {
      const simulator = await simulatorOf(build);
      assert.is(thrownCode(() => lookup(simulator, table, fields, access)), code, JSON.stringify(fields)); // prettier-ignore
    }
    const plain = { PWL: 0, LOAD_LUT: 0, LUT_GLOBAL_MEM: 0, PWL_SIGN: 0, LUT_ADDR: 0 };
    const strays: Fields[] = [{}, { LOAD_LUT: 1 }, { LUT_GLOBAL_MEM: 1 }, { PWL_SIGN: 1 }, { LUT_ADDR: LUT }, { OUT_POST_SHIFT: -1 }, { OUT_POST_MULTIPLIER: 1 }]; // prettier-ignore
    for (const stray of strays) {
      const simulator = await simulatorOf(build);
      const code = Object.keys(stray).length === 0 ? "none" : "TW_SIM_BAD_DESCRIPTOR";
      assert.is(thrownCode(() => lookup(simulator, RELU, { ...plain, ...stray })), code, JSON.stringify(stray)); // prettier-ignore
    }
  });

  test(`${build}: packTp writes the words of the newer driver's example`, async () => {
    const core = await coreOf(build);
    const [c, f, planes] = [70, 20, 3];
    const record = new Int32Array(TpJob.WORDS);
    const members: [TpJob, number][] = [
      [TpJob.IN_X_SIZE, c], [TpJob.IN_Y_SIZE, f], [TpJob.IN_Z_SIZE, planes], [TpJob.IN_STRIDE, c], [TpJob.IN_SLICE, c * f],
      [TpJob.WINDOW_X_END, c - 1], [TpJob.WINDOW_Y_END, f - 1], [TpJob.TILE_X_SIZE, 64], [TpJob.TILE_X_INC, 64],
      [TpJob.TILE_Y_SIZE, 16], [TpJob.TILE_Y_INC, 16], [TpJob.LOOP_1_RESET, 1], [TpJob.LOOP_2_RESET, 1], [TpJob.NO_FLUSH, 1],
      [TpJob.COUNT_0, 1], [TpJob.INC_1, 1], [TpJob.INC_2, c], [TpJob.INC_3, 64], [TpJob.COUNT_3, 2], [TpJob.INC_4, 16 * c],
      [TpJob.COUNT_4, 2], [TpJob.COUNT_5, 1], [TpJob.INC_6, c * f], [TpJob.IN_ZP, 128], [TpJob.OUT_ZP, 10],
      [TpJob.LOOKUP, 1], [TpJob.POST_MULTIPLIER, 0x36db], [TpJob.POST_SHIFT, 0],
    ]; // prettier-ignore
    for (const [member, value] of members) record[member] = value;
    const pack = (): number[] =>
      core.scope(() => {
        const target = core.alloc(124);
        core.call("packTp", {}, core.allocWords(record), target);
        return [...core.readWords(target, 31)].map((word) => word >>> 0);
      });
    // Addresses are relocations.
    const [input, table, output] = [0, 0, 0];
    assert.equal(pack(), [
      0x46, 0x30014, 0x46, 0x578, 0, 0x130045, 0xe8000018, 0, 0x100040, 0x100040, input, table, 0xd000000e, output, 0, 1, 1,
      0x46, 0x40, 0x20000, 0x460, 0, 0x10002, 0x578, 0xa, 0, 0x3ffffff, 0, 0x3ffffff, 0x80000000, 0x36db0a,
    ]); // prettier-ignore
    // LOGISTIC with an output scale of 1/256: the shift is -8 in seven bits.
    record[TpJob.POST_SHIFT] = -8;
    assert.is(pack()[24], 0xa | (0x18 << 10) | (3 << 26));
  });
}

test.run();
