// Every model at hand loads, verifies and survives the writer.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { verifyGraph } from "../../../core-as/ir/verify.ts";
import { readModel } from "../../../core-as/model/read.ts";
import { writeModel } from "../../../core-as/model/write.ts";
import { corpusBytes, corpusPath, needCorpus } from "../../helpers/corpus.ts";
import { synthModel } from "../../helpers/synth-model.mjs";
import visibleCases from "../../helpers/visible-cases.mjs";

test("the synthetic models of the visible grid", () => {
  for (const name of visibleCases as string[]) {
    const model = readModel(synthModel(name));
    verifyGraph(model.graph, "model");
    assert.is(model.description, name);
  }
});

if (needCorpus("model/corpus.test.ts")) {
  const files = readdirSync(corpusPath("models"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".tflite"))
    .sort();

  test("the corpus is not empty", () => {
    assert.ok(files.length >= 100, `${files.length} models`);
  });

  for (const file of files)
    test(file, () => {
      const model = readModel(corpusBytes("models", file));
      verifyGraph(model.graph, "model");
      assert.equal(readModel(writeModel(model)), model);
    });

  test("a model of 4 MB is read in a few milliseconds, its constants in place", () => {
    const bytes = corpusBytes("models", "mobilenet_v1_1.0_224_quant.tflite");
    const start = performance.now();
    const rounds = 20;
    for (let i = 0; i < rounds; i++) readModel(bytes);
    const each = (performance.now() - start) / rounds;
    assert.ok(each < 20, `${each.toFixed(2)} ms`);

    const model = readModel(bytes);
    for (const { constant } of model.graph.tensors)
      if (constant !== null) assert.is(constant.buffer, bytes.buffer);
  });

  test("per-channel quantisation, custom operators and several inputs arrive", () => {
    const ptq = readModel(corpusBytes("models", "tf2_mobilenet_v2_1.0_224_ptq.tflite")).graph;
    const weights = ptq.tensors.filter(
      (t) => t.type === "int8" && (t.quant?.scales.length ?? 0) > 1,
    );
    assert.ok(weights.length > 40);
    assert.ok(weights.every((t) => t.quant!.axis === 0 || t.quant!.axis === 3));

    const detector = readModel(
      corpusBytes("models", "ssdlite_mobiledet_coco_qat_postprocess.tflite"),
    ).graph;
    const last = detector.ops.at(-1)!;
    assert.is(last.customName, "TFLite_Detection_PostProcess");
    assert.ok(last.customOptions!.length > 0);
    assert.is(detector.outputs.length, 4);
  });
}

test.run();
