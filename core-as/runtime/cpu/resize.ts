// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: constraints, and tables of positions and weights.
// SPDX-License-Identifier: MIT
import { ResizeParam } from "../../assembly/abi-kernels.ts";
import { elementBytes, type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import { elementOfType, floatBits } from "./elements.ts";
import type { CpuOperator, PlanContext } from "./plan.ts";
import { roundHalfAway } from "../../ir/fixed-point.ts";

const { fround } = Math;
/** Fixed-point 1 of the int8 kernel. */
const ONE = 1 << 10;
/** Sizes up to this keep positions exact enough for 32 bits. */
const MAX_SIZE = 2 ** 15;

interface ResizeOptions {
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

function optionsOf(op: Op): ResizeOptions {
  return op.options as unknown as ResizeOptions;
}

function tensorsOf(graph: Graph, op: Op): [Tensor, Tensor] {
  return [check.tensorAt(graph, op.inputs[0]), check.tensorAt(graph, op.outputs[0])];
}

/** Input and output size between which the scale is taken. */
function spanOf(input: number, output: number, { alignCorners }: ResizeOptions): [number, number] {
  return alignCorners && output > 1 ? [input - 1, output - 1] : [input, output];
}

/** Entry of the table: both positions inside of the input, and their weights as parameter words. */
function entryOf(
  input: number,
  lower: number,
  upper: number,
  weightOf: (lower: number) => [number, number],
): number[] {
  // TFLite reads behind the input where rounding carries the position over its end.
  const low = Math.min(Math.max(lower, 0), input - 1);
  return [low, Math.min(Math.max(upper, 0), input - 1), ...weightOf(low)];
}

/** Bilinear weights in binary32, every step rounded as TFLite does. */
function floatTable(input: number, output: number, options: ResizeOptions): number[] {
  const [from, to] = spanOf(input, output, options);
  const scale = fround(from / to);
  return Array.from({ length: output }, (_, i) => {
    const position = options.halfPixelCenters
      ? fround(fround((i + 0.5) * scale) - 0.5)
      : fround(i * scale);
    return entryOf(input, Math.floor(position), Math.ceil(position), (low) => {
      const weight = fround(position - low);
      return [floatBits(1 - weight), floatBits(weight)];
    });
  }).flat();
}

/** Bilinear weights of the int8 kernel in units of 1/1024. */
function fixedTable(input: number, output: number, options: ResizeOptions): number[] {
  const [from, to] = spanOf(input, output, options);
  const scale = Math.floor((ONE * from + Math.floor(to / 2)) / to);
  return Array.from({ length: output }, (_, i) => {
    const centre = options.halfPixelCenters ? Math.floor(scale / 2) - ONE / 2 : 0;
    const position = i * scale + centre;
    const [lower, upper] = [position / ONE, (position + ONE - 1) / ONE].map(Math.trunc);
    return entryOf(input, lower!, upper!, (low) => [
      ONE - (position - ONE * low),
      position - ONE * low,
    ]);
  }).flat();
}

/** Input position of each output position. */
function nearestTable(input: number, output: number, options: ResizeOptions): number[] {
  const [from, to] = spanOf(input, output, options);
  const scale = fround(from / to);
  return Array.from({ length: output }, (_, i) => {
    const position = fround((options.halfPixelCenters ? i + 0.5 : i) * scale);
    const whole = options.alignCorners ? roundHalfAway(position) : Math.floor(position);
    return Math.min(Math.max(whole, 0), input - 1);
  });
}

function tableOf(op: Op, type: string): typeof floatTable {
  if (op.kind === "RESIZE_NEAREST_NEIGHBOR") return nearestTable;
  return type === "int8" ? fixedTable : floatTable;
}

function planResize({ core, graph, addressOf }: PlanContext, op: Op): Int32Array {
  const [input, output] = tensorsOf(graph, op);
  const [batches, inputH, inputW, channels] = input.shape as [number, number, number, number];
  const [, outputH, outputW] = output.shape as [number, number, number, number];
  const makeTable = tableOf(op, input.type);
  const options = optionsOf(op);
  const block = new Int32Array(ResizeParam.WORDS);
  block[ResizeParam.INPUT] = addressOf(input.id);
  block[ResizeParam.OUTPUT] = addressOf(output.id);
  block[ResizeParam.BATCHES] = batches;
  block[ResizeParam.INPUT_H] = inputH;
  block[ResizeParam.INPUT_W] = inputW;
  block[ResizeParam.CHANNELS] = channels;
  block[ResizeParam.OUTPUT_H] = outputH;
  block[ResizeParam.OUTPUT_W] = outputW;
  block[ResizeParam.ROWS] = core.allocWords(makeTable(inputH, outputH, options));
  block[ResizeParam.COLUMNS] = core.allocWords(makeTable(inputW, outputW, options));
  block[ResizeParam.ELEMENT_BYTES] = elementBytes(input.type)!;
  return block;
}

/** RESIZE_BILINEAR of float32, uint8 and int8, RESIZE_NEAREST_NEIGHBOR of any type. */
export const resize: CpuOperator = {
  check(graph, op) {
    const refusal = check.checkOperands(graph, op, { required: 2, most: 2 });
    if (refusal !== null) return refusal;
    const [input, output] = tensorsOf(graph, op);
    return check.firstRefusal(
      check.checkRule(graph, op),
      op.kind === "RESIZE_BILINEAR"
        ? check.checkType(input, ["float32", "uint8", "int8"])
        : check.checkCopyable(input),
      check.checkIntegers(check.tensorAt(graph, op.inputs[1]), 2),
      () => {
        const sizes = [...input.shape.slice(1, 3), ...output.shape.slice(1, 3)];
        const wrong = sizes.find((size) => !(size >= 1 && size <= MAX_SIZE));
        if (wrong === undefined) return null;
        return { constraint: "cpu-resize", reason: `a size is ${wrong}, outside 1..${MAX_SIZE}` };
      },
    );
  },

  plan(context, op) {
    const block = planResize(context, op);
    if (op.kind === "RESIZE_NEAREST_NEIGHBOR")
      return [{ kernel: "runResizeNearest", block: context.core.allocWords(block) }];
    block[ResizeParam.ELEMENT] = elementOfType(tensorsOf(context.graph, op)[0].type);
    return [{ kernel: "runResizeBilinear", block: context.core.allocWords(block) }];
  },
};
