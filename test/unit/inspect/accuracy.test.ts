// Statistics of differences against their plain definitions, and where these have no value.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compareTensors,
  compareWithReal,
  DifferenceSums,
  type TensorDifference,
  type TensorLayout,
} from "../../../core-as/index.ts";
import { stepOf } from "../../../core-as/inspect/accuracy.ts";

const layout = (type: TensorLayout["type"], shape: number[], zero: number | null, scale = 1) => ({
  type,
  shape,
  quantisation:
    zero === null
      ? null
      : { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zero), axis: 0 },
});

const near = (a: number | null, b: number | null): void =>
  assert.ok(
    a === b || Math.abs(a! - b!) <= 1e-9 * Math.max(1, Math.abs(a!), Math.abs(b!)),
    `${a} is not ${b}`,
  );

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The definitions, one pass for each figure. */
function naive(
  actual: readonly number[],
  expected: readonly number[],
  channels: number,
  zero: number,
) {
  const d = actual.map((a, i) => a - expected[i]!);
  const x = actual.map((a) => a - zero);
  const y = expected.map((e) => e - zero);
  const power = (v: readonly number[]): number => sum(v.map((n) => n * n));
  const snr = (signal: number, noise: number): number | null =>
    noise === 0 || signal === 0 ? null : 10 * Math.log10(signal / noise);
  const pick = (v: readonly number[], c: number): number[] =>
    v.filter((_, i) => i % channels === c);
  const noises = Array.from({ length: channels }, (_, c) => power(pick(d, c)));
  const worst = noises.indexOf(Math.max(...noises));
  const magnitudes = d.map(Math.abs);
  return {
    different: d.filter((n) => n !== 0).length,
    max: Math.max(0, ...magnitudes),
    mean: sum(magnitudes) / d.length,
    bias: sum(d) / d.length,
    euclidean: Math.sqrt(power(d)),
    cosine:
      power(d) === 0
        ? 1
        : power(x) * power(y) === 0
          ? 0
          : sum(x.map((n, i) => n * y[i]!)) / Math.sqrt(power(x) * power(y)),
    snrDb: snr(power(y), power(d)),
    within1: magnitudes.filter((n) => n <= 1).length / d.length,
    worst:
      noises[worst] === 0
        ? null
        : {
            channel: worst,
            max: Math.max(...pick(magnitudes, worst)),
            mean: sum(pick(magnitudes, worst)) / pick(magnitudes, worst).length,
            snrDb: snr(power(pick(y, worst)), noises[worst]!),
          },
  };
}

function expectEqual(got: TensorDifference, want: ReturnType<typeof naive>): void {
  for (const name of [
    "different",
    "max",
    "mean",
    "bias",
    "euclidean",
    "cosine",
    "snrDb",
    "within1",
  ] as const)
    near(got[name], want[name]);
  assert.is(got.worstChannel?.channel, want.worst?.channel);
  for (const name of ["max", "mean", "snrDb"] as const)
    near(got.worstChannel?.[name] ?? null, want.worst?.[name] ?? null);
}

const pairs = fc
  .record({ channels: fc.integer({ min: 1, max: 5 }), rows: fc.integer({ min: 1, max: 9 }) })
  .chain(({ channels, rows }) =>
    fc.record({
      channels: fc.constant(channels),
      zero: fc.integer({ min: 0, max: 255 }),
      expected: fc.array(fc.integer({ min: 0, max: 255 }), {
        minLength: channels * rows,
        maxLength: channels * rows,
      }),
      steps: fc.array(fc.integer({ min: -3, max: 40 }), {
        minLength: channels * rows,
        maxLength: channels * rows,
      }),
    }),
  );

test("bytes as by definition", () =>
  fc.assert(
    fc.property(pairs, ({ channels, zero, expected, steps }) => {
      const actual = expected.map((value, i) => Math.max(0, Math.min(255, value + steps[i]!)));
      const shape = [1, expected.length / channels, channels];
      const got = compareTensors(
        Uint8Array.from(actual),
        Uint8Array.from(expected),
        layout("uint8", shape, zero, 0.5),
      );
      expectEqual(got, naive(actual, expected, channels, zero));
      // Signed bytes are the same tensors, moved by 128.
      const signed = compareTensors(
        Uint8Array.from(actual, (byte) => byte ^ 0x80),
        Uint8Array.from(expected, (byte) => byte ^ 0x80),
        layout("int8", shape, zero - 128, 0.5),
      );
      expectEqual(signed, naive(actual, expected, channels, zero));
    }),
  ));

test("sums over pictures are those of one long picture", () =>
  fc.assert(
    fc.property(pairs, pairs, (one, other) => {
      const zero = one.zero;
      const sums = new DifferenceSums(1, zero);
      const move = ({ expected, steps }: typeof one): number[] =>
        expected.map((value, i) => value + steps[i]!);
      sums.add(move(one), one.expected);
      sums.add(move(other), other.expected);
      const want = naive(
        [...move(one), ...move(other)],
        [...one.expected, ...other.expected],
        1,
        zero,
      );
      expectEqual(sums.statistics(), want);
      const [first, second] = [new DifferenceSums(1, zero), new DifferenceSums(1, zero)];
      first.add(move(one), one.expected);
      second.add(move(other), other.expected);
      first.merge(second);
      expectEqual(first.statistics(), want);
      assert.equal(first.statistics().histogram, sums.statistics().histogram);
    }),
  ));

