// The pre-submit check and NN descriptors: each field by a value that breaks its rule, and the exact ends of images.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BLOCK_TABLES } from "../../../core-as/inspect/gen/fields.ts";
import {
  ADDRESS,
  CONSTANTS,
  DESCRIPTOR,
  IMX8MP_CHIP,
  INPUT,
  OUTPUT,
  checkerOf,
  nnSubmit,
  nnSubmitV8,
  passes,
  refuses,
  simulated,
  withBuffer,
  type Submit,
} from "../../helpers/check-rig.ts";
import { BUILDS } from "../../helpers/cores.ts";
import type { Fields } from "../../helpers/sim-rig.ts";

/** Fields that change values only: any value passes. */
const FREE: Record<string, number> = {
  RELU: 1,
  POST_MULTIPLIER: 77,
  POST_SHIFT: 100,
  COEF_ZERO_POINT: 3,
  OUT_ZERO_POINT: 255,
};

/** A value of each other field that is refused: value, code, field that is named (default: the field). */
const RULES: Record<string, [value: number, code: string, named?: string]> = {
  LAYER_TYPE: [1, "DESCRIPTOR"],
  NO_Z_OFFSET: [1, "DESCRIPTOR"],
  KERNEL_X_SIZE: [0, "DESCRIPTOR"],
  KERNEL_Y_SIZE: [0, "DESCRIPTOR"],
  KERNEL_Z_SIZE: [5, "ADDRESS", "IN_IMAGE_ADDR"],
  KERNELS_PER_CORE: [0, "DESCRIPTOR"],
  POOLING: [1, "DESCRIPTOR"],
  POOLING_XY_SIZE: [0, "DESCRIPTOR"],
  PRELU: [1, "DESCRIPTOR"],
  LAYER_FLUSH: [0, "DESCRIPTOR"],
  KERNEL_DATA_TYPE: [1, "DESCRIPTOR"],
  IN_DATA_TYPE: [4, "DESCRIPTOR"],
  OUT_DATA_TYPE: [2, "DESCRIPTOR"],
  IN_X_SIZE: [0, "DESCRIPTOR"],
  IN_Y_SIZE: [0, "DESCRIPTOR"],
  IN_X_OFFSET: [1, "DESCRIPTOR"],
  IN_Y_OFFSET: [2, "DESCRIPTOR"],
  BRICK_MODE: [1, "DESCRIPTOR"],
  BRICK_DISTANCE: [1, "DESCRIPTOR"],
  NO_FLUSH: [1, "DESCRIPTOR"],
  OUT_X_SIZE: [0, "DESCRIPTOR"],
  OUT_Y_SIZE: [0, "DESCRIPTOR"],
  OUT_Z_SIZE: [0, "DESCRIPTOR"],
  ROUNDING_MODE: [0, "DESCRIPTOR"],
  TILE_X_SIZE: [0, "DESCRIPTOR"],
  TILE_Y_SIZE: [0, "DESCRIPTOR"],
  KERNEL_ADDR: [ADDRESS.coefs + 0x10000, "ADDRESS"],
  IN_IMAGE_ADDR: [ADDRESS.input + 1, "ADDRESS"],
  OUT_IMAGE_ADDR: [ADDRESS.output - 1, "ADDRESS"],
  IMAGE_CACHING_MODE: [2, "DESCRIPTOR"],
  KERNEL_CACHING_MODE: [3, "DESCRIPTOR"],
  PARTIAL_CACHE_DATA_UNIT: [1, "DESCRIPTOR"],
  KERNEL_PATTERN_MSB: [1, "DESCRIPTOR"],
  OUT_Y_STRIDE: [5, "DESCRIPTOR"],
  KERNEL_PATTERN_LOW: [1, "DESCRIPTOR", "KERNEL_PATTERN_MSB"],
  KERNEL_PATTERN_HIGH: [1, "DESCRIPTOR", "KERNEL_PATTERN_MSB"],
  KERNEL_CACHE_START: [0x780, "DESCRIPTOR"],
  KERNEL_CACHE_END: [0x80080, "DESCRIPTOR"],
  IMAGE_CACHE_START: [0x80, "DESCRIPTOR", "IMAGE_CACHE_START"],
  IMAGE_CACHE_END: [0x801, "DESCRIPTOR"],
  IN_BORDER_MODE: [1, "DESCRIPTOR"],
  IN_BORDER_CONST: [256, "DESCRIPTOR"],
  IN_X_STRIDE: [6, "DESCRIPTOR"],
  IN_Y_STRIDE: [5, "DESCRIPTOR"],
  OUT_X_STRIDE: [6, "DESCRIPTOR"],
  OUT_CIRCULAR_SIZE: [64, "DESCRIPTOR"],
  PER_CHANNEL_POST_MULTIPLY: [1, "DESCRIPTOR"],
  OUT_CIRCULAR_END: [0, "DESCRIPTOR"],
  IN_CIRCULAR_SIZE: [64, "DESCRIPTOR"],
  IN_CIRCULAR_END: [1, "DESCRIPTOR"],
  KERNEL_FROM_SRAM: [1, "DESCRIPTOR"],
  DEPTHWISE: [1, "DESCRIPTOR"],
  UNK_28_31_0: [0, "DESCRIPTOR"],
  UNK_29_31_0: [0, "DESCRIPTOR"],
  UNK_30_31_0: [0, "DESCRIPTOR"],
};

