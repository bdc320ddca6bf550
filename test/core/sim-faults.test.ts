// The simulator must be able to fail: streams, addresses, descriptors and buffers that are wrong in
// one way each.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BUILDS } from "../helpers/cores.ts";
import { ADDRESS, mapNn, nnCoefs, nnFields, type NnCase } from "../helpers/nn-rig.ts";
import { A311D, bytesOf, descriptor, nnJobWords, simulatorOf, streamOf, tpJobWords, FLUSH } from "../helpers/sim-rig.ts"; // prettier-ignore
import { faultOf } from "../helpers/thrown.ts";

/** 3x3 SAME convolution, 6x5, 3 channels in, 10 out. */
const CASE: NnCase = {
  inX: 6, inY: 5, kernelX: 3, kernelY: 3, kernelZ: 3, outX: 6, outY: 5, outZ: 10, offsetX: -1, offsetY: -1,
  firstPixel: false, relu: false, inZp: 11, outZp: 128, weightZp: 100, multiplier: 77, shift: 24, zrlBits: 2,
  perCore: 2, cores: 8,
  weights: Uint8Array.from({ length: 270 }, (_, i) => (i % 3 === 0 ? 100 : (i * 37) & 255)),
  bias: Int32Array.from({ length: 10 }, (_, i) => i * 100 - 500),
  input: Uint8Array.from({ length: 90 }, (_, i) => (i * 91) & 255),
}; // prettier-ignore

