// Programs of several operators: what they ask for and return, repeated runs, memory, and refusals by name.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CoreBugError, TransportError, UnsupportedError } from "../../../core-as/errors.ts";
import { readModel } from "../../../core-as/model/read.ts";
import { layoutBuffers, type Lifetime } from "../../../core-as/runtime/cpu/buffers.ts";
import {
  canRunOnCpu,
  CpuProgram,
  runGraph,
  runOperator,
} from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { inputBytes } from "../../helpers/prng.mjs";
import { synthModel } from "../../helpers/synth-model.mjs";
import { randomNumbers, tinyGraph, type TinyTensor } from "../../helpers/tiny-graph.ts";

const CASE = "chain-csp-i10x14x9-o7-i8";
const ADD = { activation: "none" };

for (const build of BUILDS) {
  const test = suite(`CPU programs (${build})`);

  test("operator by operator gives the same as the whole graph, and repeated runs too", async () => {
    const core = await coreOf(build);
    const { graph } = readModel(synthModel(CASE));
    const input = inputBytes(CASE, 0, 10 * 14 * 9);
    const known = new Map<number, Uint8Array>([[graph.inputs[0]!, input]]);
    for (const op of graph.ops)
      runOperator(core, graph, op, (id) => known.get(id)!).forEach((bytes, i) =>
        known.set(op.outputs[i]!, bytes),
      );

    const seen: number[] = [];
    const whole = runGraph(core, graph, [input], (op, outputs) => {
      seen.push(op.id);
      for (const [i, id] of op.outputs.entries()) assert.equal(outputs[i], known.get(id));
    });
    assert.equal(
      seen,
      graph.ops.map((op) => op.id),
    );
    for (const id of graph.outputs) assert.equal(whole.get(id), known.get(id));

    const program = new CpuProgram(core, graph, seen);
    assert.equal(program.inputs, graph.inputs);
    for (let i = 0; i < 3; i++)
      assert.equal(
        program.run(() => input),
        whole,
      );
  });

  test("a part of a graph asks for and returns what crosses its border", async () => {
    const core = await coreOf(build);
    const { graph } = readModel(synthModel(CASE));
    const mark = core.mark();
    const first = new CpuProgram(core, graph, [0, 1]);
    const used = graph.ops.slice(2).flatMap((op) => op.inputs);
    const made = [...graph.ops[0]!.outputs, ...graph.ops[1]!.outputs];
    assert.equal(
      first.outputs,
      made.filter((id) => used.includes(id)),
    );
    first.release();
    assert.is(core.mark(), mark);
  });

  test("leaves no memory behind, also when planning fails", async () => {
    const core = await coreOf(build);
    const mark = core.mark();
    const { graph, op } = tinyGraph("ADD", ADD, [{ shape: [4] }, { shape: [4] }], [{ shape: [4] }]);
    runOperator(core, graph, op, () => new Uint8Array(4));
    assert.is(core.mark(), mark);
    assert.throws(
      () => runOperator(core, graph, op, () => new Uint8Array(3)),
      (error: unknown) => error instanceof TransportError,
    );
    assert.is(core.mark(), mark);
  });

  test("names the input with the wrong number of bytes", async () => {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph("ADD", ADD, [{ shape: [4] }, { shape: [4] }], [{ shape: [4] }]);
    try {
      runOperator(core, graph, op, (id) => new Uint8Array(id === 0 ? 4 : 5));
      assert.unreachable();
    } catch (error) {
      assert.instance(error, TransportError);
      assert.is((error as TransportError).code, "TW_IO_INPUT");
      assert.is((error as TransportError).where.tensor, 1);
      assert.match((error as Error).message, "5 bytes; it has 4");
    }
  });

  test("refuses an unsupported operator with its constraint", async () => {
    const core = await coreOf(build);
    const { graph, op } = tinyGraph("SIN", {}, [{ shape: [4] }], [{ shape: [4] }]);
    assert.throws(
      () => runOperator(core, graph, op, () => new Uint8Array(4)),
      (error: unknown) =>
        error instanceof UnsupportedError &&
        error.where.op === 0 &&
        error.message.includes("SIN has no CPU kernel"),
    );
  });

  test("kernels refuse sizes that no check lets through", async () => {
    const core = await coreOf(build);
    core.scope(() => {
      const block = core.allocZeroed(128);
      for (const kernel of ["runConv2d", "runDepthwiseConv2d"] as const)
        assert.throws(
          () => core.call(kernel, {}, block),
          (error: unknown) => error instanceof CoreBugError,
        );
    });
  });

  test.run();
}

