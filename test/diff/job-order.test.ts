// Jobs in another order than the operators': less memory where branches lie side by side, the same bytes out.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";

const core = await coreOf("release");
const CONV = { padding: "same", strideW: 1, strideH: 1, dilationW: 1, dilationH: 1 };

function activation(channels: number): Tensor {
  const made = tensor([1, 16, 16, channels], { scales: [0.05] });
  made.quant!.zeroPoints[0] = 121;
  return made;
}

function weights(seed: string, outputs: number, inputs: number): Tensor {
  const made = tensor([outputs, 1, 1, inputs], { scales: [0.01] });
  const random = rng(seed);
  made.quant!.zeroPoints[0] = 130;
  made.constant = Uint8Array.from({ length: outputs * inputs }, () => random.next() >>> 24);
  return made;
}

const conv = (from: number, weight: number, to: number): Op =>
  op("CONV_2D", [from, weight, -1], [to], { ...CONV, activation: "relu" });

/** Branches that expand and shrink, all expansions first as a converter may list them; then their concatenation. */
function branches(count: number): Graph {
  const tensors = [activation(8)];
  const ops: Op[] = [];
  const add = (made: Tensor): number => tensors.push(made) - 1;
  const wide = Array.from({ length: count }, (_, i) => {
    const to = add(activation(96));
    ops.push(conv(0, add(weights(`wide ${i}`, 96, 8)), to));
    return to;
  });
  const narrow = wide.map((from, i) => {
    const to = add(activation(8));
    ops.push(conv(from, add(weights(`narrow ${i}`, 8, 96)), to));
    return to;
  });
  const last = add(activation(8 * count));
  ops.push(op("CONCATENATION", narrow, [last], { axis: 3, activation: "none" }));
  return graph(tensors, ops, [0], [last]);
}

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`job order ${target}`);
  test("four branches need the memory of one", async () => {
    const model = writeModel({
      graph: branches(4),
      description: "",
      schemaVersion: 3,
      otherSubgraphs: [],
    });
    const options = { mode: "optimised", target } as const;
    const ordered = compileCase(core, model, options);
    const plain = compileCase(core, model, { ...options, optimisations: { jobOrder: false } });
    const [less, more] = [ordered, plain].map(({ executable }) => buildReport(executable).totals);
    const pixels = 256;
    assert.ok(more!.peakTensorBytes >= 4 * 96 * pixels, `${more!.peakTensorBytes}`);
    // One branch, what the others left, and the planar input or the last piece of the output.
    assert.is(less!.peakTensorBytes, (96 + 3 * 8 + 8) * pixels);
    for (const figure of ["jobs", "cycles", "dramBytes"] as const)
      assert.is(less![figure], more![figure]);
    assert.ok(Math.abs(less!.predictedMs! - more!.predictedMs!) < 1e-9);
    const inputs = inputsOfCase("branches", ordered.model.graph);
    assert.equal(
      await simulate(ordered.executable, inputs),
      await simulate(plain.executable, inputs),
    );
  });
  test.run();
}
