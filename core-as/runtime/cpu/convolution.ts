// CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: constraints, multipliers and parameter blocks.
// SPDX-License-Identifier: MIT
import { ConvParam } from "../../assembly/abi.ts";
import type { Core } from "../../core.ts";
import { elementCount, optionsOf, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { windowAxis, type WindowAxis } from "./geometry.ts";
import type { CpuOperator, PlanContext } from "./plan.ts";
import { activationRange, convolutionFactor, quantiseMultiplier } from "../../ir/fixed-point.ts";

/** The operands of all three operators, in TFLite's order. */
interface Operands {
  input: Tensor;
  weights: Tensor;
  bias: Tensor | null;
  output: Tensor;
  /** The weights' dimension that counts output channels. */
  channelAxis: number;
}

function operandsOf(graph: Graph, op: Op): Operands {
  const bias = op.inputs[2] ?? -1;
  return {
    input: check.tensorAt(graph, op.inputs[0]),
    weights: check.tensorAt(graph, op.inputs[1]),
    bias: bias < 0 ? null : check.tensorAt(graph, bias),
    output: check.tensorAt(graph, op.outputs[0]),
    channelAxis: op.kind === "DEPTHWISE_CONV_2D" ? 3 : 0,
  };
}

/** Real factor per output channel from accumulator to output. */
function realMultipliers(op: Op, { input, weights, output, channelAxis }: Operands): number[] {
  const scales = weights.quant!.scales;
  return Array.from({ length: weights.shape[channelAxis]! }, (_, channel) => {
    const scale = scales[scales.length === 1 ? 0 : channel]!;
    return convolutionFactor(op.kind, input, weights, scale, output);
  });
}

/** What the three operators have in common; shapes are checked by each. */
function checkOperands(graph: Graph, op: Op, weightsRank: number): Refusal | null {
  const refusal = check.checkOperands(graph, op, { required: 2, most: 3 });
  if (refusal !== null) return refusal;
  const operands = operandsOf(graph, op);
  const { input, weights, output } = operands;
  return check.firstRefusal(
    check.checkQuantised(input),
    check.checkQuantised(output),
    check.checkSameType(input, weights, output),
    check.checkConstant(weights),
    check.checkRank(weights, weightsRank),
    () => checkWeightScales(op, operands),
    () => checkBias(operands),
    () => check.checkFactor(Math.max(...realMultipliers(op, operands))),
  );
}

function checkWeightScales(op: Op, { weights, channelAxis }: Operands): Refusal | null {
  const channels = weights.shape[channelAxis]!;
  const entries = weights.quant?.scales.length ?? 0;
  const isPerChannel = entries !== 1;
  const refuse = (reason: string): Refusal => ({ constraint: "cpu-weights", reason });
  if (isPerChannel && weights.type === "uint8")
    return refuse(`uint8 weights ${check.nameOf(weights)} have ${entries} scales, not 1`);
  if (isPerChannel && (entries !== channels || weights.quant?.axis !== channelAxis))
    return refuse(
      `${check.nameOf(weights)} has ${entries} scales along dimension ${weights.quant?.axis}; ` +
        `it has ${channels} output channels in dimension ${channelAxis}`,
    );
  // TFLite's int8 convolutions do not look at the zero point; per-tensor fully connected layers do.
  const zeroPoint = weights.quant!.zeroPoints.find((zero) => zero !== 0);
  const isIgnored = weights.type === "int8" && (isPerChannel || op.kind !== "FULLY_CONNECTED");
  if (zeroPoint !== undefined && isIgnored)
    return refuse(`int8 weights ${check.nameOf(weights)} have the zero point ${zeroPoint}, not 0`);
  return check.checkEntries(weights);
}

function checkBias({ bias, weights, channelAxis }: Operands): Refusal | null {
  if (bias === null) return null;
  const channels = weights.shape[channelAxis]!;
  if (bias.type === "int32" && elementCount(bias.shape) === channels)
    return check.checkConstant(bias);
  return {
    constraint: "cpu-bias",
    reason: `bias ${check.nameOf(bias)} is ${bias.type} [${bias.shape}], not int32 [${channels}]`,
  };
}

/** Parameter block without geometry; allocates the prepared weights and the arrays per channel. */
function commonBlock(
  { core, graph, addressOf }: PlanContext,
  op: Op,
  rows: { groups: number; rows: number; rowLength: number },
): Int32Array {
  const operands = operandsOf(graph, op);
  const { input, weights, bias, output } = operands;
  const fixed = realMultipliers(op, operands).map(quantiseMultiplier);
  const { min, max } = activationRange(
    (op.options as { activation: Parameters<typeof activationRange>[0] }).activation,
    output,
  );
  const block = new Int32Array(ConvParam.WORDS);
  block[ConvParam.INPUT] = addressOf(input.id);
  block[ConvParam.WEIGHTS] = prepareWeights(core, weights, rows);
  block[ConvParam.BIAS] = bias === null ? 0 : addressOf(bias.id);
  block[ConvParam.MULTIPLIERS] = core.allocWords(fixed.map(({ multiplier }) => multiplier));
  block[ConvParam.SHIFTS] = core.allocWords(fixed.map(({ shift }) => shift));
  block[ConvParam.OUTPUT] = addressOf(output.id);
  block[ConvParam.INPUT_ZERO] = input.quant!.zeroPoints[0]!;
  block[ConvParam.OUTPUT_ZERO] = output.quant!.zeroPoints[0]!;
  block[ConvParam.CLAMP_MIN] = min;
  block[ConvParam.CLAMP_MAX] = max;
  block[ConvParam.SIGNED] = input.type === "int8" ? 1 : 0;
  return block;
}

function prepareWeights(
  core: Core,
  weights: Tensor,
  { groups, rows, rowLength }: { groups: number; rows: number; rowLength: number },
): number {
  const rest = [groups, rows, rowLength, weights.quant!.zeroPoints[0]!] as const;
  const isSigned = weights.type === "int8" ? 1 : 0;
  const prepared = core.alloc(core.invoke("prepareWeights", 0, 0, ...rest, isSigned));
  core.scope(() => {
    const raw = core.allocCopy(weights.constant!);
    core.invoke("prepareWeights", raw, prepared, ...rest, isSigned);
  });
  return prepared;
}

/** Both axes of a convolution's window. */
function axesOf(op: Op, input: Tensor, weights: Tensor): { y: WindowAxis; x: WindowAxis } {
  const o = windowOptions(op);
  const [, kernelH, kernelW] = weights.shape as [number, number, number];
  return {
    y: windowAxis(o.padding, input.shape[1]!, kernelH, o.strideH, o.dilationH),
    x: windowAxis(o.padding, input.shape[2]!, kernelW, o.strideW, o.dilationW),
  };
}

function windowOptions(op: Op) {
  return op.kind === "CONV_2D" ? optionsOf(op, "CONV_2D") : optionsOf(op, "DEPTHWISE_CONV_2D");
}

function checkWindow(graph: Graph, op: Op): Refusal | null {
  const { input, weights, output, channelAxis } = operandsOf(graph, op);
  const { strideH, strideW, dilationH, dilationW, activation } = windowOptions(op);
  const [, kernelH, kernelW] = weights.shape as [number, number, number];
  return check.firstRefusal(
    check.checkActivation(activation),
    check.checkRank(input, 4),
    check.checkWindow({ strideH, strideW, dilationH, dilationW, kernelH, kernelW }),
    () => {
      const { y, x } = axesOf(op, input, weights);
      const channels = weights.shape[channelAxis]!;
      return check.checkShape(output, [input.shape[0]!, y.output, x.output, channels]);
    },
  );
}

function writeGeometry(graph: Graph, op: Op, block: Int32Array): void {
  const { input, weights, output } = operandsOf(graph, op);
  const options = windowOptions(op);
  const { y, x } = axesOf(op, input, weights);
  block.set(input.shape, ConvParam.BATCHES); // n, h, w, c
  block.set(output.shape.slice(1), ConvParam.OUTPUT_H);
  block.set(weights.shape.slice(1, 3), ConvParam.KERNEL_H);
  block[ConvParam.STRIDE_H] = options.strideH;
  block[ConvParam.STRIDE_W] = options.strideW;
  block[ConvParam.DILATION_H] = options.dilationH;
  block[ConvParam.DILATION_W] = options.dilationW;
  block[ConvParam.PAD_TOP] = y.before;
  block[ConvParam.PAD_LEFT] = x.before;
}

/** CONV_2D, weights [o, h, w, i]; grouped when the weights have fewer input channels than the input. */
export const conv2d: CpuOperator = {
  check(graph, op) {
    const refusal = checkOperands(graph, op, 4) ?? checkWindow(graph, op);
    if (refusal !== null) return refusal;
    const { input, weights } = operandsOf(graph, op);
    const [inputC, outputC, groupC] = [input.shape[3]!, weights.shape[0]!, weights.shape[3]!];
    if (groupC > 0 && inputC % groupC === 0 && inputC > 0 && outputC % (inputC / groupC) === 0)
      return null;
    return {
      constraint: "cpu-groups",
      reason: `weights of ${groupC} input channels do not divide ${inputC} into groups of ${outputC}`,
    };
  },

  plan(context, op) {
    const { input, weights } = operandsOf(context.graph, op);
    const [outputC, kernelH, kernelW, groupC] = weights.shape as [number, number, number, number];
    const groups = input.shape[3]! / groupC;
    const rowLength = kernelH * kernelW * groupC;
    const block = commonBlock(context, op, { groups, rows: outputC / groups, rowLength });
    writeGeometry(context.graph, op, block);
    block[ConvParam.GROUPS] = groups;
    return [{ kernel: "runConv2d", block: context.core.allocWords(block) }];
  },
};

/** DEPTHWISE_CONV_2D, weights [1, h, w, i * depthMultiplier]. */
export const depthwiseConv2d: CpuOperator = {
  check(graph, op) {
    const refusal = checkOperands(graph, op, 4) ?? checkWindow(graph, op);
    if (refusal !== null) return refusal;
    const { input, weights } = operandsOf(graph, op);
    const [inputC, outputC] = [input.shape[3]!, weights.shape[3]!];
    if (weights.shape[0] === 1 && inputC > 0 && outputC > 0 && outputC % inputC === 0) return null;
    return {
      constraint: "cpu-depth-multiplier",
      reason: `weights [${weights.shape}] do not fit ${inputC} input channels`,
    };
  },

  plan(context, op) {
    const { input, weights } = operandsOf(context.graph, op);
    const [, kernelH, kernelW, outputC] = weights.shape as [number, number, number, number];
    const rows = { groups: 1, rows: kernelH * kernelW, rowLength: outputC };
    const block = commonBlock(context, op, rows);
    writeGeometry(context.graph, op, block);
    // The file also states the multiplier; TFLite goes by the shapes.
    block[ConvParam.GROUPS] = outputC / input.shape[3]!;
    return [{ kernel: "runDepthwiseConv2d", block: context.core.allocWords(block) }];
  },
};

/** FULLY_CONNECTED, weights [o, i]: a convolution of 1 x 1 pixels, one batch entry per row of i elements. */
export const fullyConnected: CpuOperator = {
  check(graph, op) {
    const { activation, weightsFormat } = optionsOf(op, "FULLY_CONNECTED");
    const refusal = checkOperands(graph, op, 2) ?? check.checkActivation(activation);
    if (refusal !== null) return refusal;
    const { input, weights, output } = operandsOf(graph, op);
    if (weightsFormat !== 0)
      return {
        constraint: "cpu-weights",
        reason: `the weights' format is ${weightsFormat}, not 0`,
      };
    const [outputs, inputs] = weights.shape as [number, number];
    const rows = elementCount(input.shape) / inputs;
    if (inputs > 0 && Number.isInteger(rows) && elementCount(output.shape) === rows * outputs)
      return null;
    return {
      constraint: "cpu-shape",
      reason: `weights [${weights.shape}] do not take [${input.shape}] to [${output.shape}]`,
    };
  },

  plan(context, op) {
    const { input, weights } = operandsOf(context.graph, op);
    const [outputs, inputs] = weights.shape as [number, number];
    const block = commonBlock(context, op, { groups: 1, rows: outputs, rowLength: inputs });
    block.fill(1, ConvParam.BATCHES, ConvParam.PAD_TOP);
    block[ConvParam.BATCHES] = elementCount(input.shape) / inputs;
    block[ConvParam.INPUT_C] = inputs;
    block[ConvParam.OUTPUT_C] = outputs;
    block[ConvParam.GROUPS] = 1;
    return [{ kernel: "runConv2d", block: context.core.allocWords(block) }];
  },
};