const test = suite("canRunOnCpu");

interface RefusalCase {
  name: string;
  kind: string;
  options?: Record<string, unknown>;
  inputs: TinyTensor[];
  output: TinyTensor;
  constraint: string;
  says: RegExp;
}

const CONV = {
  padding: "valid",
  strideW: 1,
  strideH: 1,
  dilationW: 1,
  dilationH: 1,
  activation: "none",
};
const IMAGE: TinyTensor = { shape: [1, 2, 2, 4] };
const WEIGHTS: TinyTensor = { shape: [2, 1, 1, 4], values: Array(8).fill(1) };
const RESULT: TinyTensor = { shape: [1, 2, 2, 2] };

const REFUSALS: RefusalCase[] = [
  {
    name: "float tensors",
    kind: "ADD",
    options: ADD,
    inputs: [{ type: "float32", shape: [1] }, { shape: [1] }],
    output: { shape: [1] },
    constraint: "cpu-type",
    says: /tensor 0 "t0" is float32/,
  },
  {
    name: "shapes that do not broadcast",
    kind: "ADD",
    options: ADD,
    inputs: [{ shape: [2, 3] }, { shape: [2] }],
    output: { shape: [2, 3] },
    constraint: "cpu-broadcast",
    says: /\[2,3\] and \[2\]/,
  },
  {
    name: "a sum that would need a factor of one or more",
    kind: "ADD",
    options: ADD,
    inputs: [
      { shape: [1], scale: 1 },
      { shape: [1], scale: 1 },
    ],
    output: { shape: [1], scale: 2 ** -20 },
    constraint: "cpu-scale",
    says: /rescaled by 2;/,
  },
  {
    name: "weights that are no constant",
    kind: "CONV_2D",
    options: CONV,
    inputs: [IMAGE, { shape: [2, 1, 1, 4] }],
    output: RESULT,
    constraint: "cpu-constant",
    says: /tensor 1 "t1" is not a constant/,
  },
  {
    name: "int8 weights with a zero point",
    kind: "CONV_2D",
    options: CONV,
    inputs: [
      { ...IMAGE, type: "int8" },
      { ...WEIGHTS, type: "int8", zero: 3 },
    ],
    output: { ...RESULT, type: "int8" },
    constraint: "cpu-weights",
    says: /zero point 3, not 0/,
  },
  {
    name: "uint8 weights per channel",
    kind: "CONV_2D",
    options: CONV,
    inputs: [IMAGE, { ...WEIGHTS, scale: [1, 2] }],
    output: RESULT,
    constraint: "cpu-weights",
    says: /2 scales, not 1/,
  },
  {
    name: "an output of another shape",
    kind: "CONV_2D",
    options: CONV,
    inputs: [IMAGE, WEIGHTS],
    output: { shape: [1, 2, 3, 2] },
    constraint: "cpu-shape",
    says: /shape \[1,2,3,2\]; the operator makes it \[1,2,2,2\]/,
  },
  {
    name: "groups that do not divide",
    kind: "CONV_2D",
    options: CONV,
    inputs: [{ shape: [1, 2, 2, 6] }, WEIGHTS],
    output: RESULT,
    constraint: "cpu-groups",
    says: /4 input channels do not divide 6/,
  },
  {
    name: "a huge stride",
    kind: "CONV_2D",
    options: { ...CONV, strideW: 1 << 20 },
    inputs: [IMAGE, WEIGHTS],
    output: { shape: [1, 2, 1, 2] },
    constraint: "cpu-window",
    says: /strideW is 1048576, outside 1\.\.32768/,
  },
  {
    name: "an activation that is no clamp",
    kind: "CONV_2D",
    options: { ...CONV, activation: "tanh" },
    inputs: [IMAGE, WEIGHTS],
    output: RESULT,
    constraint: "cpu-activation",
    says: /tanh/,
  },
  {
    name: "a bias of the wrong length",
    kind: "CONV_2D",
    options: CONV,
    inputs: [IMAGE, WEIGHTS, { type: "int32", shape: [3], values: [1, 2, 3] }],
    output: RESULT,
    constraint: "cpu-bias",
    says: /int32 \[3\], not int32 \[2\]/,
  },
  {
    name: "elements without a fixed size",
    kind: "RESHAPE",
    inputs: [{ shape: [2], type: "string" }],
    output: { shape: [2], type: "string" },
    constraint: "cpu-type",
    says: /string/,
  },
  {
    name: "pooling that would have to rescale",
    kind: "MAX_POOL_2D",
    options: { ...CONV, filterH: 1, filterW: 1 },
    inputs: [{ shape: [1, 1, 1, 1], scale: 1 }],
    output: { shape: [1, 1, 1, 1], scale: 2 },
    constraint: "cpu-same-quantisation",
    says: /scale 1 and zero point 0, the output 2 and 0/,
  },
  {
    name: "another output scale of SOFTMAX",
    kind: "SOFTMAX",
    options: { beta: 1 },
    inputs: [{ shape: [4] }],
    output: { shape: [4], scale: 1 / 128 },
    constraint: "cpu-fixed-output",
    says: /0\.0078125/,
  },
  {
    name: "int8 inputs of CONCATENATION with different scales",
    kind: "CONCATENATION",
    options: { axis: 0, activation: "none" },
    inputs: [
      { type: "int8", shape: [1] },
      { type: "int8", shape: [1], scale: 2 },
    ],
    output: { type: "int8", shape: [2] },
    constraint: "cpu-same-quantisation",
    says: /tensor 1/,
  },
];

