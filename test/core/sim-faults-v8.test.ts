// The simulator must be able to fail: NN jobs of version 8 that are wrong in one way each.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BUILDS } from "../helpers/cores.ts";
import { ADDRESS } from "../helpers/nn-rig.ts";
import { IMX8MP, mapNnV8, nnCoefsV8, nnFieldsV8, type NnCaseV8 } from "../helpers/nn-rig-v8.ts";
import { A311D, bytesOf, descriptor, simulatorOf, type Fields } from "../helpers/sim-rig.ts";
import { faultOf } from "../helpers/thrown.ts";

/** 3x3 SAME convolution, 6x5, 3 channels in, 10 out. */
const CASE: NnCaseV8 = {
  inX: 6, inY: 5, kernelX: 3, kernelY: 3, kernelZ: 3, outX: 6, outY: 5, outZ: 10, offsetX: -1, offsetY: -1,
  firstPixel: false, relu: false, inZp: 11, outZp: 128, weightZp: 100, multiplier: 77, shift: 9, perCore: 2, cores: 6,
  depthwise: false,
  weights: Uint8Array.from({ length: 270 }, (_, i) => (i % 3 === 0 ? 100 : (i * 37) & 255)),
  bias: Int32Array.from({ length: 10 }, (_, i) => i * 100 - 500),
  input: Uint8Array.from({ length: 90 }, (_, i) => (i * 91) & 255),
}; // prettier-ignore

const DEPTHWISE: NnCaseV8 = {
  ...CASE, depthwise: true, kernelZ: 10, weights: CASE.weights.slice(0, 90),
  input: Uint8Array.from({ length: 300 }, (_, i) => (i * 91) & 255),
}; // prettier-ignore

const CHANGES: [string, string, Fields, NnCaseV8?][] = [
  ["DESCRIPTOR", "NO_Z_OFFSET", { NO_Z_OFFSET: 0 }],
  ["DESCRIPTOR", "NO_FLUSH", { NO_FLUSH: 0 }],
  ["DESCRIPTOR", "IMAGE_CACHING_MODE", { IMAGE_CACHING_MODE: 2 }],
  ["DESCRIPTOR", "KERNEL_CACHING_MODE", { KERNEL_CACHING_MODE: 3 }],
  ["DESCRIPTOR", "KERNEL_PATTERN_MSB", { KERNEL_CACHING_MODE: 2 }],
  ["DESCRIPTOR", "KERNEL_PATTERN_MSB", { KERNEL_PATTERN_MSB: 1 }],
  ["DESCRIPTOR", "LAYER_TYPE", { LAYER_TYPE: 1 }],
  ["DESCRIPTOR", "POOLING", { POOLING: 1 }],
  ["DESCRIPTOR", "ROUNDING_MODE", { ROUNDING_MODE: 0 }],
  ["DESCRIPTOR", "IN_X_OFFSET", { IN_X_OFFSET: 1 }],
  ["DESCRIPTOR", "IN_Y_OFFSET", { IN_Y_OFFSET: 15 }],
  ["DESCRIPTOR", "PER_CHANNEL_POST_MULTIPLY", { PER_CHANNEL_POST_MULTIPLY: 1 }],
  ["DESCRIPTOR", "KERNEL_FROM_SRAM", { KERNEL_FROM_SRAM: 1 }],
  ["DESCRIPTOR", "KERNEL_Z_SIZE", { DEPTHWISE: 1 }],
  ["DESCRIPTOR", "KERNEL_Z_SIZE", { KERNEL_Z_SIZE: 9 }, DEPTHWISE],
  ["DESCRIPTOR", "KERNEL_Z_SIZE", { OUT_Z_SIZE: 9 }, DEPTHWISE],
  ["ADDRESS", "IN_IMAGE_ADDR", { IN_IMAGE_ADDR: ADDRESS.input + 1 }],
  ["ADDRESS", "IN_IMAGE_ADDR", { IN_IMAGE_ADDR: ADDRESS.input + 1 }, DEPTHWISE],
  ["ADDRESS", "IN_IMAGE_ADDR", { IN_X_STRIDE: 7 }, DEPTHWISE],
  ["ADDRESS", "OUT_IMAGE_ADDR", { OUT_IMAGE_ADDR: ADDRESS.output + 1 }],
  ["ADDRESS", "OUT_IMAGE_ADDR", { OUT_Y_STRIDE: 0xffff, OUT_X_STRIDE: 0xffff }],
  ["ADDRESS", "OUT_IMAGE_ADDR", { OUT_Y_STRIDE: 6 }],
  ["ADDRESS", "KERNEL_ADDR", { KERNEL_ADDR: ADDRESS.coefs + 0x10000 }],
  ["COEFFICIENTS", "", { KERNEL_ADDR: ADDRESS.coefs + 0x40 }],
  ["COEFFICIENTS", "", { KERNEL_X_SIZE: 2 }],
  ["COEFFICIENTS", "", { KERNEL_Z_SIZE: 0xfffff }],
  ["COEFFICIENTS", "", { OUT_Z_SIZE: 11 }],
  ["COEFFICIENTS", "", { OUT_Z_SIZE: 9 }],
  ["COEFFICIENTS", "", { OUT_Z_SIZE: 0x3fff }],
  ["COEFFICIENTS", "", { KERNELS_PER_CORE: 3 }],
  ["COEFFICIENTS", "", { KERNEL_X_SIZE: 4 }, DEPTHWISE],
  ["COEFFICIENTS", "", { KERNEL_X_SIZE: 2, KERNEL_Y_SIZE: 4 }, DEPTHWISE],
];

for (const build of BUILDS) {
  test(`${build}: descriptors`, async () => {
    for (const [code, field, change, c = CASE] of CHANGES) {
      const simulator = await simulatorOf(build, { chip: IMX8MP });
      const nn = bytesOf(descriptor("NN", { ...nnFieldsV8(c), ...change }, 8));
      const stream = mapNnV8(simulator, c, nnCoefsV8(c), nn);
      const fault = faultOf(() => simulator.submit(stream));
      assert.ok(fault.code.includes(code), `${JSON.stringify(change)}: ${fault.message}`);
      if (field !== "") assert.is(fault.where.field, field);
      assert.is(fault.where.job, 0);
      assert.equal([...new Set(simulator.read(ADDRESS.output, 300))], [0]);
    }
  });

  test(`${build}: a job of one version does not run on a chip of the other`, async () => {
    const nn = bytesOf(descriptor("NN", nnFieldsV8(CASE), 8));
    const older = await simulatorOf(build, { chip: A311D });
    const stream = mapNnV8(older, CASE, nnCoefsV8(CASE), nn);
    assert.is(faultOf(() => older.submit(stream)).code, "TW_SIM_BAD_DESCRIPTOR");
    for (const nnCores of [5, 7, 8, 12]) {
      const other = await simulatorOf(build, { chip: { ...IMX8MP, nnCores } });
      const code = faultOf(() => other.submit(mapNnV8(other, CASE))).code;
      assert.is(code, "TW_SIM_BAD_COEFFICIENTS", `${nnCores} cores`);
    }
  });

  test(`${build}: coefficients must be in one buffer, biases too`, async () => {
    const coefs = nnCoefsV8(CASE);
    for (const missing of [1, 4, 40, 41, 105]) {
      const simulator = await simulatorOf(build, { chip: IMX8MP });
      const stream = mapNnV8(simulator, CASE, coefs.slice(0, -missing));
      assert.is(faultOf(() => simulator.submit(stream)).code, "TW_SIM_BAD_COEFFICIENTS");
    }
  });
}

test.run();