/** More values: fields, code, named field. */
const MORE: [Fields, string, string][] = [
  [{ IN_X_SIZE: 8 }, "DESCRIPTOR", "IN_X_STRIDE"],
  [{ IN_Y_SIZE: 7 }, "DESCRIPTOR", "IN_Y_STRIDE"],
  [{ OUT_X_SIZE: 8 }, "DESCRIPTOR", "OUT_X_STRIDE"],
  [{ OUT_Y_SIZE: 7 }, "DESCRIPTOR", "OUT_Y_STRIDE"],
  [{ IN_X_SIZE: 8, IN_X_STRIDE: 8 }, "ADDRESS", "IN_IMAGE_ADDR"],
  [{ IN_Y_STRIDE: 7 }, "ADDRESS", "IN_IMAGE_ADDR"],
  [{ OUT_X_SIZE: 8, OUT_X_STRIDE: 8 }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ OUT_Y_STRIDE: 7 }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ OUT_Z_SIZE: 12 }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ OUT_Z_SIZE: 16383 }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ OUT_IMAGE_ADDR: 0xffffffff }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ IN_IMAGE_ADDR: 0 }, "ADDRESS", "IN_IMAGE_ADDR"],
  [{ IN_IMAGE_ADDR: ADDRESS.output }, "ADDRESS", "IN_IMAGE_ADDR"],
  [{ OUT_IMAGE_ADDR: ADDRESS.input }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ OUT_IMAGE_ADDR: ADDRESS.coefs }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ POOLING: 3, POOLING_XY_SIZE: 1 }, "DESCRIPTOR", "POOLING_XY_SIZE"],
  [{ POOLING: 3, POOLING_XY_SIZE: 0 }, "DESCRIPTOR", "OUT_X_SIZE"],
  [{ POOLING: 3, POOLING_XY_SIZE: 0, OUT_X_SIZE: 14, OUT_Y_SIZE: 13 }, "DESCRIPTOR", "OUT_Y_SIZE"],
  [{ KERNEL_CACHE_START: 0x840 }, "DESCRIPTOR", "KERNEL_CACHE_START"],
  [{ KERNEL_CACHE_START: 0xb00 }, "DESCRIPTOR", "KERNEL_CACHE_END"],
  [{ KERNEL_CACHE_END: 0xa01 }, "DESCRIPTOR", "KERNEL_CACHE_END"],
  [{ KERNEL_CACHING_MODE: 2 }, "DESCRIPTOR", "KERNEL_PATTERN_MSB"],
  [{ IMAGE_CACHE_START: 0x900, IMAGE_CACHE_END: 0xb00 }, "DESCRIPTOR", "IMAGE_CACHE_START"],
  [{ IMAGE_CACHE_START: 0xa00, IMAGE_CACHE_END: 0x80080 }, "DESCRIPTOR", "IMAGE_CACHE_END"],
  [{ IMAGE_CACHE_START: 0xa00, IMAGE_CACHE_END: 0x800 }, "DESCRIPTOR", "IMAGE_CACHE_END"],
  [{ IMAGE_CACHE_START: 0xa01, IMAGE_CACHE_END: 0xb00 }, "DESCRIPTOR", "IMAGE_CACHE_START"],
];

