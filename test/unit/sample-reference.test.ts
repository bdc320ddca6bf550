// The sample's integer reference against outputs of TFLite's own reference kernels on synthetic models: equal bytes.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { elementCount, type Graph } from "../../core-as/ir/graph.ts";
import { readModel } from "../../core-as/model/read.ts";
import { IntegerReference } from "../../examples/sample/train/evaluate.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";
import { inputBytes, synthModel } from "../helpers/synth-model.mjs";

const KINDS = new Set(["CONV_2D", "DEPTHWISE_CONV_2D", "ADD"]);

if (needCorpus("sample integer reference")) {
  for (const name of readdirSync(corpusPath("reference"))) {
    if (!/^(conv|dw|pw|add|chain)-.*-u8/.test(name)) continue;
    const { graph } = readModel(synthModel(name));
    if (!inReach(graph)) continue;
    test(name, () => {
      const [input] = graph.inputs.map((id) => graph.tensors[id]!);
      const bytes = inputBytes(name, 0, elementCount(input!.shape));
      const expected = corpusBytes("reference", name, "output-0.bin.gz");
      assert.equal(new IntegerReference(graph).run(bytes), expected);
    });
  }
  test.run();
}

/** Whether a graph has one input, one output, and only what the sample has too. */
function inReach({ inputs, outputs, ops }: Graph): boolean {
  return (
    inputs.length === 1 &&
    outputs.length === 1 &&
    ops.every(
      ({ kind, options }) =>
        KINDS.has(kind) && ["none", "relu"].includes(`${options["activation"]}`),
    )
  );
}
