// Tensors whose layout conversion overflows the 16-bit fields of a TP descriptor (quirk Q43).
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnsupportedError } from "../../core-as/errors.ts";
import { blockTable, decodeBlock } from "../../core-as/inspect/decode.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { inputsOfCase, maxDifference, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

// 300 columns of 257 channels are 77100 rows of the walk, 16 bits end at 65535.
const CASE = "pw-i2x300x3-o257-s1-same-u8";
const WRAPPED = (300 * 257) & 0xffff;

for (const build of BUILDS) {
  const test = suite(`wrapped fields (${build})`);
  const core = await coreOf(build);
  const model = synthModel(CASE);

  test("compatible mode refuses them, and wraps them with leave", () => {
    assert.throws(
      () => compileCase(core, model, { mode: "compatible" }),
      (error: unknown) => error instanceof UnsupportedError && /Q43/.test(error.message),
    );
    const { executable } = compileCase(core, model, { mode: "compatible", allowQuirks: true });
    const { jobs, buffers } = executable.partitions[0]!;
    const last = buffers[jobs.at(-1)!.descriptors[0]!]!.contents!;
    const rows = decodeBlock(blockTable("TP"), last, 7).find(({ name }) => name === "IN_Y_SIZE");
    assert.is(rows!.value, WRAPPED);
  });

  test("optimised mode walks plane by plane", async () => {
    const { executable, model: parsed } = compileCase(core, model, { mode: "optimised" });
    const inputs = inputsOfCase(CASE, parsed.graph);
    const [id] = parsed.graph.outputs as [number];
    const expected = runGraph(core, parsed.graph, inputs).get(id)!;
    const [output] = await simulate(executable, inputs);
    assert.ok(maxDifference("uint8", output!, expected) <= 1);
  });

  test.run();
}
