// The version 7 coefficient decoder: worked examples of spec/coefficients-v7.md 9, round trips,
// damaged streams.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CoefStats, Fault } from "../../core-as/assembly/abi.ts";
import type { Core } from "../../core-as/core.ts";
import { dealKernels, encodeCoefsV7, type CoefsV7 } from "../helpers/coef-v7.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { decodeCoefs, type DecodedCoefs } from "../helpers/decode-coefs.ts";
import { rng } from "../helpers/prng.mjs";
import { thrownCode } from "../helpers/thrown.ts";

type Fields = Omit<CoefsV7, "kernels" | "zrlBits">;

function decode(core: Core, bytes: Uint8Array, fields: Fields): DecodedCoefs {
  return decodeCoefs(core, 7, bytes, { ...fields, depthwise: false });
}

/** A buffer for 8 cores: sizes of the streams, then each stream's words, zero-filled. */
function buffer(...streams: readonly (readonly number[])[]): Uint8Array {
  const words = new Uint32Array(16 + 16 * streams.length);
  for (const [core, stream] of streams.entries()) {
    words[core] = 64;
    words.set(stream, 16 + 16 * core);
  }
  return new Uint8Array(words.buffer);
}

const E1 = buffer([0x00000102, 0x00000100, 0x0041f054, 0]);
const E1_FIELDS = {
  kernelX: 3,
  kernelY: 3,
  kernelZ: 1,
  outZ: 1,
  perCore: 1,
  weightZp: 0,
  cores: 8,
};
const E2 = buffer([0x04000102, 0xffffffc0, 0x0000303b, 0x01604c09]);
const E3_CORE0 = [
  0x00000200, 0xffffffe4, 0x04030201, 0xffae0805, 0x0a09ffff, 0x060d0c0b, 0x00000007, 0x100f0e00,
];
const E3_CORE5 = [0x00000200, 0, 0, 0, 0, 0, 0x0000a000, 0xb0000000];

