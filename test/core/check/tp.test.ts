// The pre-submit check and TP descriptors: each field by a value that breaks its rule, reads and writes that are exact
// to the byte, look-up tables.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BLOCK_TABLES } from "../../../core-as/inspect/gen/fields.ts";
import {
  ADDRESS,
  CONSTANTS,
  DESCRIPTOR,
  INPUT,
  LOOKUP,
  OUTPUT,
  RESHUFFLE,
  checkerOf,
  passes,
  refusalOf,
  refuses,
  simulated,
  tpSubmit,
  withBuffer,
} from "../../helpers/check-rig.ts";
import { BUILDS } from "../../helpers/cores.ts";
import { rng } from "../../helpers/prng.mjs";
import type { Fields } from "../../helpers/sim-rig.ts";

/** Fields that change values only. */
const FREE: Record<string, number> = { NO_FLUSH: 1, IN_ZERO_POINT: 255, OUT_ZERO_POINT: 255 };

/** A value of each other field that a reshuffle is refused with: value, code, field that is named (default: the field). */
const RULES: Record<string, [value: number, code: string, named?: string]> = {
  IN_X_SIZE: [65535, "ADDRESS", "IN_BASE_ADDR"],
  IN_Y_SIZE: [7, "ADDRESS", "IN_BASE_ADDR"],
  IN_Z_SIZE: [4, "ADDRESS", "IN_BASE_ADDR"],
  IN_STRIDE: [7, "ADDRESS", "IN_BASE_ADDR"],
  IN_SLICE: [37, "ADDRESS", "IN_BASE_ADDR"],
  WINDOW_X_START: [9, "DESCRIPTOR", "WINDOW_X_END"],
  WINDOW_Y_START: [9, "DESCRIPTOR", "WINDOW_Y_END"],
  WINDOW_X_END: [7, "DESCRIPTOR", "TILE_X_SIZE"],
  WINDOW_Y_END: [7, "DESCRIPTOR", "TILE_Y_SIZE"],
  TILE_SEQUENCE: [1, "DESCRIPTOR"],
  TILE_GLOBAL_MEM: [1, "DESCRIPTOR"],
  IMAGE_GLOBAL_MEM: [0, "DESCRIPTOR"],
  I2F_ENABLE: [0, "DESCRIPTOR"],
  SQUARE: [1, "DESCRIPTOR"],
  HORZ_PROCESSING: [1, "DESCRIPTOR"],
  HORZ_COUNT: [1, "DESCRIPTOR"],
  HORZ_STRIDE: [1, "DESCRIPTOR"],
  VERT_PROCESSING: [1, "DESCRIPTOR"],
  VERT_COUNT: [1, "DESCRIPTOR"],
  VERT_STRIDE: [1, "DESCRIPTOR"],
  NMS: [1, "DESCRIPTOR"],
  PWL: [1, "DESCRIPTOR", "LOAD_LUT"],
  MULT: [1, "DESCRIPTOR"],
  F2I_ENABLE: [0, "DESCRIPTOR"],
  LOAD_LUT: [1, "DESCRIPTOR"],
  LUT_GLOBAL_MEM: [1, "DESCRIPTOR"],
  TILE_LIST_ADDR: [ADDRESS.input, "DESCRIPTOR"],
  TILE_X_SIZE: [11, "DESCRIPTOR"],
  TILE_Y_SIZE: [11, "DESCRIPTOR"],
  TILE_X_INC: [1, "DESCRIPTOR", "TILE_X_SIZE"],
  TILE_Y_INC: [9, "DESCRIPTOR", "TILE_Y_SIZE"],
  IN_BASE_ADDR: [ADDRESS.input + 1, "ADDRESS"],
  LUT_ADDR: [ADDRESS.coefs, "DESCRIPTOR"],
  SKIP_AT_BORDER: [1, "DESCRIPTOR"],
  OUT_GLOBAL_MEM: [0, "DESCRIPTOR"],
  LOOP_1_RESET: [0, "", ""],
  LOOP_2_RESET: [1, "DESCRIPTOR"],
  LOOP_3_RESET: [0, "", ""],
  BRICK_MODE: [1, "DESCRIPTOR"],
  Z_FILTER_MODE: [1, "DESCRIPTOR"],
  PRE_Z_OVERFETCH: [1, "DESCRIPTOR"],
  POST_Z_OVERFETCH: [1, "DESCRIPTOR"],
  PRE_SHIFT_HI: [1, "DESCRIPTOR"],
  IN_DATA_TYPE: [1, "DESCRIPTOR"],
  OUT_DATA_TYPE: [1, "DESCRIPTOR"],
  PWL_SIGN: [1, "DESCRIPTOR"],
  RELU: [1, "DESCRIPTOR"],
  LAST: [0, "DESCRIPTOR"],
  OUT_BASE_ADDR: [ADDRESS.output + 1, "ADDRESS"],
  OUT_LOOP_0_INC: [26, "ADDRESS", "OUT_BASE_ADDR"],
  OUT_LOOP_1_INC: [0xffffffff, "ADDRESS", "OUT_BASE_ADDR"],
  OUT_LOOP_0_COUNT: [0, "DESCRIPTOR"],
  OUT_LOOP_1_COUNT: [6, "DESCRIPTOR"],
  OUT_LOOP_2_INC: [51, "ADDRESS", "OUT_BASE_ADDR"],
  OUT_LOOP_3_INC: [6, "ADDRESS", "OUT_BASE_ADDR"],
  OUT_LOOP_2_COUNT: [0, "DESCRIPTOR"],
  OUT_LOOP_3_COUNT: [4, "DESCRIPTOR"],
  OUT_LOOP_4_INC: [1, "", ""],
  OUT_LOOP_5_INC: [1, "", ""],
  OUT_LOOP_4_COUNT: [0, "DESCRIPTOR"],
  OUT_LOOP_5_COUNT: [0, "DESCRIPTOR"],
  OUT_LOOP_6_INC: [101, "ADDRESS", "OUT_BASE_ADDR"],
  SWAP: [1, "DESCRIPTOR"],
  FLAT_ROUNDING: [0, "DESCRIPTOR"],
  INTEGER_ROUNDING: [2, "DESCRIPTOR"],
  IN_PRE_SHIFT: [1, "DESCRIPTOR"],
  OUT_POST_SHIFT: [1, "DESCRIPTOR"],
  REORDER_BITS: [1, "DESCRIPTOR"],
  REORDER_MODE: [1, "DESCRIPTOR"],
  IN_BORDER_MODE: [1, "DESCRIPTOR"],
  IN_CIRCULAR_SIZE: [64, "DESCRIPTOR"],
  IN_CIRCULAR_END: [0, "DESCRIPTOR"],
  OUT_CIRCULAR_SIZE: [64, "DESCRIPTOR"],
  OUT_CIRCULAR_END: [0, "DESCRIPTOR"],
  BORDER_CONST: [1, "DESCRIPTOR"],
  COEF_ZERO_POINT: [1, "DESCRIPTOR"],
  OUT_POST_MULTIPLIER: [1, "DESCRIPTOR"],
};

