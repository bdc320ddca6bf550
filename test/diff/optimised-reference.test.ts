// Optimised mode against TFLite's own outputs, for every case of the shared corpus.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";
import { inputsOfCase, maxDifference, simulate, toleranceOf } from "../helpers/simulate.ts";

/** Whole networks may be off by 8; of the visible grid even deep chains stay within 2. */
function boundOf(name: string): number {
  return name.startsWith("mobilenet") ? 8 : Math.min(toleranceOf(name), 2);
}

if (needCorpus("optimised mode against TFLite")) {
  const core = await coreOf("release");
  for (const target of ["a311d", "imx8mp"]) {
    const test = suite(`optimised ${target}`);
    for (const name of readdirSync(corpusPath("reference")))
      test(name, async () => {
        const { executable, model } = compileCase(core, modelOfCase(name), {
          mode: "optimised",
          target,
        });
        const outputs = await simulate(executable, inputsOfCase(name, model.graph));
        model.graph.outputs.forEach((id, index) => {
          const want = corpusBytes("reference", name, `output-${index}.bin.gz`);
          const most = maxDifference(model.graph.tensors[id]!.type, outputs[index]!, want);
          assert.ok(most <= boundOf(name), `output ${index} is off by ${most}`);
        });
      });
    test.run();
  }
}
