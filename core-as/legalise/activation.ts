// Fused activations. The NN cores clamp at the zero point from below; an upper bound exists only as the end of the
// output's own range, so RELU6 passes where that range ends in time.
// SPDX-License-Identifier: MIT
import type { Tensor } from "../ir/graph.ts";
import { commonOptions, result, type Constraint } from "./constraint.ts";

const topOf = ({ type }: Tensor): number => (type === "int8" ? 127 : 255);

/** null when nothing of the output's range lies above 6, else what does. */
type RangeCheck = (output: Tensor) => string | null;

/** The reference's test: the largest value in binary32, at most 6. */
export const referenceRange: RangeCheck = (output) => {
  const { scales, zeroPoints } = output.quant!;
  const real = Math.fround(Math.fround(topOf(output) - zeroPoints[0]!) * scales[0]!);
  return real <= 6 ? null : `RELU6 with an output range up to ${real}`;
};

/** TFLite's own clamp, rounded to the output's steps: it may lie at the end of the range or above. */
export const quantisedRange: RangeCheck = (output) => {
  const { scales, zeroPoints } = output.quant!;
  const clamp = zeroPoints[0]! + Math.round(6 / scales[0]!);
  return clamp >= topOf(output)
    ? null
    : `RELU6 clamps at ${clamp} of ${topOf(output)} (scale ${scales[0]})`;
};

/** A constraint on the fused activation of some operators. */
export function activationConstraint(
  operators: readonly string[],
  aboveSix: RangeCheck,
): Constraint {
  return {
    id: "ACTIVATION",
    operators,
    sentence: "The fused activation is none, RELU, or RELU6 whose output range ends at 6 or below.",
    remedy: "requantise the output so that its largest value is 6, or use RELU",
    violation: (context) => {
      const activation = commonOptions(context.op).activation ?? "none";
      if (activation === "none" || activation === "relu") return null;
      if (activation !== "relu6") return `the activation is ${activation}`;
      return aboveSix(result(context));
    },
  };
}