/** A look-up: fields, code, named field. */
const LOOKUPS: [Fields, string, string][] = [
  [{ LOAD_LUT: 0 }, "DESCRIPTOR", "LOAD_LUT"],
  [{ LUT_GLOBAL_MEM: 0 }, "DESCRIPTOR", "LUT_GLOBAL_MEM"],
  [{ PWL_SIGN: 0 }, "DESCRIPTOR", "PWL_SIGN"],
  [{ LUT_ADDR: ADDRESS.coefs + 64 }, "DESCRIPTOR", "LUT_ADDR"],
  [{ LUT_ADDR: ADDRESS.coefs + 4096 }, "ADDRESS", "LUT_ADDR"],
  [{ LUT_ADDR: ADDRESS.output }, "ADDRESS", "LUT_ADDR"],
  [{ WINDOW_X_START: -1, WINDOW_X_END: 14 }, "DESCRIPTOR", "WINDOW_X_START"],
  [{ WINDOW_Y_START: -1, WINDOW_Y_END: 14 }, "DESCRIPTOR", "WINDOW_Y_START"],
  [{ IN_X_SIZE: 15 }, "DESCRIPTOR", "WINDOW_X_END"],
  [{ IN_Y_SIZE: 15 }, "DESCRIPTOR", "WINDOW_Y_END"],
];