/** Other plans and sizes that are right. */
const PASS: Fields[] = [
  { KERNEL_CACHE_END: 0x80000 },
  { IMAGE_CACHING_MODE: 1 },
  { IMAGE_CACHING_MODE: 1, IMAGE_CACHE_START: 0xa00, IMAGE_CACHE_END: 0x80000 },
  { KERNEL_CACHING_MODE: 2, KERNEL_PATTERN_MSB: 6, KERNEL_PATTERN_LOW: 0x7e, KERNEL_CACHE_END: 0 },
  { IN_X_OFFSET: -8, IN_Y_OFFSET: -8 },
  { POOLING: 3, POOLING_XY_SIZE: 0, OUT_X_SIZE: 14, OUT_Y_SIZE: 12 },
];

/** Version 8 with caches, which no capture has: inside the same limits they pass. */
const PASS_V8: Fields[] = [
  { IMAGE_CACHING_MODE: 1 },
  { IMAGE_CACHING_MODE: 1, IMAGE_CACHE_START: 0xa00, IMAGE_CACHE_END: 0x40000 },
  { KERNEL_CACHING_MODE: 1 },
  { KERNEL_CACHING_MODE: 2, KERNEL_PATTERN_MSB: 6, KERNEL_PATTERN_LOW: 0x7e },
];

/** Version 8: fields, code, named field. */
const V8: [Fields, string, string][] = [
  [{ NO_Z_OFFSET: 0 }, "DESCRIPTOR", "NO_Z_OFFSET"],
  [{ NO_FLUSH: 0 }, "DESCRIPTOR", "NO_FLUSH"],
  [{ IMAGE_CACHING_MODE: 2 }, "DESCRIPTOR", "IMAGE_CACHING_MODE"],
  [{ KERNEL_CACHING_MODE: 3 }, "DESCRIPTOR", "KERNEL_CACHING_MODE"],
  [{ KERNEL_CACHING_MODE: 2 }, "DESCRIPTOR", "KERNEL_PATTERN_MSB"],
  [
    { IMAGE_CACHING_MODE: 1, IMAGE_CACHE_START: 0xa00, IMAGE_CACHE_END: 0x40080 },
    "DESCRIPTOR",
    "IMAGE_CACHE_END",
  ],
  [
    { IMAGE_CACHING_MODE: 1, IMAGE_CACHE_START: 0x800, IMAGE_CACHE_END: 0xb00 },
    "DESCRIPTOR",
    "IMAGE_CACHE_START",
  ],
  [{ DEPTHWISE: 1 }, "DESCRIPTOR", "KERNEL_Z_SIZE"],
  [{ OUT_Z_SIZE: 12 }, "ADDRESS", "OUT_IMAGE_ADDR"],
  [{ KERNEL_CACHE_END: 0x40080 }, "DESCRIPTOR", "KERNEL_CACHE_END"],
];

