// What a report says about layers with a scale for each channel: method and bound of every one.
// SPDX-License-Identifier: MIT
import type { LayerBound } from "../executable/executable.ts";

/** Why no job has a multiplier for each channel. */
export const ONE_MULTIPLIER =
  "NN jobs have one multiplier. The descriptor has a bit for one per channel (word 18, bit 26), but no source says in which form a chip reads them: it stays 0.";

const plural = (number: number, word: string): string =>
  `${number} ${word}${number === 1 ? "" : "s"}`;

/** How a layer is computed, as a sentence. */
export function methodText(layer: LayerBound): string {
  const { groups, fractions, remainders, reorders } = layer;
  const parts = [
    groups === 1
      ? "one multiplier for all channels, weights requantised to it"
      : `${groups} groups of channels by scale, weights requantised to one multiplier each`,
    ...(fractions > 0
      ? [
          fractions === groups
            ? "weights have fractions, by inputs supplied at a fraction as well"
            : `weights have fractions in ${plural(fractions, "group")}, by inputs supplied at a fraction as well`,
        ]
      : []),
    ...(remainders > 0
      ? [
          remainders === groups
            ? "what rounding leaves is computed first and added"
            : `what rounding leaves is computed first and added in ${plural(remainders, "group")}`,
        ]
      : []),
    ...(reorders ? ["a job that puts the channels in order"] : []),
  ];
  return `${parts.join("; ")}.`;
}

/** Bounds of a layer, as a sentence. */
export function boundText({ bound, worst, withinOne, inputs }: LayerBound): string {
  const steps = (value: number): string => value.toFixed(2);
  const share = (100 * withinOne).toFixed(withinOne > 0.999 ? 3 : 1);
  return (
    `before rounding within ${steps(bound)} output steps for ${inputs} inputs (5 standard deviations), ` +
    `within ${steps(worst)} for any; ${share} % of the outputs expected within 1 of TFLite's.`
  );
}