/** Descriptors without work: tiles or images without size. */
const EMPTY: Fields[] = [
  { TILE_X_SIZE: 0 },
  { TILE_Y_SIZE: 0 },
  { TILE_X_INC: 0 },
  { TILE_Y_INC: 0 },
  { IN_Z_SIZE: 0 },
];

for (const build of BUILDS) {
  const checker = await checkerOf(build);

  test(`${build}: TP descriptors pass, as they run`, async () => {
    const harmless = Object.entries(RULES).filter(([, [, code]]) => code === "");
    for (const fields of [{}, FREE, ...harmless.map(([name, [value]]) => ({ [name]: value }))]) {
      passes(checker, tpSubmit(fields));
      assert.is(await simulated(tpSubmit(fields)), "ok");
    }
    passes(checker, tpSubmit({}, LOOKUP));
    assert.is(await simulated(tpSubmit({}, LOOKUP)), "ok");
  });

  test(`${build}: every TP field is free or has a rule that refuses`, () => {
    const table = BLOCK_TABLES.find(({ name }) => name === "TP")!;
    assert.equal(
      table.fields.map(({ name }) => name).filter((name) => !(name in FREE) && !(name in RULES)),
      [],
    );
    for (const [field, [value, code, named = field]] of Object.entries(RULES)) {
      if (code === "") continue;
      const { where } = refuses(
        checker,
        tpSubmit({ [field]: value }),
        code,
        named,
        /^job 0 \(TP\): /,
      );
      assert.is(where.job, 0);
      assert.is(where.wordIndex, 17);
    }
    for (const [fields, code, named] of LOOKUPS)
      refuses(checker, tpSubmit(fields, LOOKUP), code, named);
  });

  test(`${build}: descriptors without work access nothing, wherever they point`, async () => {
    for (const fields of EMPTY) {
      const lost = { ...fields, IN_BASE_ADDR: 0, OUT_BASE_ADDR: 0xffffffff, OUT_LOOP_0_COUNT: 0 };
      passes(checker, tpSubmit(lost));
      assert.is(await simulated(tpSubmit(lost)), "ok");
      // Their constants still hold.
      refuses(checker, tpSubmit({ ...lost, NMS: 1 }), "DESCRIPTOR", "NMS");
    }
  });

  test(`${build}: padding reads nothing, an image of which all is padding neither`, () => {
    const beside = { IN_X_SIZE: 0, IN_BASE_ADDR: 16 };
    passes(checker, tpSubmit(beside));
    const before = { WINDOW_X_START: -10, WINDOW_X_END: 0, TILE_X_SIZE: 11, TILE_X_INC: 11 };
    const alone = { OUT_LOOP_1_COUNT: 5, LOOP_1_RESET: 0, LOOP_3_RESET: 0 };
    assert.is(refusalOf(checker, tpSubmit({ ...before, ...alone, IN_Z_SIZE: 2 })), null);
  });

  test(`${build}: reads and writes end exactly where their buffers may end`, async () => {
    for (const program of [RESHUFFLE, LOOKUP])
      for (const [index, field] of [
        [INPUT, "IN_BASE_ADDR"],
        [OUTPUT, "OUT_BASE_ADDR"],
      ] as const) {
        const submit = tpSubmit({}, program);
        const short = withBuffer(submit, index, { bytes: submit.buffers[index]!.bytes - 1 });
        refuses(checker, short, "ADDRESS", field, /1 bytes past the end of buffer/);
        assert.is(await simulated(short), "TW_SIM_BAD_ADDRESS");
        const access = index === INPUT ? 2 : 1;
        refuses(checker, withBuffer(submit, index, { access }), "ADDRESS", field, /grant/);
      }
  });

  test(`${build}: hostile counts and sizes are refused at once`, () => {
    const most = 0xffff;
    const huge = {
      IN_X_SIZE: most, IN_Y_SIZE: most, IN_Z_SIZE: most, WINDOW_X_START: 0, WINDOW_Y_START: 0, WINDOW_X_END: most - 1,
      WINDOW_Y_END: most - 1, TILE_X_SIZE: most, TILE_Y_SIZE: most, TILE_X_INC: most, TILE_Y_INC: most,
      IN_STRIDE: 0, IN_SLICE: 0, LOOP_1_RESET: 0, LOOP_3_RESET: 0,
    }; // prettier-ignore
    refuses(checker, tpSubmit(huge), "ADDRESS", "IN_BASE_ADDR");
    const read = withBuffer(tpSubmit(huge), INPUT, { bytes: 0x10000 });
    refuses(checker, read, "ADDRESS", "OUT_BASE_ADDR");
    const still = Object.fromEntries([0, 1, 2, 3, 6].map((i) => [`OUT_LOOP_${i}_INC`, 0]));
    const one = withBuffer(tpSubmit({ ...huge, ...still }), INPUT, { bytes: 0x10000 });
    refuses(checker, one, "DESCRIPTOR", "OUT_LOOP_6_INC", /more than once/);
    refuses(checker, tpSubmit({ OUT_LOOP_6_INC: 0x80000000 }), "ADDRESS", "OUT_BASE_ADDR");
  });

  test(`${build}: tables are whole, known, and hold FP21 numbers`, () => {
    const submit = tpSubmit({}, LOOKUP);
    const short = { bytes: 4095, contents: new Uint8Array(4095) };
    refuses(checker, withBuffer(submit, CONSTANTS, short), "ADDRESS", "LUT_ADDR", /past the end/);
    refuses(checker, withBuffer(submit, CONSTANTS, { access: 3 }), "ADDRESS", "LUT_ADDR", /change/);
    refuses(checker, withBuffer(submit, CONSTANTS, { contents: null }), "ADDRESS", "LUT_ADDR");
    for (const word of [1 << 21, 31 << 15, 0xffffffff | 0]) {
      const table = new Int32Array(1024).fill(0x78000);
      table[1023] = word;
      const contents = new Uint8Array(table.buffer);
      const refusal = refuses(checker, withBuffer(submit, CONSTANTS, { contents }), "DESCRIPTOR");
      assert.is(refusal.where.addrGpu, ADDRESS.coefs + 4092);
    }
  });

  test(`${build}: several descriptors of a job may not read what one of them writes`, async () => {
    const first = tpSubmit();
    const behind = { OUT_BASE_ADDR: ADDRESS.output + 300, IN_BASE_ADDR: ADDRESS.output };
    const second = tpSubmit({ ...behind, IN_Z_SIZE: 1 });
    const at = ADDRESS.nn + 0x1000;
    const stream = [...first.stream.slice(0, 17), ADDRESS.nn + 1, ...tpSubmit().stream.slice(8)];
    stream[27] = at;
    const buffers = [...first.buffers, { ...second.buffers[DESCRIPTOR]!, address: at }];
    const submit = { ...first, stream: Uint32Array.from(stream), buffers };
    const both = withBuffer(submit, OUTPUT, { access: 3, bytes: 400 });
    refuses(checker, both, "ADDRESS", "OUT_BASE_ADDR", /meets the input/);
    assert.is(await simulated(both), "TW_SIM_BAD_ADDRESS");
  });
}

