// NN jobs of version 8 against the formula of spec/hardware.md 7, written plainly.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SimFault } from "../../core-as/errors.ts";
import { BUILDS, type Build } from "../helpers/cores.ts";
import { ADDRESS } from "../helpers/nn-rig.ts";
import { expectedNnV8, IMX8MP, mapNnV8, nnCoefsV8, nnFieldsV8, type NnCaseV8, type Rounding } from "../helpers/nn-rig-v8.ts"; // prettier-ignore
import { rng } from "../helpers/prng.mjs";
import { bytesOf, descriptor, sameBytes, simulatorOf } from "../helpers/sim-rig.ts";

const ROUNDINGS: readonly Rounding[] = ["half-even", "half-up", "half-away"];

/**
 * Multiplier, shift and accumulator whose product is next to a tie, becomes the tie when it is
 * rounded to the 53 bits of binary64, and then rounds to the wrong side.
 */
const BEYOND_BINARY64 = [
  [423103, 24, 1477376831],
  [4422263, 25, 1439137977],
  [3601821, 26, 1385023307],
  [4879229, 28, 1782046165],
  [7387935, 30, 1427308767],
] as const;

/** One channel for each accumulator, at the zero point 128. */
function roundingCase(multiplier: number, shift: number, bias: Int32Array): NnCaseV8 {
  return randomCase("sim-nn-v8/rounding", {
    kernelX: 1, kernelY: 1, kernelZ: 1, outX: 1, outY: 1, outZ: bias.length, inX: 1, inY: 1, offsetX: 0, offsetY: 0,
    firstPixel: false, depthwise: false, inZp: 0, weightZp: 0, perCore: 1, shift, relu: false, multiplier, outZp: 128,
    weights: new Uint8Array(bias.length), input: Uint8Array.of(9), bias,
  }); // prettier-ignore
}

/** A random case with the given properties; outputs neither all saturated nor all equal. */
function randomCase(label: string, given: Partial<NnCaseV8> = {}): NnCaseV8 {
  const random = rng(label);
  const pick = (n: number): number => random.next() % n;
  const depthwise = given.depthwise ?? pick(3) === 0;
  const kernelX = given.kernelX ?? 1 + pick(5);
  const kernelY = given.kernelY ?? 1 + pick(5);
  const outZ = given.outZ ?? 1 + pick(20);
  const kernelZ = depthwise ? outZ : (given.kernelZ ?? 1 + pick(9));
  const outX = given.outX ?? 1 + pick(20);
  const outY = given.outY ?? 1 + pick(6);
  const firstPixel = given.firstPixel ?? pick(3) === 0;
  const offsetX = given.offsetX ?? -pick(Math.min(3, kernelX));
  const offsetY = given.offsetY ?? -pick(Math.min(3, kernelY));
  const span = (out: number, k: number): number => (firstPixel ? 2 * out - 1 : out) + k - 1;
  const inX = given.inX ?? Math.max(1, span(outX, kernelX) + offsetX - pick(2));
  const inY = given.inY ?? Math.max(1, span(outY, kernelY) + offsetY - pick(2));
  const weightZp = given.weightZp ?? random.byte();
  const taps = kernelX * kernelY * (depthwise ? 1 : kernelZ);
  const zeros = [0, 50, 97][pick(3)]!;
  const weight = (): number => (pick(100) < zeros ? weightZp : random.byte());
  const cores = given.cores ?? 6;
  return {
    inX, inY, kernelX, kernelY, outX, outY, outZ, offsetX, offsetY, firstPixel, weightZp, cores,
    relu: pick(2) === 0,
    inZp: random.byte(),
    outZp: random.byte(),
    multiplier: random.next() & 0x7fffff,
    shift: 7 + pick(5),
    perCore: 1 + pick(Math.ceil(outZ / cores)),
    weights: Uint8Array.from({ length: taps * outZ }, weight),
    bias: Int32Array.from({ length: outZ }, () => (random.next() >>> 20) - 2048),
    input: Uint8Array.from({ length: inX * inY * kernelZ }, () => random.byte()),
    ...given, kernelZ, depthwise,
  }; // prettier-ignore
}

async function check(build: Build, c: NnCaseV8, label: string, rounding: Rounding = "half-even"): Promise<void> {
  const simulator = await simulatorOf(build, { chip: { ...IMX8MP, nnCores: c.cores }, rounding });
  simulator.submit(mapNnV8(simulator, c));
  assert.is(simulator.jobCount, 1);
  const actual = simulator.read(ADDRESS.output, c.outX * c.outY * c.outZ);
  sameBytes(actual, expectedNnV8(c, rounding), label);
} // prettier-ignore