test("the histogram counts every element once, by its rounded difference", () => {
  const differences = [0, 1, -1, 2, -2, 3, -3, 4, -7, 8, 15, -16, 31, 32, -255, 2.5, -2.5, 0.4];
  const sums = new DifferenceSums(1);
  sums.add(
    differences,
    differences.map(() => 0),
  );
  const { histogram } = sums.statistics();
  assert.equal(
    histogram.map(({ from, to, count }) => `${from ?? ""}..${to ?? ""}: ${count}`),
    [
      "..-32: 1",
      "-31..-16: 1",
      "-15..-8: 0",
      "-7..-4: 1",
      "-3..-3: 2",
      "-2..-2: 1",
      "-1..-1: 1",
      "0..0: 2",
      "1..1: 1",
      "2..2: 1",
      "3..3: 2",
      "4..7: 1",
      "8..15: 2",
      "16..31: 1",
      "32..: 1",
    ],
  );
  assert.is(sum(histogram.map(({ count }) => count)), differences.length);
});

const isClean = (value: unknown): boolean =>
  typeof value === "number"
    ? Number.isFinite(value)
    : value === null || typeof value !== "object" || Object.values(value).every(isClean);

test("equal tensors: no noise, cosine 1, no worst channel", () => {
  const bytes = Uint8Array.of(3, 4, 5, 6);
  const got = compareTensors(bytes, bytes, layout("uint8", [2, 2], 5));
  assert.equal([got.different, got.max, got.snrDb, got.cosine, got.within1], [0, 0, null, 1, 1]);
  assert.is(got.worstChannel, null);
  assert.is(got.first, null);
});

test("a reference of zeros: no signal, no angle, no NaN", () => {
  const got = compareTensors(Uint8Array.of(7, 9), Uint8Array.of(7, 7), layout("uint8", [1, 2], 7));
  assert.equal([got.snrDb, got.cosine, got.max, got.mean], [null, 0, 2, 1]);
  assert.equal(got.worstChannel, { channel: 1, max: 2, mean: 2, snrDb: null });
  assert.equal(got.first, { index: 1, actual: 9, expected: 7 });
  assert.ok(isClean(got));
});

test("no elements, scalars and sizes that do not fit", () => {
  const none = compareTensors(new Uint8Array(0), new Uint8Array(0), layout("uint8", [1, 0], 0));
  assert.equal([none.elements, none.mean, none.within1, none.cosine], [0, 0, 1, 1]);
  assert.ok(isClean(none));
  assert.is(compareTensors(Uint8Array.of(1), Uint8Array.of(4), layout("uint8", [], null)).max, 3);
  assert.throws(
    () => compareTensors(new Uint8Array(2), new Uint8Array(3), layout("uint8", [2], null)),
    (error: unknown) => error instanceof RangeError && /2 elements .* 3/.test(error.message),
  );
});

const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

test("floating point counts in 255ths of the expected range", () => {
  const got = compareTensors(floats(0, 2, 9), floats(0, 0, 10), layout("float32", [3], null));
  near(got.max, 2 / (10 / 255));
  near(got.snrDb, 10 * Math.log10(100 / 5));
  assert.is(stepOf({ type: "float32" }, [4, 4]), 4 / 255);
  assert.is(stepOf({ type: "float32" }, [0, 0]), 1);
  assert.is(stepOf({ type: "float32" }, []), 1);
  assert.is(stepOf({ type: "float32" }, [NaN, Infinity, 0, 255]), 1);
  assert.is(stepOf({ type: "int32" }, [0, 900]), 1);
});

test("numbers that are none count as different and spoil nothing", () => {
  const got = compareTensors(
    floats(1, NaN, Infinity, NaN, Infinity, 3),
    floats(1, NaN, Infinity, 2, -Infinity, 2),
    layout("float32", [6], null),
  );
  assert.equal([got.different, got.notFinite], [3, 2]);
  near(got.max, 255);
  assert.equal([got.first!.index, got.first!.expected], [3, 2]);
  assert.ok(isClean({ ...got, first: null }));
  const huge = new DifferenceSums(1);
  huge.add([1e300], [-1e300]);
  assert.equal([huge.statistics().snrDb, huge.statistics().cosine], [null, 0]);
});

test("real numbers against what is stored: fractions of a step", () => {
  const got = compareWithReal(Uint8Array.of(10, 14), [0.25, 2], layout("uint8", [1, 2], 10, 0.5));
  near(got.max, 0.5);
  near(got.mean, 0.25);
  near(got.snrDb, 10 * Math.log10((0.25 ** 2 + 2 ** 2) / 0.25 ** 2));
  assert.is(got.within1, 1);
  assert.is(got.worstChannel!.channel, 0);
});

test.run();
