// Tens of thousands of damaged files: each is read and verified, or refused with an error of ours that points into the
// file. FC_SEED and FC_RUNS change the seed and the number of mutations.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ModelFormatError, NpuError } from "../../../core-as/errors.ts";
import { printGraph } from "../../../core-as/ir/print.ts";
import { verifyGraph } from "../../../core-as/ir/verify.ts";
import { readModel } from "../../../core-as/model/read.ts";
import { writeModel } from "../../../core-as/model/write.ts";
import { corpusBytes, corpusPath, hasCorpus } from "../../helpers/corpus.ts";
import { rawFlat, type RawTable } from "../../helpers/raw-flat.ts";
import { synthModel } from "../../helpers/synth-model.mjs";

const SEED = Number(process.env["FC_SEED"] ?? 1);
const MUTATIONS = Number(process.env["FC_RUNS"] ?? 60_000);
/** Generous for a busy machine; the usual time is below a millisecond. */
const MAX_MILLISECONDS = 500;
const MAX_SEED_BYTES = 24_000;

const SYNTHETIC = [
  "conv-i7x7x5-k3-o9-s1-valid-u8-wz0-xz0",
  "dw-i8x8x7-k3-s1-same-i8",
  "fc-i64-o10-u8",
  "add-i16x16x3-o7-out-u8-relu-r15",
  "concat-i14x14x3-o24-n3-i8-k3",
  "split-i8x8x8-o8-k3-out-u8",
  "pad-i8x8x2-out-i8",
  "chain-pool-i12x20x3-o17-k5-i8",
  "chain-csp-i10x14x9-o7-i8",
];

/** Words that arithmetic on offsets and lengths likes least. */
const HOSTILE_WORDS = [
  0, 1, 2, 3, 4, 0xff, 0x7f, 0xffff, 0x7fff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
  0xfffffffe, 0xfffffffc, 0xfffffff8, 0xfffffff0, 0xffffff00, 0x40000000, 0x3fffffff, 0x20000000,
  0x1fffffff,
];

/** xorshift32; the same numbers for the same seed everywhere. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 0x9e3779b9;
  }

  /** 0..limit-1 */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  pick<T>(items: ArrayLike<T>): T {
    return items[this.below(items.length)]!;
  }
}

type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** A position; half of them in the first kilobyte or so, where tables are and weights are not. */
function place(bytes: Uint8Array, random: Random, align = 1): number {
  const reach = random.below(2) === 0 ? bytes.length : Math.min(bytes.length, 1500);
  return Math.floor(random.below(Math.max(1, reach)) / align) * align;
}

function setWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4 && at + i < bytes.length; i++) bytes[at + i] = word >>> (8 * i);
}

const MUTATIONS_BY_NAME: Readonly<Record<string, Mutation>> = {
  flip(bytes, random) {
    for (let i = 1 + random.below(4); i > 0; i--)
      bytes[place(bytes, random)]! ^= 1 << random.below(8);
    return bytes;
  },
  byte(bytes, random) {
    for (let i = 1 + random.below(3); i > 0; i--) bytes[place(bytes, random)] = random.below(256);
    return bytes;
  },
  word(bytes, random) {
    setWord(bytes, place(bytes, random, 4), random.pick(HOSTILE_WORDS));
    return bytes;
  },
  half(bytes, random) {
    const at = place(bytes, random, 2);
    const value = random.pick(HOSTILE_WORDS) & 0xffff;
    bytes[at] = value;
    if (at + 1 < bytes.length) bytes[at + 1] = value >> 8;
    return bytes;
  },
  smallNegative(bytes, random) {
    setWord(bytes, place(bytes, random, 4), -1 - random.below(64));
    return bytes;
  },
  nudge(bytes, random) {
    const at = place(bytes, random, 4);
    bytes[at] = bytes[at]! + random.below(17) - 8;
    return bytes;
  },
  pointElsewhere(bytes, random) {
    const at = place(bytes, random, 4);
    setWord(bytes, at, place(bytes, random, 4) - at);
    return bytes;
  },
  truncate(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length));
  },
  extend(bytes, random) {
    const longer = new Uint8Array(bytes.length + random.below(64));
    longer.set(bytes);
    return longer;
  },
  splice(bytes, random, others) {
    const other = random.pick(others);
    const length = Math.min(4 * random.below(64), bytes.length, other.length);
    const from = 4 * random.below(1 + ((other.length - length) >> 2));
    const to = 4 * random.below(1 + ((bytes.length - length) >> 2));
    bytes.set(other.subarray(from, from + length), to);
    return bytes;
  },
  duplicate(bytes, random) {
    const from = place(bytes, random, 4);
    const length = Math.min(4 * random.below(64), bytes.length - from);
    const to = place(bytes, random, 4);
    const result = new Uint8Array(bytes.length + length);
    result.set(bytes.subarray(0, to));
    result.set(bytes.subarray(from, from + length), to);
    result.set(bytes.subarray(to), to + length);
    return result;
  },
  remove(bytes, random) {
    const from = place(bytes, random, 4);
    const length = Math.min(4 * random.below(16), bytes.length - from);
    const result = new Uint8Array(bytes.length - length);
    result.set(bytes.subarray(0, from));
    result.set(bytes.subarray(from + length), from);
    return result;
  },
};

