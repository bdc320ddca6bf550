// NN jobs of the simulator against the formula of spec/hardware.md 7, written plainly.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SimFault } from "../../core-as/errors.ts";
import { BUILDS } from "../helpers/cores.ts";
import { ADDRESS, expectedNn, mapNn, nnCoefs, nnFields, type NnCase } from "../helpers/nn-rig.ts";
import { rng } from "../helpers/prng.mjs";
import { bytesOf, descriptor, sameBytes, simulatorOf } from "../helpers/sim-rig.ts";

/** A random case with the given properties; outputs neither all saturated nor all equal. */
function randomCase(label: string, given: Partial<NnCase> = {}): NnCase {
  const random = rng(label);
  const pick = (n: number): number => random.next() % n;
  const kernelX = given.kernelX ?? 1 + pick(5);
  const kernelY = given.kernelY ?? 1 + pick(5);
  const kernelZ = given.kernelZ ?? 1 + pick(9);
  const outX = given.outX ?? 1 + pick(20);
  const outY = given.outY ?? 1 + pick(6);
  const outZ = given.outZ ?? 1 + pick(20);
  const firstPixel = given.firstPixel ?? pick(3) === 0;
  const offsetX = given.offsetX ?? -pick(Math.min(3, kernelX));
  const offsetY = given.offsetY ?? -pick(Math.min(3, kernelY));
  const span = (out: number, k: number): number => (firstPixel ? 2 * out - 1 : out) + k - 1;
  const inX = given.inX ?? Math.max(1, span(outX, kernelX) + offsetX - pick(2));
  const inY = given.inY ?? Math.max(1, span(outY, kernelY) + offsetY - pick(2));
  const weightZp = given.weightZp ?? random.byte();
  const taps = kernelX * kernelY * kernelZ;
  const zeros = [0, 50, 97][pick(3)]!;
  const weight = (): number => (pick(100) < zeros ? weightZp : random.byte());
  const cores = given.cores ?? 8;
  const most = Math.ceil(outZ / Math.min(outZ, cores));
  return {
    inX, inY, kernelX, kernelY, kernelZ, outX, outY, outZ, offsetX, offsetY, firstPixel, weightZp, cores,
    relu: pick(2) === 0,
    inZp: random.byte(),
    outZp: random.byte(),
    multiplier: pick(0x8000),
    shift: 15 + 7 + pick(5),
    zrlBits: pick(9),
    perCore: 1 + pick(most),
    weights: Uint8Array.from({ length: taps * outZ }, weight),
    bias: Int32Array.from({ length: outZ }, () => (random.next() >>> 20) - 2048),
    input: Uint8Array.from({ length: inX * inY * kernelZ }, () => random.byte()),
    ...given,
  }; // prettier-ignore
}

