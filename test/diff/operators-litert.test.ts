// Every operator with a CPU kernel against today's LiteRT, on its example: bytes at most 1 apart, numbers equal.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { elementCount, type ElementType, type Graph, type Op } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { coreOf } from "../helpers/cores.ts";
import { loadLiteRt, type LiteRtInput } from "../helpers/litert.ts";
import { EXAMPLES } from "../helpers/operator-examples.ts";
import { skipSuite } from "../helpers/skip.ts";
import { bytesOf, randomNumbers, valuesOf } from "../helpers/tiny-graph.ts";

const NAME = "operators against LiteRT";

/** Both sides of a model that LiteRT takes, by the type inside. */
const BORDER: Partial<Record<ElementType, { type: ElementType; kind: string }>> = {
  int8: { type: "uint8", kind: "QUANTIZE" },
  int64: { type: "int32", kind: "CAST" },
};

/** A tensor of a type that LiteRT takes, with the same meaning; null when the type is one already. */
function addBorder(graph: Graph, id: number): { id: number; kind: string } | null {
  const inside = graph.tensors[id]!;
  const border = BORDER[inside.type];
  if (border === undefined) return null;
  const quant =
    inside.quant === null || border.type !== "uint8"
      ? null
      : { ...inside.quant, zeroPoints: inside.quant.zeroPoints.map((zero) => zero + 128) };
  const outside = { ...inside, id: graph.tensors.length, type: border.type, quant };
  outside.name = `border of ${inside.name}`;
  graph.tensors.push(outside);
  return { id: outside.id, kind: border.kind };
}

function operator(kind: string, input: number, output: number): Op {
  const common = { id: 0, customName: null, version: 1, customOptions: null };
  const options = kind === "CAST" ? { inType: "int64", outType: "int32" } : {};
  return { ...common, kind, inputs: [input], outputs: [output], options };
}

/** The graph with a conversion at every input and output of another type than LiteRT takes. */
function withBorders(graph: Graph): Graph {
  const before: Op[] = [];
  const after: Op[] = [];
  const inputs = graph.inputs.map((id) => {
    const border = addBorder(graph, id);
    if (border !== null) before.push(operator(border.kind, border.id, id));
    return border?.id ?? id;
  });
  const outputs = graph.outputs.map((id) => {
    const border = addBorder(graph, id);
    if (border !== null) after.push(operator(border.kind, id, border.id));
    return border?.id ?? id;
  });
  const ops = [...before, ...graph.ops, ...after].map((op, id) => ({ ...op, id }));
  return { ...graph, ops, inputs, outputs };
}

function inputsOf(graph: Graph, seed: number): LiteRtInput[] {
  const random = randomNumbers(seed);
  const value: Record<string, () => number> = {
    uint8: () => random(0, 255),
    int32: () => random(-50, 50),
    // not negative for the sake of SQRT; small for the sake of boxes
    float32: () => random(0, 1023) / 512,
  };
  return graph.inputs.map((id) => {
    const { type, shape } = graph.tensors[id]!;
    const values = Array.from({ length: elementCount(shape) }, value[type]!);
    return { type: type as "uint8", shape, bytes: bytesOf(type, values) };
  });
}

const litert = await loadLiteRt();
const test = suite(NAME);

if ("reason" in litert) skipSuite(NAME, litert.reason);
else
  for (const [index, { name, make }] of EXAMPLES.entries())
    test(`${index} ${name}`, async () => {
      const graph = withBorders(make().graph);
      const model = writeModel({ description: "", schemaVersion: 3, graph, otherSubgraphs: [] });
      const core = await coreOf("release");
      for (const seed of [1, 2, 3]) {
        const inputs = inputsOf(graph, seed);
        const bytes = inputs.map((input) => input.bytes);
        const ours = runGraph(core, graph, bytes);
        const theirs = await litert.run(model, inputs);
        for (const [i, id] of graph.outputs.entries()) {
          const { type } = graph.tensors[id]!;
          const got = valuesOf(type, ours.get(id)!);
          const want = valuesOf(type, theirs[i]!);
          assert.is(got.length, want.length);
          const tolerance = type === "uint8" ? 1 : 0;
          for (const [k, value] of got.entries())
            assert.ok(
              Math.abs(value - want[k]!) <= tolerance,
              `output ${i}, element ${k}: ${value}, ${want[k]}`,
            );
        }
      }
    });

test.run();