for (const build of BUILDS) {
  test(`${build}: streams`, async () => {
    const simulator = await simulatorOf(build);
    const good = [...mapNn(simulator, CASE)];
    simulator.submit(Uint32Array.from(good));
    simulator.submit(new Uint32Array(0));
    simulator.submit(Uint32Array.of(0, 0, 0x0801028a, 0x11, 0x08010e13, 2, 0, 0)); // as at start-up
    // Two states in one command, padded to an even length.
    simulator.submit(Uint32Array.of(0x08020e4f, 0, 0, 0, ...good.slice(8)));
    const header = 8; // of the first command of the job
    const cases: [string, number, string, (words: number[]) => void][] = [
      ["an opcode that is not LOAD_STATE", header, "COMMAND", (w) => (w[header] = 0x10010e4f)],
      ["the fixed point bit", header, "COMMAND", (w) => (w[header]! |= 0x04000000)],
      ["a count beyond the end", header, "COMMAND", (w) => (w[header]! |= 0x03000000)],
      ["a count of 0, meaning 1024", header, "COMMAND", (w) => (w[header] = 0x08000e4f)],
      ["something after a zero word", 1, "COMMAND", (w) => (w[1] = 1)],
      ["an unknown state", header + 1, "STATE", (w) => (w[header] = 0x08010e4e)],
      ["a value that no stream writes", header + 1, "STATE", (w) => (w[header + 1] = 4)],
      ["a bad NN configuration", header + 5, "STATE", (w) => (w[header + 5] = 0x14)],
      ["a bad flush", good.length - 1, "STATE", (w) => (w[w.length - 1] = 0xc22)],
      ["no end of the job", good.length - 4, "COMMAND", (w) => w.splice(header + 8, 2)],
      ["no flush", good.length - 2, "COMMAND", (w) => w.splice(w.length - 2)],
      ["an end without a job", header + 1, "COMMAND", (w) => w.splice(header, 8)],
      ["a tag beyond five bits", header + 7, "ALIGNMENT", (w) => (w[header + 7]! |= 0x20)],
      ["a descriptor that is not mapped", header + 7, "ADDRESS", (w) => (w[header + 7]! += 0x1000)],
      ["a job in a job", header + 9, "COMMAND", (w) => w.splice(header + 8, 0, 0x08010428, ADDRESS.nn)],
    ]; // prettier-ignore
    for (const [name, word, code, change] of cases) {
      const words = [...good];
      change(words);
      const fault = faultOf(() => simulator.submit(Uint32Array.from(words)));
      assert.ok(fault.code.includes(code), `${name}: ${fault.message}`);
      assert.is(fault.where.wordIndex, word === good.length - 4 ? word + 2 : word, name);
    }
    // Nothing above has left a state behind.
    simulator.submit(Uint32Array.from([...good.slice(0, header + 7), ADDRESS.nn | 0x1f, ...good.slice(header + 8)])); // prettier-ignore
  });

  test(`${build}: accesses are checked against the submit's list, by direction`, async () => {
    const simulator = await simulatorOf(build);
    const stream = mapNn(simulator, CASE);
    const list = [
      { address: ADDRESS.input, access: 1 },
      { address: ADDRESS.output, access: 2 },
      { address: ADDRESS.coefs, access: 1 },
      { address: ADDRESS.nn, access: 1 },
    ];
    simulator.submit(stream, list);
    for (const [index, { address, access }] of list.entries()) {
      const without = list.filter((_, i) => i !== index);
      assert.is(faultOf(() => simulator.submit(stream, without)).code, "TW_SIM_BAD_ADDRESS");
      const wrong = [...without, { address, access: 3 - access }];
      const fault = faultOf(() => simulator.submit(stream, wrong));
      assert.is(fault.code, "TW_SIM_BAD_ADDRESS");
      assert.is(fault.where.addrGpu, address);
      assert.is(fault.where.job, 0);
    }
    const unknown = [...list, { address: 0x50000000, access: 1 }];
    assert.is(faultOf(() => simulator.submit(stream, unknown)).where.addrGpu, 0x50000000);
    const inside = [...list.slice(1), { address: ADDRESS.input + 1, access: 1 }];
    assert.is(faultOf(() => simulator.submit(stream, inside)).code, "TW_SIM_BAD_ADDRESS");
  });

  test(`${build}: NN descriptors`, async () => {
    const cases: [string, string, Record<string, number>][] = [
      ["ADDRESS", "IN_IMAGE_ADDR", { IN_IMAGE_ADDR: ADDRESS.input + 1 }],
      ["ADDRESS", "IN_IMAGE_ADDR", { IN_IMAGE_ADDR: ADDRESS.input - 1 }],
      ["ADDRESS", "IN_IMAGE_ADDR", { IN_IMAGE_ADDR: 0xffffffff }],
      ["ADDRESS", "IN_IMAGE_ADDR", { IN_X_STRIDE: 7 }],
      ["ADDRESS", "IN_IMAGE_ADDR", { IN_Y_STRIDE: 6 }],
      ["ADDRESS", "OUT_IMAGE_ADDR", { OUT_IMAGE_ADDR: ADDRESS.output + 1 }],
      ["ADDRESS", "OUT_IMAGE_ADDR", { OUT_IMAGE_ADDR: ADDRESS.input }],
      ["ADDRESS", "KERNEL_ADDR", { KERNEL_ADDR: ADDRESS.coefs + 0x10000 }],
      ["DESCRIPTOR", "NO_Z_OFFSET", { NO_Z_OFFSET: 1 }],
      ["DESCRIPTOR", "NO_FLUSH", { NO_FLUSH: 1 }],
      ["DESCRIPTOR", "DEPTHWISE", { DEPTHWISE: 1 }],
      ["DESCRIPTOR", "LAYER_TYPE", { LAYER_TYPE: 1 }],
      ["DESCRIPTOR", "POOLING", { POOLING: 1 }],
      ["DESCRIPTOR", "POOLING_XY_SIZE", { POOLING_XY_SIZE: 0 }],
      ["DESCRIPTOR", "ROUNDING_MODE", { ROUNDING_MODE: 0 }],
      ["DESCRIPTOR", "BRICK_MODE", { BRICK_MODE: 1 }],
      ["DESCRIPTOR", "IN_X_OFFSET", { IN_X_OFFSET: 1 }],
      ["DESCRIPTOR", "IN_BORDER_CONST", { IN_BORDER_CONST: 256 }],
      ["DESCRIPTOR", "IN_X_STRIDE", { IN_X_STRIDE: 5 }],
      ["DESCRIPTOR", "OUT_Y_STRIDE", { OUT_Y_STRIDE: 4 }],
      ["DESCRIPTOR", "TILE_X_SIZE", { TILE_X_SIZE: 0 }],
      ["DESCRIPTOR", "KERNEL_CACHE_END", { KERNEL_CACHE_END: 0x780 }],
      ["DESCRIPTOR", "KERNEL_PATTERN_MSB", { KERNEL_CACHING_MODE: 2 }],
      ["DESCRIPTOR", "UNK_29_31_0", { UNK_29_31_0: 0 }],
      ["DESCRIPTOR", "KERNEL_X_SIZE", { KERNEL_X_SIZE: 0 }],
      ["COEFFICIENTS", "", { KERNEL_X_SIZE: 2 }],
      ["COEFFICIENTS", "", { OUT_Z_SIZE: 11 }],
      ["COEFFICIENTS", "", { KERNELS_PER_CORE: 3 }],
    ];
    for (const [code, field, change] of cases) {
      const simulator = await simulatorOf(build);
      const nn = bytesOf(descriptor("NN", { ...nnFields(CASE), ...change }));
      const stream = mapNn(simulator, CASE, nnCoefs(CASE), nn);
      const fault = faultOf(() => simulator.submit(stream));
      assert.ok(fault.code.includes(code), `${JSON.stringify(change)}: ${fault.message}`);
      if (field !== "") assert.is(fault.where.field, field);
      assert.is(fault.where.job, 0);
      assert.equal([...new Set(simulator.read(ADDRESS.output, 300))], [0]);
    }
  });

  test(`${build}: two kernels with one output plane`, async () => {
    const simulator = await simulatorOf(build);
    const stream = mapNn(simulator, CASE);
    const coefs = nnCoefs(CASE);
    // The second kernel's offset word: swap it for the first one's by editing the encoder's input
    // instead.
    const { encodeCoefsV7, dealKernels } = await import("../helpers/coef-v7.ts");
    const { nnKernels } = await import("../helpers/nn-rig.ts");
    const kernels = nnKernels(CASE).map((kernel, i) => (i === 3 ? { ...kernel, offset: 0 } : kernel));
    const twice = encodeCoefsV7({ ...CASE, kernels: dealKernels(kernels, 8, 2) });
    assert.is(twice.length, coefs.length);
    simulator.write(ADDRESS.coefs, twice);
    assert.is(faultOf(() => simulator.submit(stream)).code, "TW_SIM_DOUBLE_WRITE");
    const apart = nnKernels(CASE).map((kernel, i) => (i === 3 ? { ...kernel, offset: 91 } : kernel));
    simulator.write(ADDRESS.coefs, encodeCoefsV7({ ...CASE, kernels: dealKernels(apart, 8, 2) }));
    assert.is(faultOf(() => simulator.submit(stream)).code, "TW_SIM_BAD_COEFFICIENTS");
  }); // prettier-ignore

  test(`${build}: other versions of NN cores are refused`, async () => {
    const simulator = await simulatorOf(build, { chip: { ...A311D, nnCoreVersion: 6 as 7 } });
    const fault = faultOf(() => simulator.submit(mapNn(simulator, CASE)));
    assert.is(fault.code, "TW_SIM_BAD_DESCRIPTOR");
    assert.is(fault.where.field, "NO_Z_OFFSET");
  });

  test(`${build}: work of a submit is limited`, async () => {
    // 225 * 8 * 32 weights over 1100 * 1100 pixels: more than 2^36 multiply-adds, refused before
    // the first.
    const size = 1100;
    const taps = 15 * 15 * 8;
    const huge: NnCase = {
      ...CASE, kernelX: 15, kernelY: 15, kernelZ: 8, outZ: 32, perCore: 4, zrlBits: 0, offsetX: 0, offsetY: 0,
      inX: size + 14, inY: size + 14, outX: size, outY: size, weights: new Uint8Array(taps * 32).fill(3),
      bias: new Int32Array(32), input: new Uint8Array((size + 14) ** 2 * 8),
    }; // prettier-ignore
    const simulator = await simulatorOf(build);
    const stream = mapNn(simulator, huge);
    assert.is(faultOf(() => simulator.submit(stream)).code, "TW_SIM_LIMIT");
  });

  test(`${build}: a TP job with several descriptors is one job; the next may write the same bytes`, async () => {
    const simulator = await simulatorOf(build);
    const fields = { IN_X_SIZE: 16, IN_Y_SIZE: 1, IN_Z_SIZE: 1, IN_STRIDE: 16, IN_SLICE: 16, WINDOW_X_END: 15, TILE_X_SIZE: 16, TILE_Y_SIZE: 1, TILE_X_INC: 16, TILE_Y_INC: 1, IN_BASE_ADDR: 0x1000, OUT_BASE_ADDR: 0x2000, OUT_LOOP_0_COUNT: 16, OUT_LOOP_0_INC: 1, OUT_LOOP_1_COUNT: 1, OUT_LOOP_2_COUNT: 1 }; // prettier-ignore
    simulator.mapBuffer({ address: 0x1000, bytes: 16, access: 1 });
    simulator.mapBuffer({ address: 0x2000, bytes: 16, access: 2 });
    const contents = bytesOf(descriptor("TP", fields));
    simulator.mapBuffer({ address: 0x3000, bytes: 124, access: 1, contents });
    simulator.submit(streamOf(tpJobWords(0x3000), tpJobWords(0x3000)));
    assert.is(simulator.jobCount, 2);
    const fault = faultOf(() => simulator.submit(streamOf(tpJobWords(0x3000, 0x3000))));
    assert.is(fault.code, "TW_SIM_DOUBLE_WRITE");
    assert.is(fault.where.addrGpu, 0x2000);
    const mixed = [...tpJobWords(0x3000).slice(0, -2), ...nnJobWords(0x3000), ...FLUSH];
    assert.is(faultOf(() => simulator.submit(Uint32Array.from(mixed))).code, "TW_SIM_BAD_COMMAND");
  });

  test(`${build}: the memory map refuses impossible buffers`, async () => {
    const simulator = await simulatorOf(build);
    simulator.mapBuffer({ address: 0x1000, bytes: 0x100, access: 3 });
    simulator.mapBuffer({ address: 0xffffff00, bytes: 0x100, access: 3 });
    simulator.mapBuffer({ address: 0x1000, bytes: 0x100, access: 1 });
    for (const [address, bytes, access] of [
      [0x10ff, 1, 3], [0x0fff, 2, 3], [0x0f00, 0x1000, 3], [0x1000, 0x80, 3], [0xfffffe00, 0x300, 3], [0x5000, 0, 3],
      [-1, 4, 3], [0.5, 4, 3], [0x5000, 4, 4],
    ] as const) // prettier-ignore
      assert.throws(() => simulator.mapBuffer({ address, bytes, access }), (e: unknown) => e instanceof RangeError); // prettier-ignore
    assert.throws(() => simulator.read(0x10ff, 2), (e: unknown) => e instanceof RangeError); // prettier-ignore
    assert.throws(() => simulator.write(0x0fff, Uint8Array.of(1)), (e: unknown) => e instanceof RangeError); // prettier-ignore
  });
}

test.run();