for (const c of REFUSALS)
  test(`refuses ${c.name}`, () => {
    const { graph, op } = tinyGraph(c.kind, c.options ?? {}, c.inputs, [c.output]);
    const support = canRunOnCpu(graph, op);
    assert.is(support.ok, false);
    if (support.ok) return;
    assert.is(support.constraint, c.constraint);
    assert.match(support.reason, c.says);
  });

test.run();

const layout = suite("layoutBuffers");

layout("never lets two living buffers overlap and reuses memory", () => {
  const random = randomNumbers(5);
  for (let round = 0; round < 200; round++) {
    const lifetimes: Lifetime[] = Array.from({ length: random(1, 20) }, () => {
      const from = random(0, 10);
      return { bytes: random(0, 100), from, to: from + random(0, 4) };
    });
    const { offsets, total } = layoutBuffers(lifetimes);
    for (const [i, a] of lifetimes.entries()) {
      assert.is(offsets[i]! % 16, 0);
      assert.ok(offsets[i]! + a.bytes <= total);
      for (const [j, b] of lifetimes.entries()) {
        if (i === j || a.to < b.from || b.to < a.from || a.bytes === 0 || b.bytes === 0) continue;
        const isApart =
          offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!;
        assert.ok(isApart, `${round}: ${i} and ${j}`);
      }
    }
  }
  const chain = [0, 1, 2, 3].map((step) => ({ bytes: 64, from: step, to: step + 1 }));
  assert.is(layoutBuffers(chain).total, 128);
});

layout.run();
