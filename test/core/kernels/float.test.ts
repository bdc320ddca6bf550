// Float operators against the integer kernels: on the same dequantised inputs, rounding is all that may lie between them.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareWithReal } from "../../../core-as/index.ts";
import { UnsupportedError } from "../../../core-as/errors.ts";
import { elementCount, type Graph, type Op } from "../../../core-as/ir/graph.ts";
import { CPU_OPERATORS, runOperator } from "../../../core-as/runtime/cpu/index.ts";
import { FLOAT_OPERATORS, FloatModel, realsOf } from "../../../core-as/runtime/float/index.ts";
import { coreOf } from "../../helpers/cores.ts";
import { EXAMPLES } from "../../helpers/operator-examples.ts";
import { bytesOf, randomNumbers } from "../../helpers/tiny-graph.ts";

const test = suite("float operators");
const core = await coreOf("release");

test("every operator with an integer kernel has a float form", () =>
  assert.equal([...FLOAT_OPERATORS.keys()].sort(), [...CPU_OPERATORS.keys()].sort()));

function randomBytes(graph: Graph, id: number, seed: number): Uint8Array {
  const { type, shape } = graph.tensors[id]!;
  const random = randomNumbers(seed * 16 + id);
  const one: Record<string, () => number> = {
    uint8: () => random(0, 255),
    int8: () => random(-128, 127),
    int32: () => random(-50, 50),
    // Not negative for the sake of SQRT, not 0 for the sake of DIV.
    float32: () => random(1, 1023) / 512,
  };
  return bytesOf(type, Array.from({ length: elementCount(shape) }, one[type]!));
}

/** Fixed-point kernels round several times on their way. */
const STEPS: Readonly<Record<string, number>> = {
  HARD_SWISH: 1.1,
  SOFTMAX: 1.1,
  TANH: 1.1,
  LOGISTIC: 1.1,
  ADD: 0.51,
  SUB: 0.51,
  RESIZE_BILINEAR: 0.76,
  // The division by the count leaves its multiplier fewer bits.
  MEAN: 0.53,
};

function expectNear(graph: Graph, op: Op, values: Map<number, Uint8Array>): void {
  const integer = runOperator(core, graph, op, (id) => values.get(id)!);
  const model = new FloatModel(core, graph);
  const reals = model.run(op, (id) => realsOf(graph.tensors[id]!, values.get(id)!));
  for (const [i, id] of op.outputs.entries()) {
    const { type, shape, quant } = graph.tensors[id]!;
    const difference = compareWithReal(integer[i]!, reals[i]!, {
      type,
      shape,
      quantisation: quant,
    });
    assert.is(difference.notFinite, 0);
    // Numbers: binary32 against binary64; bytes: half a step from one rounding, a little more from a second one.
    const most = type === "float32" ? 1e-4 : quant === null ? 0 : (STEPS[op.kind] ?? 0.505);
    assert.ok(difference.max <= most, `output ${i}: ${difference.max} steps, allowed ${most}`);
  }
}

for (const { name, make } of EXAMPLES)
  test(name, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { graph, op } = make();
      const values = graph.inputs.map((id) => [id, randomBytes(graph, id, seed)] as const);
      expectNear(graph, op, new Map(values));
    }
  });

test("an operator without a float form is named", () => {
  const { graph, op } = EXAMPLES[0]!.make();
  const model = new FloatModel(core, graph);
  assert.throws(
    () => model.run({ ...op, kind: "LSTM" }, () => new Float64Array(0)),
    (error: unknown) =>
      error instanceof UnsupportedError &&
      error.code === "TW_UNSUP_OPERATOR" &&
      /operator 0 LSTM has no float form/.test(error.message),
  );
});

test.run();