for (const build of BUILDS) {
  const count = build === "release" ? 200 : 20;
  test(`${build}: random jobs equal the formula`, async () => {
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const c = randomCase(`sim-nn-v8/${i}`, i % 5 === 0 ? { kernelX: 1, kernelY: 1 } : {});
      const text = { ...c, weights: 0, input: 0, bias: 0 };
      await check(build, c, `case ${i}: ${JSON.stringify(text)}`);
      seen.add(c.depthwise ? "depthwise" : c.kernelX * c.kernelY === 1 ? "pointwise" : "full");
    }
    assert.is(seen.size, 3);
  });

  test(`${build}: wide kernels, far offsets, other numbers of cores`, async () => {
    const list: Partial<NnCaseV8>[] = [
      { kernelX: 15, kernelY: 15, kernelZ: 2, outX: 3, outY: 2, outZ: 5, depthwise: false },
      { kernelX: 7, kernelY: 3, outX: 40, outY: 3, outZ: 14, depthwise: true },
      { kernelX: 4, kernelY: 4, outX: 9, outY: 9, outZ: 4, depthwise: true, firstPixel: true },
      { kernelX: 15, kernelY: 2, offsetX: -16, offsetY: -9, inX: 8, inY: 3, outX: 24, outY: 12 },
      { kernelX: 1, kernelY: 1, kernelZ: 64, outX: 19, outY: 7, outZ: 33, offsetX: 0, offsetY: 0 },
      { kernelX: 3, kernelY: 3, outZ: 1, depthwise: true },
      { outZ: 19, cores: 8 },
      { outZ: 19, cores: 4, depthwise: true },
      { outZ: 5, cores: 9, depthwise: true },
      { outZ: 7, cores: 1 },
    ]; // prettier-ignore
    for (const given of list) {
      const label = JSON.stringify(given);
      await check(build, randomCase(label, given), label);
    }
  });

  test(`${build}: a fully connected job has a kernel of different sides`, async () => {
    // N = 120 = 15 x 8 x 1 inputs, 16 outputs (spec/lowering.md 8).
    const c = randomCase("fc", {
      kernelX: 15, kernelY: 8, kernelZ: 1, inX: 15, inY: 8, outX: 1, outY: 1, outZ: 16, offsetX: 0, offsetY: 0,
      firstPixel: false, depthwise: false,
    }); // prettier-ignore
    await check(build, c, "fc");
  });

  test(`${build}: an addition is a pointwise job with twice the planes`, async () => {
    const C = 9;
    const weights = new Uint8Array(C * 2 * C);
    for (let o = 0; o < C; o++) {
      weights[o * 2 * C + o] = 128;
      weights[o * 2 * C + C + o] = 255;
    }
    const c = randomCase("add", {
      kernelX: 1, kernelY: 1, kernelZ: 2 * C, outX: 11, outY: 5, inX: 11, inY: 5, outZ: C, offsetX: 0, offsetY: 0,
      firstPixel: false, depthwise: false, weightZp: 0, weights, inZp: 117, outZp: 90, perCore: 2, shift: 8,
      bias: new Int32Array(C).fill(-3000),
    }); // prettier-ignore
    await check(build, c, "add");
  });

  test(`${build}: weights minus zero point go from -255 to 255`, async () => {
    for (const weightZp of [0, 1, 127, 128, 254, 255]) {
      const weights = Uint8Array.from({ length: 256 }, (_, i) => i);
      const c = randomCase("extremes", {
        kernelX: 1, kernelY: 1, kernelZ: 16, outZ: 16, outX: 5, outY: 4, inX: 5, inY: 4, offsetX: 0, offsetY: 0,
        firstPixel: false, depthwise: false, weightZp, weights, inZp: 128, outZp: 128, relu: false, shift: 13,
      }); // prettier-ignore
      await check(build, c, `weightZp ${weightZp}`);

      // The streams hold differences mod 256: only the descriptor tells which of two each one is.
      const simulator = await simulatorOf(build, { chip: IMX8MP });
      const coefs = nnCoefsV8(c);
      for (let bit = 0; bit < 8; bit++) {
        const fields = { ...nnFieldsV8(c), COEF_ZERO_POINT: weightZp ^ (1 << bit) };
        const nn = bytesOf(descriptor("NN", fields, 8));
        simulator.submit(mapNnV8(simulator, c, coefs, nn));
        const actual = simulator.read(ADDRESS.output, c.outX * c.outY * c.outZ);
        assert.is.not(actual.join(), expectedNnV8(c).join(), `zero points ${weightZp}, bit ${bit}`);
      }
    }
  });

  test(`${build}: random accumulators of all sizes round exactly in all modes`, async () => {
    for (const rounding of ROUNDINGS)
      for (const shift of [0, 1, 7, 14, 15, 16, 17, 20, 26, 30, 31, 32, 33, 36, 37, 40, 60, 104, 127]) {
        const random = rng(`sim-nn-v8/round/${shift}`);
        // Among them exact halves: the lowest set bit of the product just below the point.
        const odd = (2 * (random.next() % 200) + 1) << 6;
        const multiplier = shift % 2 === 0 ? random.next() & 0x7fffff : (random.next() & 0x7f) << 16;
        const bias = Int32Array.from({ length: 96 }, (_, i) => {
          if (i < 8) return [0x7fffffff, -0x80000000, 1, -1, 0x40000000, -0x40000000, 0, 3][i]!;
          if (i < 40) return ((i & 1 ? -1 : 1) * (odd * i)) | 0;
          return (random.next() | 0) >> (i & 31);
        });
        await check(build, roundingCase(multiplier, shift, bias), `${rounding}, shift ${shift}`, rounding);
      }
  }); // prettier-ignore

  test(`${build}: products of more than 53 bits: ties and their neighbours`, async () => {
    // acc * mult = k * 2^(s-1) + d around halves of an output step, with |acc| up to 2^31.
    for (const [multiplier, shift] of [
      [0x7fffff, 30], [0x7fffff, 31], [0x000001, 30], [0x400000, 30], [0x000000, 30], [0x5a5a5b, 22], [0x5a5a5b, 16],
      [0x5a5a5b, 15],
    ] as const) {
      const mult = BigInt(0x800000 + multiplier);
      const half = 1n << BigInt(shift + 22);
      const bias = Int32Array.from({ length: 96 }, (_, i) => {
        const near = ((2n * BigInt(i >> 3) + 1n) * half) / mult + BigInt((i & 3) - 1);
        const acc = near > 0x7fffffffn ? 0x7fffffffn - BigInt(i) : near;
        return Number(i & 4 ? -acc : acc);
      });
      for (const rounding of ROUNDINGS)
        await check(build, roundingCase(multiplier, shift, bias), `${rounding}, ${multiplier}, ${shift}`, rounding);
    }
    for (const [multiplier, shift, acc] of BEYOND_BINARY64)
      for (const rounding of ROUNDINGS) {
        const c = roundingCase(multiplier, shift, Int32Array.of(acc, -acc, acc - 1, 1 - acc));
        await check(build, c, `${rounding}, accumulator ${acc}`, rounding);
      }
  }); // prettier-ignore

  test(`${build}: accumulators wrap`, async () => {
    for (const outZ of [1, 12]) {
      const c = randomCase("sim-nn-v8/wrap", {
        kernelX: 1, kernelY: 1, kernelZ: 1, outX: 4, outY: 1, outZ, inX: 4, inY: 1, offsetX: 0, offsetY: 0, firstPixel: false,
        depthwise: false, relu: false, inZp: 0, outZp: 128, weightZp: 0, multiplier: 0, shift: 25, perCore: 1,
        weights: new Uint8Array(outZ).fill(255), bias: new Int32Array(outZ).fill(0x7fffff00),
        input: Uint8Array.of(0, 1, 2, 255),
      }); // prettier-ignore
      assert.is(new Set(expectedNnV8(c)).size, 2); // both signs of the accumulator
      await check(build, c, `${outZ} channels`);
    }
  });

  test(`${build}: decoded coefficients are kept until buffer or depthwise bit changes`, async () => {
    const c = randomCase("sim-nn-v8/cache", {
      kernelX: 3, kernelY: 3, outZ: 7, depthwise: true, weightZp: 128, perCore: 2, firstPixel: false,
    }); // prettier-ignore
    const simulator = await simulatorOf(build, { chip: IMX8MP });
    const stream = mapNnV8(simulator, c);
    const size = c.outX * c.outY * c.outZ;
    simulator.submit(stream);
    const other = { ...c, weights: c.weights.map((w) => w ^ 1), input: c.input.map((v) => v ^ 3) };
    simulator.write(ADDRESS.input, other.input);
    simulator.submit(stream);
    sameBytes(simulator.read(ADDRESS.output, size), expectedNnV8({ ...c, input: other.input }));
    const coefs = nnCoefsV8(other);
    assert.is(coefs.length, nnCoefsV8(c).length);
    simulator.write(ADDRESS.coefs, coefs);
    simulator.submit(stream);
    sameBytes(simulator.read(ADDRESS.output, size), expectedNnV8(other));
    simulator.write(ADDRESS.nn, bytesOf(descriptor("NN", { ...nnFieldsV8(other), DEPTHWISE: 0 }, 8)));
    let fault: SimFault | undefined;
    try {
      simulator.submit(stream);
    } catch (error) {
      fault = error as SimFault;
    }
    assert.is(fault?.code, "TW_SIM_BAD_COEFFICIENTS");
  }); // prettier-ignore
}

test.run();
