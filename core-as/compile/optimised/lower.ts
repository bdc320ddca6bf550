// Lowering of optimised mode: the mechanisms of the reference with every quirk that changes results corrected.
// SPDX-License-Identifier: MIT
import { GraphError } from "../../errors.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import { LOOKUP_OPERATORS } from "../../legalise/lookup-functions.ts";
import type { Lowered } from "../jobs.ts";
import type { CompileSettings } from "../options.ts";
import { systemOf } from "../../hw/systems.ts";
import type { Steps } from "../steps.ts";
import type { Observations } from "./per-channel/observed.ts";
import { planChannels } from "./per-channel/plan.ts";
import { LoweringContext, type LoweringChoices } from "./context.ts";
import { lowerAddition } from "./ops/addition.ts";
import { lowerAlias } from "./ops/alias.ts";
import { lowerConvolution } from "./ops/convolution.ts";
import { lowerFullyConnected } from "./ops/fully-connected.ts";
import { lowerLookup } from "./ops/lookup.ts";
import { lowerAverage } from "./ops/pooling.ts";
import { lowerConcatenation, lowerPad, lowerSplit } from "./ops/movement.ts";
import { lowerRescale, lowerWithConstants } from "./ops/rescale.ts";
import { lowerMovement } from "./ops/strided.ts";
import { lowerSubtraction } from "./ops/subtraction.ts";

type LowerOperator = (context: LoweringContext, op: Op) => void;

/** Lowering by TFLite operator; legalise/npu-operators.ts lists the same names. */
const OPERATORS: Readonly<Record<string, LowerOperator>> = {
  CONV_2D: lowerConvolution,
  DEPTHWISE_CONV_2D: lowerConvolution,
  FULLY_CONNECTED: lowerFullyConnected,
  ADD: lowerAddition,
  CONCATENATION: lowerConcatenation,
  SPLIT: lowerSplit,
  PAD: lowerPad,
  ...Object.fromEntries(LOOKUP_OPERATORS.map((kind) => [kind, lowerLookup])),
  RESHAPE: lowerAlias,
  SQUEEZE: lowerAlias,
  EXPAND_DIMS: lowerAlias,
  SUB: lowerSubtraction,
  MUL: lowerWithConstants,
  QUANTIZE: lowerRescale,
  RELU: lowerRescale,
  SLICE: lowerMovement,
  STRIDED_SLICE: lowerMovement,
  TRANSPOSE: lowerMovement,
  RESIZE_NEAREST_NEIGHBOR: lowerMovement,
  SPACE_TO_DEPTH: lowerMovement,
  DEPTH_TO_SPACE: lowerMovement,
  AVERAGE_POOL_2D: lowerAverage,
  MEAN: lowerAverage,
};

/** Share of the work that planning layers with a scale for each channel is, where there are some. */
const PLANNING = 0.9;

/**
 * Lowers one partition, an operator a step.
 * @param graph the verified graph
 * @param ops operators of the partition in plan order; all satisfy the optimised constraints
 * @param observed what values of the graph's tensors look like; null = not known
 */
export function* lowerOptimised(
  graph: Graph,
  ops: readonly Op[],
  settings: Pick<CompileSettings, "chip" | "exactRounding" | "accuracy" | "system">,
  choices: LoweringChoices,
  observed: Observations | null = null,
): Steps<Lowered> {
  const { chip, exactRounding, accuracy = "balanced", system = systemOf(chip.name) } = settings;
  let done = 0;
  const price = choices.jobMs;
  const planning = planChannels(graph, ops, { chip, system, price, accuracy, observed });
  let step = planning.next();
  for (; step.done !== true; step = planning.next()) yield (done = PLANNING * step.value);
  const channels = step.value;
  const context = new LoweringContext(graph, ops, chip, exactRounding, choices, channels);
  for (const [index, op] of ops.entries()) {
    yield done + ((1 - done) * index) / ops.length;
    const lower = OPERATORS[op.kind];
    if (lower === undefined)
      throw new GraphError(
        `operator ${op.id} (${op.kind}) has no lowering`,
        { op: op.id },
        "lower",
      );
    lower(context, op);
  }
  return context.finish();
}
