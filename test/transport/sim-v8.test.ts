// The simulator as a transport of a chip with NN cores of version 8, on a hand-made executable.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExecutableError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { expectedNnV8, nnCoefsV8, nnFieldsV8, type NnCaseV8 } from "../helpers/nn-rig-v8.ts";
import { rng } from "../helpers/prng.mjs";
import { bytesOf, descriptor, nnJobWords, sameBytes, streamOf } from "../helpers/sim-rig.ts";
import { tinyExecutable } from "../helpers/tiny-executable.ts";
import { transportSuite } from "./cts.ts";

const open = async (): Promise<Transport> => createSimTransport(chipByName("imx8mp")!);
transportSuite("sim of version 8", open, { chip: "imx8mp" });

const random = rng("transport/sim-v8");

/** 1x1, four channels in and out, 2x2: the shapes of the tiny executable. */
const CASE: NnCaseV8 = {
  inX: 2, inY: 2, kernelX: 1, kernelY: 1, kernelZ: 4, outX: 2, outY: 2, outZ: 4, offsetX: 0, offsetY: 0,
  firstPixel: false, relu: false, inZp: 3, outZp: 120, weightZp: 90, multiplier: 12345, shift: 8, perCore: 1, cores: 6,
  depthwise: false,
  weights: Uint8Array.from({ length: 16 }, () => random.byte()),
  bias: Int32Array.of(0, 10, -700, 900),
  input: Uint8Array.from({ length: 16 }, () => random.byte()),
}; // prettier-ignore

/** The tiny executable with bytes that mean something, for another chip. */
function executableV8(): Executable {
  const executable = tinyExecutable();
  const { name, model, revision, productId, ecoId, customerId } = chipByName("imx8mp")!;
  const [partition] = executable.partitions;
  const stream = bytesOf(streamOf(nnJobWords(0)));
  const fields = { ...nnFieldsV8(CASE), KERNEL_ADDR: 0, IN_IMAGE_ADDR: 0, OUT_IMAGE_ADDR: 0 };
  const contents = [null, null, nnCoefsV8(CASE), bytesOf(descriptor("NN", fields, 8)), stream];
  for (const [i, buffer] of partition!.buffers.entries()) {
    buffer.contents = contents[i]!;
    buffer.bytes = contents[i]?.length ?? buffer.bytes;
  }
  // The value of PS_NN_INST_ADDR: after eight zero words and three states.
  partition!.relocations.at(-1)!.byteOffset = 4 * (8 + 7);
  return { ...executable, chip: { name, model, revision, productId, ecoId, customerId } };
}

const test = suite("sim transport, version 8");

test("an executable for the i.MX 8M Plus computes what its job says", async () => {
  const transport = createSimTransport(chipByName("imx8mp")!);
  const loaded = await transport.load(executableV8());
  const { outputs, evidence } = await loaded.submit([CASE.input]);
  sameBytes(outputs[0]!, expectedNnV8(CASE));
  assert.is(evidence, "simulated");
  await transport.close();
});

test("it is refused by a chip with the other version", async () => {
  const transport = createSimTransport(chipByName("a311d")!);
  try {
    await transport.load(executableV8());
    assert.unreachable();
  } catch (error) {
    assert.instance(error, ExecutableError);
    assert.is((error as ExecutableError).code, "TW_EXE_CHIP");
  }
  await transport.close();
});

test.run();