/** A model that stores the fields which others leave out: flags, signature, union of details, 64-bit positions, names. */
function richModel(): Uint8Array {
  const tensor = (extra: RawTable = {}): RawTable => ({
    0: { ints: [1, 2, 2, 4] },
    1: { i8: 3 },
    2: { i32: 0 },
    3: { text: "t" },
    4: {
      table: {
        0: { floats: [0] },
        1: { floats: [1] },
        2: { floats: [1, 2, 3, 4] },
        3: { longs: [0n, 1n, 2n, 255n] },
        4: { i8: 0 },
        6: { i32: 3 },
      },
    },
    5: { i8: 0 },
    7: { ints: [-1, 2, 2, 4] },
    8: { i8: 1 },
    10: { i32: 0 },
    ...extra,
  });
  const constant = tensor({
    0: { ints: [16] },
    2: { i32: 1 },
    4: { table: {} },
    7: { ints: [16] },
  });
  const outside = tensor({ 0: { ints: [8] }, 2: { i32: 2 }, 4: { table: {} }, 7: { ints: [8] } });
  const custom: RawTable = {
    0: { i32: 0 },
    1: { ints: [0, 1, -1] },
    2: { ints: [2] },
    5: { bytes: Uint8Array.of(1, 2, 3) },
    7: { bytes: new Uint8Array(3) },
    8: { ints: [] },
    9: { u64: 0n },
    10: { u64: 0n },
  };
  const softmax: RawTable = {
    0: { i32: 1 },
    1: { ints: [2] },
    2: { ints: [3] },
    3: { i8: 36 },
    4: { table: { 0: { f32: 1 } } },
  };
  return rawFlat({
    0: { i32: 3 },
    1: {
      tables: [
        { 0: { i8: 32 }, 1: { text: "Op" } },
        { 0: { i8: 50 }, 3: { i32: 50 } },
      ],
    },
    2: {
      tables: [
        {
          0: { tables: [tensor(), constant, tensor(), tensor(), outside] },
          1: { ints: [0] },
          2: { ints: [3] },
          3: { tables: [custom, softmax] },
          4: { text: "main" },
        },
        { 4: { text: "other" } },
      ],
    },
    3: { text: "rich" },
    4: {
      tables: [{}, { 0: { bytes: new Uint8Array(16) } }, { 1: { u64: 8n }, 2: { u64: 8n } }],
    },
    5: { ints: [1] },
    6: { tables: [{ 0: { text: "meta" }, 1: { i32: 1 } }] },
  });
}

function seedModels(): Uint8Array[] {
  // Several times, because it has much to break and the corpus has many models.
  const rich = Array<Uint8Array>(6).fill(richModel());
  const models = [...rich, ...SYNTHETIC.map((name) => synthModel(name) as Uint8Array)];
  if (hasCorpus)
    for (const file of readdirSync(corpusPath("models", "ops")).sort()) {
      const bytes = corpusBytes("models", "ops", file);
      if (bytes.length <= MAX_SEED_BYTES) models.push(bytes);
    }
  return models;
}

/** Reads and verifies; returns how it ended and throws for anything that must not happen. */
function tryModel(bytes: Uint8Array, deep: boolean): string {
  try {
    const model = readModel(bytes);
    if (deep) {
      printGraph(model.graph);
      assert.equal(readModel(writeModel(model)), model, "survives the writer");
    }
    verifyGraph(model.graph, "model");
    return "accepted";
  } catch (error) {
    if (!(error instanceof NpuError)) throw error;
    const offset = error.where.byteOffset;
    if (error instanceof ModelFormatError)
      assert.ok(
        Number.isInteger(offset) && offset! >= 0 && offset! <= bytes.length,
        `offset ${offset} of ${bytes.length}: ${error.message}`,
      );
    return error.code;
  }
}

test(`${MUTATIONS} mutations, seed ${SEED}`, () => {
  const models = seedModels();
  const names = Object.keys(MUTATIONS_BY_NAME);
  const random = new Random(SEED);
  const outcomes = new Map<string, number>();
  let slowest = 0;

  for (let run = 0; run < MUTATIONS; run++) {
    let bytes: Uint8Array = random.pick(models).slice();
    const applied: string[] = [];
    for (let i = 1 + random.below(2); i > 0 && bytes.length > 0; i--) {
      applied.push(random.pick(names));
      bytes = MUTATIONS_BY_NAME[applied.at(-1)!]!(bytes, random, models);
    }
    const start = performance.now();
    try {
      const outcome = tryModel(bytes, run % 16 === 0);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      const what = `seed ${SEED}, mutation ${run} (${applied.join(", ")}): ${String(error)}`;
      throw new Error(what, { cause: error });
    }
    slowest = Math.max(slowest, performance.now() - start);
  }
  assert.ok(slowest < MAX_MILLISECONDS, `seed ${SEED}: slowest ${slowest.toFixed(1)} ms`);

  // The mutations must reach every kind of refusal, or they are too harmless or too harsh to mean anything.
  if (MUTATIONS >= 20_000)
    for (const code of [
      "accepted",
      "TW_MODEL_NOT_TFLITE",
      "TW_MODEL_TRUNCATED",
      "TW_MODEL_CORRUPT",
      "TW_MODEL_LIMIT",
      "TW_GRAPH_INVALID",
      "TW_UNSUP_OPERATOR",
    ])
      assert.ok(outcomes.has(code), `${code} among ${JSON.stringify([...outcomes])}`);
  if (process.env["TW_DEBUG"] !== undefined) console.log([...outcomes], slowest);
});

test.run();
