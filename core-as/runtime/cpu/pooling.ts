// AVERAGE_POOL_2D and MAX_POOL_2D: constraints and parameter blocks.
// SPDX-License-Identifier: MIT
import { PoolParam } from "../../assembly/abi.ts";
import { optionsOf, type Graph, type Op, type PoolOptions, type Tensor } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { windowAxis } from "./geometry.ts";
import type { CpuOperator, KernelCall, PlanContext } from "./plan.ts";
import { activationRange } from "../../ir/fixed-point.ts";

/** TFLite takes scales that differ by less than this for equal. */
const SCALE_TOLERANCE = 1e-6;

type PoolKind = "AVERAGE_POOL_2D" | "MAX_POOL_2D";

function axesOf(input: Tensor, o: PoolOptions) {
  return {
    y: windowAxis(o.padding, input.shape[1]!, o.filterH, o.strideH),
    x: windowAxis(o.padding, input.shape[2]!, o.filterW, o.strideW),
  };
}

function checkPool(graph: Graph, op: Op, kind: PoolKind): Refusal | null {
  const options = optionsOf(op, kind);
  const refusal = check.checkOperands(graph, op, { required: 1, most: 1 });
  if (refusal !== null) return refusal;
  const input = check.tensorAt(graph, op.inputs[0]);
  const output = check.tensorAt(graph, op.outputs[0]);
  const { strideH, strideW, filterH, filterW } = options;
  return check.firstRefusal(
    check.checkActivation(options.activation),
    check.checkQuantised(input),
    check.checkQuantised(output),
    check.checkSameType(input, output),
    check.checkRank(input, 4),
    check.checkWindow({ strideH, strideW, filterH, filterW }),
    () => {
      const { y, x } = axesOf(input, options);
      return check.checkShape(output, [input.shape[0]!, y.output, x.output, input.shape[3]!]);
    },
    () => checkSameQuantisation(input, output),
  );
}

function checkSameQuantisation(input: Tensor, output: Tensor): Refusal | null {
  const [scaleIn, scaleOut] = [input.quant!.scales[0]!, output.quant!.scales[0]!];
  const [zeroIn, zeroOut] = [input.quant!.zeroPoints[0]!, output.quant!.zeroPoints[0]!];
  if (Math.abs(scaleIn - scaleOut) <= SCALE_TOLERANCE && zeroIn === zeroOut) return null;
  return {
    constraint: "cpu-same-quantisation",
    reason:
      `pooling does not rescale: the input has scale ${scaleIn} and zero point ${zeroIn}, ` +
      `the output ${scaleOut} and ${zeroOut}`,
  };
}

function planPool({ core, graph, addressOf }: PlanContext, op: Op, kind: PoolKind): KernelCall[] {
  const options = optionsOf(op, kind);
  const input = check.tensorAt(graph, op.inputs[0]);
  const output = check.tensorAt(graph, op.outputs[0]);
  const { y, x } = axesOf(input, options);
  const { min, max } = activationRange(options.activation, output);
  const block = new Int32Array(PoolParam.WORDS);
  block[PoolParam.INPUT] = addressOf(input.id);
  block[PoolParam.OUTPUT] = addressOf(output.id);
  block.set(input.shape, PoolParam.BATCHES); // n, h, w, c
  block[PoolParam.OUTPUT_H] = y.output;
  block[PoolParam.OUTPUT_W] = x.output;
  block[PoolParam.FILTER_H] = options.filterH;
  block[PoolParam.FILTER_W] = options.filterW;
  block[PoolParam.STRIDE_H] = options.strideH;
  block[PoolParam.STRIDE_W] = options.strideW;
  block[PoolParam.PAD_TOP] = y.before;
  block[PoolParam.PAD_LEFT] = x.before;
  block[PoolParam.CLAMP_MIN] = min;
  block[PoolParam.CLAMP_MAX] = max;
  block[PoolParam.SIGNED] = input.type === "int8" ? 1 : 0;
  const kernel = kind === "MAX_POOL_2D" ? "runMaxPool2d" : "runAveragePool2d";
  return [{ kernel, block: core.allocWords(block) }];
}

export const averagePool2d: CpuOperator = {
  check: (graph, op) => checkPool(graph, op, "AVERAGE_POOL_2D"),
  plan: (context, op) => planPool(context, op, "AVERAGE_POOL_2D"),
};

export const maxPool2d: CpuOperator = {
  check: (graph, op) => checkPool(graph, op, "MAX_POOL_2D"),
  plan: (context, op) => planPool(context, op, "MAX_POOL_2D"),
};