/** What a plain walk through a program reaches: lowest and highest read, highest write; null where nothing is read. */
function walk(f: Record<string, number>): { read: [number, number] | null; write: number } {
  let read: [number, number] | null = null;
  let write = 0;
  let n = 0;
  for (let z = 0; z < f["IN_Z_SIZE"]!; z++)
    for (let top = f["WINDOW_Y_START"]!; top <= f["WINDOW_Y_END"]!; top += f["TILE_Y_INC"]!)
      for (let left = f["WINDOW_X_START"]!; left <= f["WINDOW_X_END"]!; left += f["TILE_X_INC"]!)
        for (let y = top; y < top + f["TILE_Y_SIZE"]!; y++)
          for (let x = left; x < left + f["TILE_X_SIZE"]!; x++, n++) {
            if (x >= 0 && y >= 0 && x < f["IN_X_SIZE"]! && y < f["IN_Y_SIZE"]!) {
              const at = z * f["IN_SLICE"]! + y * f["IN_STRIDE"]! + x;
              read = [Math.min(read?.[0] ?? at, at), Math.max(read?.[1] ?? at, at)];
            }
            let [left_, at] = [n, 0];
            for (let loop = 0; loop < 6; loop++) {
              const count = f[`OUT_LOOP_${loop}_COUNT`]!;
              at += (left_ % count) * f[`OUT_LOOP_${loop}_INC`]!;
              left_ = Math.floor(left_ / count);
            }
            write = Math.max(write, at + left_ * f["OUT_LOOP_6_INC"]!);
          }
  return { read, write };
}

