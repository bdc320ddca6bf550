// The CPU kernels against outputs of TFLite 2.14.1's reference kernels: every byte, every case.
// SPDX-License-Identifier: MIT
import { existsSync, readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { elementCount } from "../../core-as/ir/graph.ts";
import { readModel } from "../../core-as/model/read.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { describeDifference } from "../helpers/compare.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";
import { inputBytes } from "../helpers/prng.mjs";
import { synthModel } from "../helpers/synth-model.mjs";

/** Whole models with recorded pictures, all of whose operators have a CPU kernel. */
const PICTURE_MODELS = [
  "mobilenet_v1_0.25_128_quant",
  "mobilenet_v1_1.0_224_quant",
  "mobilenet_v2_1.0_224_quant",
  "tf2_mobilenet_v2_1.0_224_ptq", // int8 inside, per channel
  "ssdlite_mobiledet_coco_qat_postprocess", // boxes, classes, scores, count
  "yolox",
  "deeplabv3_mnv2_dm05_pascal_quant", // class of every pixel
  "movenet_single_pose_lightning_ptq", // key points: int8, int32 and float32
];

/** Bytes of the model behind a reference case. */
function modelOf(name: string): Uint8Array {
  const file = `${name}.tflite`;
  if (existsSync(corpusPath("models", "ops", file))) return corpusBytes("models", "ops", file);
  if (existsSync(corpusPath("models", file))) return corpusBytes("models", file);
  return synthModel(name);
}

/** Runs a model and compares all its outputs with the files of a reference directory. */
async function checkModel(
  model: Uint8Array,
  inputOf: (index: number, length: number) => Uint8Array,
  directory: string[],
): Promise<void> {
  const core = await coreOf("release");
  const { graph } = readModel(model);
  const inputs = graph.inputs.map((id, i) => inputOf(i, elementCount(graph.tensors[id]!.shape)));
  const outputs = runGraph(core, graph, inputs);
  for (const [i, id] of graph.outputs.entries()) {
    const want = corpusBytes(...directory, `output-${i}.bin.gz`);
    const isSigned = graph.tensors[id]!.type === "int8";
    assert.is(describeDifference(outputs.get(id)!, want, isSigned), "", `output ${i}`);
  }
}

const test = suite("CPU kernels against TFLite's reference kernels");

if (needCorpus("CPU kernels against TFLite's reference kernels")) {
  for (const name of readdirSync(corpusPath("reference")).sort()) {
    if (!existsSync(corpusPath("reference", name, "output-0.bin.gz"))) continue;
    test(name, () =>
      checkModel(modelOf(name), (i, length) => inputBytes(name, i, length), ["reference", name]),
    );
  }
  for (const model of PICTURE_MODELS)
    for (const picture of readdirSync(corpusPath("reference-pictures", model)).sort()) {
      const directory = ["reference-pictures", model, picture];
      test(`${model} on ${picture}`, () =>
        checkModel(
          corpusBytes("models", `${model}.tflite`),
          (i) => corpusBytes(...directory, `input-${i}.bin.gz`),
          directory,
        ));
    }
}

test.run();
