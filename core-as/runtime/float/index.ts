// The dequantised model in real numbers: what a network would compute if nothing were rounded to steps. Ranges of quantised tensors still
// hold. Plain and slow on purpose.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core.ts";
import { UnsupportedError } from "../../errors.ts";
import { DETECTION_NAME } from "../../ir/detection.ts";
import { operatorKey, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import { runOperator } from "../cpu/index.ts";
import { binary, cast, same, softmax, unary } from "./elementwise.ts";
import {
  concatenate,
  depthToSpace,
  gatherNd,
  pad,
  resize,
  slice,
  spaceToDepth,
  split,
  transpose,
  unpack,
} from "./movement.ts";
import {
  clampToRange,
  realsOf,
  type FloatContext,
  type FloatOperator,
  type Reals,
} from "./operator.ts";
import { argExtreme, extreme, mean } from "./reductions.ts";
import { averagePool2d, conv2d, depthwiseConv2d, fullyConnected, maxPool2d } from "./windows.ts";

export { realsOf, type Reals } from "./operator.ts";

/** TFLite_Detection_PostProcess computes in binary32 anyway: the same kernel, given real numbers. */
const detection: FloatOperator = (context) => {
  const { core, graph, op } = context;
  const given = new Map(
    op.inputs.map((id, i) => [id, new Uint8Array(Float32Array.from(context.values(i)).buffer)]),
  );
  const tensors = graph.tensors.map((tensor): Tensor => {
    const bytes = given.get(tensor.id);
    if (bytes === undefined) return tensor;
    const constant = tensor.constant === null ? null : bytes;
    return { ...tensor, type: "float32", quant: null, constant };
  });
  const outputs = runOperator(core, { ...graph, tensors }, op, (id) => given.get(id)!);
  return outputs.map((bytes, i) => realsOf(context.output(i), bytes));
};

/** Every operator with a float form, by operatorKey: those with an integer kernel. */
export const FLOAT_OPERATORS: ReadonlyMap<string, FloatOperator> = new Map([
  ["ABS", unary],
  ["ADD", binary],
  ["ARG_MAX", argExtreme],
  ["ARG_MIN", argExtreme],
  ["AVERAGE_POOL_2D", averagePool2d],
  ["CAST", cast],
  ["CONCATENATION", concatenate],
  ["CONV_2D", conv2d],
  [`CUSTOM ${DETECTION_NAME}`, detection],
  ["DEPTHWISE_CONV_2D", depthwiseConv2d],
  ["DEPTH_TO_SPACE", depthToSpace],
  ["DEQUANTIZE", same],
  ["DIV", binary],
  ["EXPAND_DIMS", same],
  ["FLOOR_DIV", binary],
  ["FULLY_CONNECTED", fullyConnected],
  ["GATHER_ND", gatherNd],
  ["HARD_SWISH", unary],
  ["LEAKY_RELU", unary],
  ["LOGISTIC", unary],
  ["MAXIMUM", binary],
  ["MAX_POOL_2D", maxPool2d],
  ["MEAN", mean],
  ["MINIMUM", binary],
  ["MUL", binary],
  ["NEG", unary],
  ["PACK", concatenate],
  ["PAD", pad],
  ["PADV2", pad],
  ["PRELU", binary],
  ["QUANTIZE", same],
  ["REDUCE_MAX", extreme],
  ["REDUCE_MIN", extreme],
  ["RELU", unary],
  ["RELU6", unary],
  ["RELU_N1_TO_1", unary],
  ["RESHAPE", same],
  ["RESIZE_BILINEAR", resize],
  ["RESIZE_NEAREST_NEIGHBOR", resize],
  ["SLICE", slice],
  ["SOFTMAX", softmax],
  ["SPACE_TO_DEPTH", spaceToDepth],
  ["SPLIT", split],
  ["SQRT", unary],
  ["SQUEEZE", same],
  ["STRIDED_SLICE", slice],
  ["SUB", binary],
  ["TANH", unary],
  ["TRANSPOSE", transpose],
  ["UNPACK", unpack],
]);

/** Operators of one graph in real numbers; constants are dequantised once. */
export class FloatModel {
  private readonly constants = new Map<number, Reals>();

  /** @param core for the operators whose integer kernel computes in float anyway; nothing stays allocated in it */
  constructor(
    private readonly core: Core,
    private readonly graph: Graph,
  ) {}

  /**
   * Computes one operator.
   * @param values real numbers of each input that is not a constant
   * @returns real numbers of each output
   * @throws UnsupportedError TW_UNSUP_OPERATOR for an operator without a float form
   */
  run(op: Op, values: (tensor: number) => Reals): Reals[] {
    const operator = FLOAT_OPERATORS.get(operatorKey(op));
    if (operator === undefined)
      throw new UnsupportedError(
        "TW_UNSUP_OPERATOR",
        `operator ${op.id} ${operatorKey(op)} has no float form to compare with`,
        { op: op.id },
      );
    const { core, graph } = this;
    const context: FloatContext = {
      core,
      graph,
      op,
      input: (index) => graph.tensors[op.inputs[index]!]!,
      output: (index = 0) => graph.tensors[op.outputs[index]!]!,
      values: (index) => {
        const id = op.inputs[index]!;
        return graph.tensors[id]!.constant === null ? values(id) : this.constantOf(id);
      },
    };
    return operator(context).map((values, i) => clampToRange(context.output(i), values));
  }

  private constantOf(id: number): Reals {
    const known = this.constants.get(id);
    if (known !== undefined) return known;
    const tensor = this.graph.tensors[id]!;
    const reals = realsOf(tensor, tensor.constant!);
    this.constants.set(id, reals);
    return reals;
  }
}