test("random programs: the bounds are those of a plain walk, to the byte", async () => {
  const checker = await checkerOf("release");
  const random = rng("check/tp");
  const below = (limit: number): number => random.next() % limit;
  let inner = 0;
  for (let round = 0; round < 4000; round++) {
    const f: Record<string, number> = {};
    for (const axis of ["X", "Y"]) {
      const [size, tiles] = [1 + below(4), 1 + below(3)];
      const step = size + below(4);
      const start = below(12) - 6;
      f[`TILE_${axis}_SIZE`] = size;
      f[`TILE_${axis}_INC`] = step;
      f[`WINDOW_${axis}_START`] = start;
      f[`WINDOW_${axis}_END`] = start + (tiles - 1) * step + size - 1 + below(step - size + 1);
      f[`IN_${axis}_SIZE`] = below(8);
    }
    // The end has no sign.
    if (f["WINDOW_X_END"]! < 0 || f["WINDOW_Y_END"]! < 0) continue;
    f["IN_Z_SIZE"] = 1 + below(3);
    f["IN_STRIDE"] = below(20);
    f["IN_SLICE"] = below(90);
    for (let loop = 0; loop < 7; loop++) {
      f[`OUT_LOOP_${loop}_INC`] = below(60);
      if (loop < 6) f[`OUT_LOOP_${loop}_COUNT`] = 1 + below(4);
    }
    const { read, write } = walk(f);
    const program = { ...f, LOOP_1_RESET: 0, LOOP_3_RESET: 0 };
    const fits = (from: number, to: number, end: number): string | undefined => {
      const submit = tpSubmit({ ...program, IN_BASE_ADDR: 0x10001000 - from }, RESHUFFLE);
      const sized = withBuffer(submit, INPUT, { address: 0x10001000, bytes: Math.max(to - from + 1, 1) });
      return refusalOf(checker, withBuffer(sized, OUTPUT, { bytes: end + 1 }))?.where.field;
    };
    const [from, to] = read ?? [0, 0];
    const whole = fits(from, to, write);
    // More elements than bytes is a reason of its own.
    assert.ok(whole === undefined || whole === "OUT_LOOP_6_INC", `${round} ${JSON.stringify(f)}`);
    if (write > 0) assert.is(fits(from, to, write - 1), "OUT_BASE_ADDR", JSON.stringify(f));
    if (read === null) continue;
    inner++;
    if (to > from) assert.is(fits(from, to - 1, write), "IN_BASE_ADDR", JSON.stringify(f));
    assert.is(fits(from + 1, to, write), "IN_BASE_ADDR", JSON.stringify(f));
  }
  assert.ok(inner > 1000, String(inner));
}); // prettier-ignore

test.run();
