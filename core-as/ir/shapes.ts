// What TFLite demands of the types and shapes of an operator's tensors, for the operators that the compiler lowers or runs.
// SPDX-License-Identifier: MIT
import { operatorKey } from "./graph.ts";
import { DETECTION_NAME } from "./detection.ts";
import { checkDetection } from "./shapes-detection.ts";
import {
  checkAdd,
  checkAddBroadcast,
  checkBinary,
  checkConversion,
  checkPrelu,
  checkSoftmax,
  checkUnary,
} from "./shapes-elementwise.ts";
import {
  checkArgExtreme,
  checkDepthToSpace,
  checkReduce,
  checkResize,
  checkSpaceToDepth,
} from "./shapes-image.ts";
import {
  checkConcatenation,
  checkExpandDims,
  checkPack,
  checkPad,
  checkReshape,
  checkSplit,
  checkSqueeze,
  checkTranspose,
  checkUnpack,
} from "./shapes-layout.ts";
import { checkGatherNd, checkSlice, checkStridedSlice } from "./shapes-slice.ts";
import { checkConv, checkDepthwise, checkFullyConnected, checkPool } from "./shapes-window.ts";
import type { Graph, Op, Tensor } from "./graph.ts";

/**
 * A rule that an operator breaks. "error": no stage can work with it. "broadcast": an ADD whose shapes do not fit each
 * other, which TFLite refuses and the reference driver compiles unseen (quirk Q25).
 */
export interface ShapeProblem {
  /** Index of the operator. */
  op: number;
  message: string;
  severity: "error" | "broadcast";
}

/** An operator with its tensors instead of their ids; null = optional input left out. */
export interface BoundOp {
  op: Op;
  inputs: ReadonlyArray<Tensor | null>;
  outputs: readonly Tensor[];
}

/** Returns the first rule that is broken as a sentence, or null. Inputs up to `required` are there when it is called. */
export type ShapeCheck = (bound: BoundOp) => string | null;

interface OpRule {
  /** Fewest and most inputs; the first `required` of them may not be left out. */
  inputs: readonly [number, number];
  required: number;
  outputs: readonly [number, number];
  check: ShapeCheck;
}

const ANY = Infinity;

/** A rule for operators of so many inputs, all of them there, and one output. */
const plain = (inputs: number, check: ShapeCheck): OpRule => ({
  inputs: [inputs, inputs],
  required: inputs,
  outputs: [1, 1],
  check,
});

