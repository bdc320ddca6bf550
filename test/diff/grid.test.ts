// Optimised mode on a random grid: simulated results against the integer reference. GRID_CASES and FC_SEED change it.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { gridCases } from "../helpers/grid-cases.ts";
import { inputsOfCase, maxDifference, simulate, toleranceOf } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const count = Number(process.env["GRID_CASES"] ?? 250);
const seed = process.env["FC_SEED"] ?? "grid";
const core = await coreOf("release");

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`grid ${target} (seed ${seed})`);
  for (const name of gridCases(seed, count))
    test(name, async () => {
      const { executable, model } = compileCase(core, synthModel(name), {
        mode: "optimised",
        target,
      });
      const { graph } = model;
      const inputs = inputsOfCase(name, graph);
      const expected = runGraph(core, graph, inputs);
      const outputs = await simulate(executable, inputs);
      graph.outputs.forEach((id, index) => {
        const most = maxDifference(graph.tensors[id]!.type, outputs[index]!, expected.get(id)!);
        assert.ok(most <= toleranceOf(name), `output ${index} is off by ${most}`);
      });
      // A pool has no NPU form yet, and sparse kernels can have factors above what version 8 can say.
      const leftOut = executable.placements.filter(
        ({ place, name: kind, constraint }) =>
          place === "cpu" && kind !== "MAX_POOL_2D" && constraint !== "SCALE_RANGE",
      );
      assert.equal(leftOut, []);
    });
  test.run();
}