for (const build of BUILDS) {
  const count = build === "release" ? 150 : 15;
  test(`${build}: random jobs of all orderings equal the formula`, async () => {
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const c = randomCase(`sim-nn/${i}`, i % 5 === 0 ? { kernelX: 1, kernelY: 1 } : {});
      const simulator = await simulatorOf(build);
      simulator.submit(mapNn(simulator, c));
      assert.is(simulator.jobCount, 1);
      const actual = simulator.read(ADDRESS.output, c.outX * c.outY * c.outZ);
      sameBytes(actual, expectedNn(c), `case ${i}: ${JSON.stringify({ ...c, weights: 0, input: 0, bias: 0 })}`); // prettier-ignore
      seen.add(c.kernelX * c.kernelY === 1 && c.outZ > 8 ? "A" : c.kernelZ > 1 ? "B" : "C");
    }
    assert.is(seen.size, 3);
  });

  test(`${build}: wide kernels and long rows`, async () => {
    for (const given of [
      { kernelX: 15, kernelY: 15, kernelZ: 2, outX: 3, outY: 2, outZ: 5 },
      { kernelX: 7, kernelY: 3, kernelZ: 1, outX: 40, outY: 3, outZ: 3 },
      { kernelX: 1, kernelY: 1, kernelZ: 64, outX: 19, outY: 7, outZ: 33, offsetX: 0, offsetY: 0 },
      { kernelX: 1, kernelY: 1, kernelZ: 7, outX: 5, outY: 5, outZ: 9, cores: 2 },
    ]) {
      const c = randomCase(JSON.stringify(given), given);
      const simulator = await simulatorOf(build, { chip: { nnCoreVersion: 7, nnCores: c.cores } });
      simulator.submit(mapNn(simulator, c));
      const actual = simulator.read(ADDRESS.output, c.outX * c.outY * c.outZ);
      sameBytes(actual, expectedNn(c), JSON.stringify(given));
    }
  });

  test(`${build}: rounding modes differ at ties only, and as they should`, async () => {
    // Weight 1 at factor 1/2: every odd accumulator is a tie. Biases make half of them negative.
    const base = randomCase("sim-nn/ties", {
      kernelX: 1, kernelY: 1, kernelZ: 1, outX: 16, outY: 16, outZ: 2, inX: 16, inY: 16, offsetX: 0, offsetY: 0,
      firstPixel: false, relu: false, inZp: 0, outZp: 128, weightZp: 0, multiplier: 0, shift: 16,
      zrlBits: 0, perCore: 1, weights: Uint8Array.of(1, 1), bias: Int32Array.of(0, -255),
      input: Uint8Array.from({ length: 256 }, (_, i) => i),
    }); // prettier-ignore
    const results = new Set<string>();
    for (const rounding of ["half-even", "half-up", "half-away"] as const) {
      const simulator = await simulatorOf(build, { rounding });
      simulator.submit(mapNn(simulator, base));
      const actual = simulator.read(ADDRESS.output, 512);
      sameBytes(actual, expectedNn(base, rounding), rounding);
      results.add(actual.join());
    }
    assert.is(results.size, 3);
  });

  test(`${build}: random accumulators of all sizes round exactly in all modes`, async () => {
    for (const rounding of ["half-even", "half-up", "half-away"] as const)
      for (const shift of [0, 1, 14, 15, 16, 31, 40, 46, 47, 48, 60, 127]) {
        const random = rng(`sim-nn/round/${shift}`);
        const c = randomCase("sim-nn/round", {
          kernelX: 1, kernelY: 1, kernelZ: 1, outX: 1, outY: 1, outZ: 64, inX: 1, inY: 1, offsetX: 0, offsetY: 0,
          firstPixel: false, inZp: 0, weightZp: 0, zrlBits: 0, perCore: 8, shift, relu: false,
          multiplier: random.next() & 0x7fff, outZp: 100,
          weights: new Uint8Array(64), input: Uint8Array.of(9),
          bias: Int32Array.from({ length: 64 }, (_, i) =>
            i < 8 ? [0x7fffffff, -0x80000000, 1, -1, 0x40000000, -0x40000000, 0, 3][i]! : (random.next() | 0) >> (i & 31)),
        }); // prettier-ignore
        const simulator = await simulatorOf(build, { rounding });
        simulator.submit(mapNn(simulator, c));
        sameBytes(simulator.read(ADDRESS.output, 64), expectedNn(c, rounding), `shift ${shift}`);
      }
  });

  test(`${build}: accumulators wrap`, async () => {
    for (const outZ of [1, 12]) {
      const c = randomCase("sim-nn/wrap", {
        kernelX: 1, kernelY: 1, kernelZ: 1, outX: 4, outY: 1, outZ, inX: 4, inY: 1, offsetX: 0, offsetY: 0, firstPixel: false,
        relu: false, inZp: 0, outZp: 128, weightZp: 0, multiplier: 0, shift: 40, zrlBits: 0, perCore: 1,
        weights: new Uint8Array(outZ).fill(255), bias: new Int32Array(outZ).fill(0x7fffff00),
        input: Uint8Array.of(0, 1, 2, 255),
      }); // prettier-ignore
      const simulator = await simulatorOf(build);
      simulator.submit(mapNn(simulator, c));
      const expected = expectedNn(c);
      assert.is(new Set(expected).size, 2); // both signs of the accumulator
      sameBytes(simulator.read(ADDRESS.output, 4 * outZ), expected);
    }
  });

  test(`${build}: cores may have different numbers of kernels, kernels beyond the output are dropped`, async () => {
    const c = randomCase("sim-nn/ragged", {
      kernelX: 3,
      kernelY: 3,
      kernelZ: 3,
      outZ: 11,
      perCore: 1,
    });
    const simulator = await simulatorOf(build);
    simulator.submit(mapNn(simulator, c));
    sameBytes(simulator.read(ADDRESS.output, c.outX * c.outY * 11), expectedNn(c));
    // The same with eleven channels encoded and only nine in the descriptor.
    const nine = { ...c, outZ: 9 };
    const fewer = await simulatorOf(build);
    fewer.submit(mapNn(fewer, nine, nnCoefs(c)));
    sameBytes(fewer.read(ADDRESS.output, c.outX * c.outY * 9), expectedNn(nine));
  });

  test(`${build}: decoded coefficients are kept until their buffer changes`, async () => {
    const c = randomCase("sim-nn/cache", {
      kernelX: 3,
      kernelY: 3,
      kernelZ: 4,
      outZ: 5,
      zrlBits: 3,
    });
    const simulator = await simulatorOf(build);
    const stream = mapNn(simulator, c);
    simulator.submit(stream);
    const other = { ...c, weights: c.weights.map((w) => w ^ 1), input: c.input.map((v) => v ^ 3) };
    simulator.write(ADDRESS.input, other.input);
    simulator.submit(stream);
    const size = c.outX * c.outY * c.outZ;
    sameBytes(simulator.read(ADDRESS.output, size), expectedNn({ ...c, input: other.input }));
    const coefs = nnCoefs(other);
    assert.is(coefs.length, nnCoefs(c).length);
    simulator.write(ADDRESS.coefs, coefs);
    simulator.submit(stream);
    sameBytes(simulator.read(ADDRESS.output, size), expectedNn(other));
    // Another zero point in the descriptor means other weights from the same bytes.
    const shifted = { ...other, weightZp: (other.weightZp + 1) & 255 };
    simulator.write(ADDRESS.nn, bytesOf(descriptor("NN", nnFields(shifted))));
    let fault: SimFault | undefined;
    try {
      simulator.submit(stream);
      assert.is.not(simulator.read(ADDRESS.output, size).join(), expectedNn(other).join());
    } catch (error) {
      fault = error as SimFault;
    }
    assert.ok(fault === undefined || fault.code.startsWith("TW_SIM_"));
  });
}

test.run();