/** Rules by operatorKey. */
const RULES: Readonly<Record<string, OpRule>> = {
  CONV_2D: { inputs: [2, 3], required: 2, outputs: [1, 1], check: checkConv },
  DEPTHWISE_CONV_2D: { inputs: [2, 3], required: 2, outputs: [1, 1], check: checkDepthwise },
  // The second output is the quantised input of weights in the shuffled format.
  FULLY_CONNECTED: { inputs: [2, 3], required: 2, outputs: [1, 2], check: checkFullyConnected },
  ADD: { inputs: [2, 2], required: 2, outputs: [1, 1], check: checkAdd },
  CONCATENATION: { inputs: [1, ANY], required: ANY, outputs: [1, 1], check: checkConcatenation },
  SPLIT: { inputs: [2, 2], required: 2, outputs: [1, ANY], check: checkSplit },
  PAD: { inputs: [2, 2], required: 2, outputs: [1, 1], check: checkPad },
  AVERAGE_POOL_2D: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkPool },
  MAX_POOL_2D: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkPool },
  RESHAPE: { inputs: [1, 2], required: 1, outputs: [1, 1], check: checkReshape },
  SOFTMAX: { inputs: [1, 1], required: 1, outputs: [1, 1], check: checkSoftmax },

  SUB: plain(2, checkBinary),
  MUL: plain(2, checkBinary),
  DIV: plain(2, checkBinary),
  FLOOR_DIV: plain(2, checkBinary),
  MINIMUM: plain(2, checkBinary),
  MAXIMUM: plain(2, checkBinary),
  PRELU: plain(2, checkPrelu),
  ABS: plain(1, checkUnary),
  HARD_SWISH: plain(1, checkUnary),
  LEAKY_RELU: plain(1, checkUnary),
  LOGISTIC: plain(1, checkUnary),
  NEG: plain(1, checkUnary),
  RELU: plain(1, checkUnary),
  RELU6: plain(1, checkUnary),
  RELU_N1_TO_1: plain(1, checkUnary),
  SQRT: plain(1, checkUnary),
  TANH: plain(1, checkUnary),
  CAST: plain(1, checkConversion),
  DEQUANTIZE: plain(1, checkConversion),
  QUANTIZE: plain(1, checkConversion),

  EXPAND_DIMS: plain(2, checkExpandDims),
  SQUEEZE: plain(1, checkSqueeze),
  TRANSPOSE: plain(2, checkTranspose),
  PACK: { inputs: [1, ANY], required: ANY, outputs: [1, 1], check: checkPack },
  UNPACK: { inputs: [1, 1], required: 1, outputs: [1, ANY], check: checkUnpack },
  SLICE: plain(3, checkSlice),
  STRIDED_SLICE: plain(4, checkStridedSlice),
  GATHER_ND: plain(2, checkGatherNd),

  ARG_MAX: plain(2, checkArgExtreme),
  ARG_MIN: plain(2, checkArgExtreme),
  DEPTH_TO_SPACE: plain(1, checkDepthToSpace),
  SPACE_TO_DEPTH: plain(1, checkSpaceToDepth),
  RESIZE_BILINEAR: plain(2, checkResize),
  RESIZE_NEAREST_NEIGHBOR: plain(2, checkResize),
  MEAN: plain(2, checkReduce),
  REDUCE_MAX: plain(2, checkReduce),
  REDUCE_MIN: plain(2, checkReduce),
  SUM: plain(2, checkReduce),

  [`CUSTOM ${DETECTION_NAME}`]: {
    inputs: [3, 3],
    required: 3,
    outputs: [4, 4],
    check: checkDetection,
  },
};

/** The first rule that an operator breaks, or null; an ADD's broadcast excepted. */
export function checkOperator(graph: Graph, op: Op): string | null {
  const name = operatorKey(op);
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
  if (rule === undefined) return null;
  const bound = bindOp(graph, op);
  return checkCounts(bound, rule) ?? rule.check(bound);
}

/**
 * Checks types, ranks, shapes and quantisation of the operators that have a rule in this file; others pass.
 * @param graph all tensor ids of its operators are in range (verifyGraph sees to that first)
 * @returns at most one problem an operator, in plan order
 */
export function checkOperatorShapes(graph: Graph): ShapeProblem[] {
  const problems: ShapeProblem[] = [];
  for (const op of graph.ops) {
    const message = checkOperator(graph, op);
    if (message !== null) {
      problems.push({ op: op.id, message, severity: "error" });
      continue;
    }
    const broadcast = op.kind === "ADD" ? checkAddBroadcast(bindOp(graph, op)) : null;
    if (broadcast !== null) problems.push({ op: op.id, message: broadcast, severity: "broadcast" });
  }
  return problems;
}

function bindOp(graph: Graph, op: Op): BoundOp {
  return {
    op,
    inputs: op.inputs.map((id) => (id === -1 ? null : graph.tensors[id]!)),
    outputs: op.outputs.map((id) => graph.tensors[id]!),
  };
}

function checkCounts({ op, inputs, outputs }: BoundOp, rule: OpRule): string | null {
  const [fewestIn, mostIn] = rule.inputs;
  if (inputs.length < fewestIn || inputs.length > mostIn)
    return `${operatorKey(op)} has ${inputs.length} inputs, not ${range(fewestIn, mostIn)}`;

  const [fewestOut, mostOut] = rule.outputs;
  if (outputs.length < fewestOut || outputs.length > mostOut)
    return `${operatorKey(op)} has ${outputs.length} outputs, not ${range(fewestOut, mostOut)}`;

  const missing = inputs.indexOf(null);
  return missing >= 0 && missing < rule.required ? `input ${missing} is left out` : null;
}

function range(low: number, high: number): string {
  if (low === high) return String(low);
  return high === ANY ? `at least ${low}` : `${low} to ${high}`;
}
