// Small graphs by hand, and the expectation that they pass or break a rule.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { GraphError } from "../../core-as/errors.ts";
import {
  tensorBytes,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../core-as/ir/graph.ts";
import { checkOperatorShapes } from "../../core-as/ir/shapes.ts";
import { verifyGraph } from "../../core-as/ir/verify.ts";

/** Options of a convolution that does nothing out of the ordinary. */
export const PLAIN_CONV = {
  padding: "same",
  strideW: 1,
  strideH: 1,
  dilationW: 1,
  dilationH: 1,
  activation: "none",
} as const;

export interface TensorParts {
  type?: ElementType;
  /** Values of an int32 constant, or "zeros" for a constant of any type. */
  value?: number[] | "zeros";
  scales?: number[];
  axis?: number;
}

/** An uint8 activation with scale 1, unless told otherwise. */
export function tensor(shape: number[], parts: TensorParts = {}): Tensor {
  const type = parts.type ?? (Array.isArray(parts.value) ? "int32" : "uint8");
  const scales = parts.scales ?? (type === "uint8" || type === "int8" ? [1] : []);
  const constant = Array.isArray(parts.value)
    ? new Uint8Array(Int32Array.from(parts.value).buffer)
    : parts.value === "zeros"
      ? new Uint8Array(tensorBytes(type, shape)!)
      : null;
  return {
    id: 0,
    name: "t",
    type,
    shape,
    quant:
      scales.length === 0
        ? null
        : {
            scales: Float32Array.from(scales),
            zeroPoints: new Int32Array(scales.length),
            axis: parts.axis ?? 0,
          },
    constant,
  };
}

export function op(
  kind: string,
  inputs: number[],
  outputs: number[],
  options: Op["options"] = {},
): Op {
  return {
    id: 0,
    kind,
    customName: null,
    version: 1,
    inputs,
    outputs,
    options,
    customOptions: null,
  };
}

export function graph(tensors: Tensor[], ops: Op[], inputs: number[], outputs: number[]): Graph {
  return {
    name: "g",
    tensors: tensors.map((t, id) => ({ ...t, id })),
    ops: ops.map((o, id) => ({ ...o, id })),
    inputs,
    outputs,
  };
}

/** A graph of one operator: inputs first, then outputs; activations are graph inputs. */
export function single(
  kind: string,
  inputs: Array<Tensor | null>,
  outputs: Tensor[],
  options: Op["options"] = {},
): Graph {
  const present = inputs.filter((t) => t !== null);
  let next = 0;
  const ids = inputs.map((t) => (t === null ? -1 : next++));
  const outs = outputs.map((_, i) => present.length + i);
  const activations = present.flatMap((t, i) => (t.constant === null ? [i] : []));
  return graph([...present, ...outputs], [op(kind, ids, outs, options)], activations, outs);
}

export function accepts(g: Graph): void {
  verifyGraph(g, "test");
  assert.equal(checkOperatorShapes(g), []);
}

export function refuses(
  g: Graph,
  message: RegExp,
  where: { op?: number; tensor?: number } = { op: 0 },
): void {
  try {
    verifyGraph(g, "test");
  } catch (error) {
    assert.instance(error, GraphError);
    const { code, stage, where: found, message: text } = error as GraphError;
    assert.is(code, "TW_GRAPH_INVALID");
    assert.is(stage, "test");
    assert.match(text, message);
    for (const key of ["op", "tensor"] as const)
      if (where[key] !== undefined) assert.is(found[key], where[key], text);
    return;
  }
  throw new Error(`accepted, expected ${message}`);
}

export const x = () => tensor([1, 4, 4, 8]);
export const relu = (from: number, to: number) => op("RELU", [from], [to]);