for (const build of BUILDS) {
  const v7 = await checkerOf(build);
  const v8 = await checkerOf(build, { chip: IMX8MP_CHIP });

  test(`${build}: NN descriptors pass, as they run`, async () => {
    for (const fields of [{}, FREE, ...PASS]) {
      passes(v7, nnSubmit(fields));
      assert.is(await simulated(nnSubmit(fields)), "ok");
    }
    const later = [{}, ...PASS_V8].map((fields) => nnSubmitV8(fields));
    const runs = [0, 1, 3, 8].map((zrlBits) => nnSubmitV8({}, { zrlBits }));
    for (const submit of [...later, ...runs, nnSubmitV8({}, { depthwise: true, kernelZ: 11 })]) {
      passes(v8, submit);
      assert.is(await simulated(submit), "ok");
    }
  });

  test(`${build}: every NN field is free or has a rule that refuses`, () => {
    const table = BLOCK_TABLES.find(({ name }) => name === "NN")!;
    assert.equal(
      table.fields.map(({ name }) => name).filter((name) => !(name in FREE) && !(name in RULES)),
      [],
    );
    for (const [field, [value, code, named = field]] of Object.entries(RULES)) {
      const { where } = refuses(v7, nnSubmit({ [field]: value }), code, named, /^job 0 \(NN\): /);
      assert.is(where.job, 0);
      // The word with the descriptor's address, whatever field it is about.
      assert.is(where.wordIndex, 15);
    }
    for (const [fields, code, named] of MORE) refuses(v7, nnSubmit(fields), code, named);
    for (const [fields, code, named] of V8) refuses(v8, nnSubmitV8(fields), code, named);
  });

  test(`${build}: bits that no field has, or only a later version, are refused`, () => {
    const table = BLOCK_TABLES.find(({ name }) => name === "NN")!;
    let stray = 0;
    for (const [word, declared] of table.declared.entries())
      for (let bit = 0; bit < 32; bit++) {
        if (((declared >>> bit) & 1) !== 0) continue;
        const submit = nnSubmit();
        submit.buffers[DESCRIPTOR]!.contents![word * 4 + (bit >> 3)]! ^= 1 << (bit & 7);
        refuses(v7, submit, "DESCRIPTOR", undefined, new RegExp(`word ${word} `));
        stray++;
      }
    assert.ok(stray > 200, String(stray));
    const later = nnSubmit({ IN_X_OFFSET: 0, IN_Y_OFFSET: 0 });
    later.buffers[DESCRIPTOR]!.contents![18 * 4 + 3]! |= 0x20;
    refuses(v7, later, "DESCRIPTOR", "IN_X_OFFSET");
  });

  test(`${build}: images end exactly where their buffers may end`, async () => {
    for (const [checker, submit] of [
      [v7, nnSubmit()],
      [v8, nnSubmitV8()],
    ] as const)
      for (const [index, field] of [
        [INPUT, "IN_IMAGE_ADDR"],
        [OUTPUT, "OUT_IMAGE_ADDR"],
      ] as const) {
        const short = withBuffer(submit, index, { bytes: submit.buffers[index]!.bytes - 1 });
        const text =
          /would be (read|written) at 0x[0-9a-f]+ to 0x[0-9a-f]+, 1 bytes past the end of buffer [01] \(0x/;
        const { where } = refuses(checker, short, "ADDRESS", field, text);
        assert.is(where.addrGpu, submit.buffers[index]!.address);
        assert.is(await simulated(short), "TW_SIM_BAD_ADDRESS");
      }
  });

  test(`${build}: accesses go the way that the buffer grants`, () => {
    const cases: [Submit, string][] = [
      [withBuffer(nnSubmit(), INPUT, { access: 2 }), "IN_IMAGE_ADDR"],
      [withBuffer(nnSubmit(), INPUT, { access: 0 }), "IN_IMAGE_ADDR"],
      [withBuffer(nnSubmit(), OUTPUT, { access: 1 }), "OUT_IMAGE_ADDR"],
      [withBuffer(nnSubmit(), CONSTANTS, { access: 2 }), "KERNEL_ADDR"],
      [withBuffer(nnSubmit(), DESCRIPTOR, { access: 0 }), "PS_NN_INST_ADDR"],
    ];
    for (const [submit, field] of cases)
      refuses(v7, submit, "ADDRESS", field, /does not grant that/);
  });

  test(`${build}: descriptors and coefficients are known and cannot be written`, () => {
    for (const [index, field] of [
      [DESCRIPTOR, "PS_NN_INST_ADDR"],
      [CONSTANTS, "KERNEL_ADDR"],
    ] as const) {
      const submit = nnSubmit();
      const { contents } = submit.buffers[index]!;
      refuses(v7, withBuffer(submit, index, { access: 3 }), "ADDRESS", field, /could change it/);
      refuses(v7, withBuffer(submit, index, { contents: null }), "ADDRESS", field, /not known/);
      const cut = contents!.subarray(0, contents!.length - 1);
      refuses(v7, withBuffer(submit, index, { contents: cut }), "ADDRESS", field, /known/);
      const bytes = contents!.length - 1;
      refuses(v7, withBuffer(submit, index, { bytes, contents: cut }), "ADDRESS", field);
    }
  });

  test(`${build}: a job that reads what it writes is refused`, async () => {
    // One buffer, large enough for both; the output begins inside the input, or ends in it.
    for (const distance of [4 * 42 - 1, -(11 * 42 - 1)]) {
      const base = ADDRESS.input + 1000;
      const fields = { IN_IMAGE_ADDR: base, OUT_IMAGE_ADDR: base + distance };
      const submit = withBuffer(nnSubmit(fields), INPUT, { bytes: 4096, access: 3 });
      refuses(v7, submit, "ADDRESS", "OUT_IMAGE_ADDR", /meets the input/);
      assert.is(await simulated(submit), "TW_SIM_BAD_ADDRESS");
      const apart = { ...fields, OUT_IMAGE_ADDR: fields.OUT_IMAGE_ADDR + Math.sign(distance) };
      passes(v7, withBuffer(nnSubmit(apart), INPUT, { bytes: 4096, access: 3 }));
    }
  });
}

test.run();