for (const build of BUILDS) {
  test(`${build}: example E1, sequential`, async () => {
    const { weights, biases, offsets, stats } = decode(await coreOf(build), E1, E1_FIELDS);
    assert.equal([...weights], [0, 0, 5, 0, 0, 0, 7, 0, 0]);
    assert.equal([...biases], [64]);
    assert.equal([...offsets], [0]);
    assert.is(stats[CoefStats.ZRL_BITS], 2);
    assert.is(stats[CoefStats.LITERALS], 4);
    assert.is(stats[CoefStats.RUNS], 3);
    assert.is(stats[CoefStats.NONZERO], 2);
    assert.is(stats[CoefStats.BYTES], 128);
    assert.is(stats[CoefStats.CORE_KERNELS], 1);
  });

  test(`${build}: example E2, interleaved`, async () => {
    const fields = { ...E1_FIELDS, kernelZ: 2 };
    const { weights, biases, offsets } = decode(await coreOf(build), E2, fields);
    assert.equal([...weights], [1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 5]);
    assert.equal([...biases], [-16]);
    assert.equal([...offsets], [0]);
  });

  test(`${build}: example E3, pointwise`, async () => {
    const bytes = buffer(E3_CORE0, E3_CORE5);
    const fields = { ...E1_FIELDS, kernelX: 1, kernelY: 1, kernelZ: 8, outZ: 9, perCore: 2 };
    const { weights, biases, offsets, stats } = decode(await coreOf(build), bytes, fields);
    assert.equal([...weights.slice(0, 16)], [...Array(16).keys()]);
    assert.equal([...weights.slice(16)], Array(16).fill(0));
    // 10 * oc minus the sum of the kernel's weights, input zero point 1.
    assert.equal([...biases], [-28, 10 - 92, 0, 0]);
    assert.equal([...offsets], [0, 16, 160, 176]);
    assert.equal([...stats.slice(CoefStats.CORE_KERNELS, CoefStats.CORE_KERNELS + 3)], [2, 2, 0]);
  });

  test(`${build}: random buffers decode to what was encoded, at every run width`, async () => {
    const core = await coreOf(build);
    const random = rng("sim-decode");
    const pick = (n: number): number => random.next() % n;
    for (let i = 0; i < 90; i++) {
      const pointwise = i % 3 === 0;
      const kernelX = pointwise ? 1 : 1 + pick(8);
      const kernelY = pointwise ? 1 : 1 + pick(8);
      const kernelZ = 1 + pick(20);
      const outZ = 1 + pick(25);
      const cores = [1, 2, 6, 8][pick(4)]!;
      const weightZp = random.byte();
      const taps = kernelX * kernelY * kernelZ;
      const share = [0, 60, 95, 100][pick(4)]!;
      const kernels = Array.from({ length: outZ }, (_, o) => ({
        weights: Uint8Array.from({ length: taps }, () => (pick(100) < share ? weightZp : random.byte())),
        bias: random.next() | 0,
        offset: o * 9,
      })); // prettier-ignore
      const perCore = 1 + pick(Math.ceil(outZ / Math.min(outZ, cores)));
      const fields = { kernelX, kernelY, kernelZ, outZ, perCore, weightZp, cores };
      const dealt = dealKernels(kernels, cores, perCore);
      const bytes = encodeCoefsV7({ ...fields, zrlBits: i % 9, kernels: dealt });
      const got = decode(core, bytes, fields);
      const order = dealt.flat();
      assert.equal(
        [...got.weights],
        order.flatMap((k) => Array.from(k.weights).map((w) => w - weightZp)),
      );
      assert.equal([...got.biases], order.map((k) => k.bias)); // prettier-ignore
      assert.equal([...got.offsets], order.map((k) => k.offset)); // prettier-ignore
    }
  });

  test(`${build}: damaged buffers are refused with a place`, async () => {
    const core = await coreOf(build);
    const damaged = (
      change: (words: Uint32Array) => void,
      fields: Partial<Fields> = {},
    ): string => {
      const words = new Uint32Array(E1.slice().buffer);
      change(words);
      return thrownCode(() =>
        decode(core, new Uint8Array(words.buffer), { ...E1_FIELDS, ...fields }),
      );
    };
    assert.is(damaged(() => undefined), "none"); // prettier-ignore
    const cases: [string, (words: Uint32Array) => void, Partial<Fields>?][] = [
      ["stream longer than the buffer", (w) => (w[0] = 128)],
      ["size not a multiple of 64", (w) => (w[0] = 32)],
      ["no stream", (w) => (w[0] = 0)],
      ["second core without a first", (w) => ((w[0] = 0), (w[1] = 64))],
      ["run width beyond any chip's", (w) => (w[16] = 0x00000109)],
      ["no kernels", (w) => (w[16] = 0x00000002)],
      ["more kernels than the stream holds", (w) => (w[16] = 0x00001002)],
      ["bits set after the end", (w) => (w[31] = 0x80000000)],
      ["bits set right after the end", (w) => (w[20] = 1)],
      ["run over the end of the kernel", (w) => (w[18] = 0x00c1f054)],
      ["more weights than the stream holds", () => undefined, { kernelZ: 40 }],
      ["fewer weights than the stream holds", (w) => (w[20] = 0x10), { kernelY: 1 }],
      ["a superblock larger than any core's share", () => undefined, { perCore: 2 }],
    ];
    for (const [name, change, fields] of cases)
      assert.is(damaged(change, fields), "TW_SIM_BAD_COEFFICIENTS", name);
    const record = core.readWords(core.invoke("faultRecord"), Fault.WORDS);
    assert.ok(record[Fault.WORD_INDEX]! >= 0);
  });

  test(`${build}: a stream that ends a block early or late is refused`, async () => {
    const core = await coreOf(build);
    const words = new Uint32Array(64);
    words.set(new Uint32Array(E1.slice().buffer));
    words[0] = 128; // one block of zeros too many
    const late = new Uint8Array(words.buffer);
    assert.is(thrownCode(() => decode(core, late, E1_FIELDS)), "TW_SIM_BAD_COEFFICIENTS"); // prettier-ignore
    const kernels = [
      [{ weights: Uint8Array.from({ length: 90 }, (_, i) => i), bias: 0, offset: 0 }],
    ];
    const fields = { ...E1_FIELDS, kernelZ: 10 };
    const full = encodeCoefsV7({ ...fields, zrlBits: 0, kernels });
    assert.is(thrownCode(() => decode(core, full, fields)), "none"); // prettier-ignore
    full[0] = 64; // one block too few
    assert.is(thrownCode(() => decode(core, full, fields)), "TW_SIM_BAD_COEFFICIENTS"); // prettier-ignore
  });
}

test.run();
