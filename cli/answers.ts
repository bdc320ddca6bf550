// Outputs for people: the best classes of a classification, the range of anything else.
// SPDX-License-Identifier: MIT
import type { TensorInfo } from "../core-as/index.ts";
import { readText } from "./files.ts";
import { realValuesOf } from "./tensors.ts";
import { out, print, table } from "./terminal.ts";

export interface RankedClass {
  index: number;
  label: string | null;
  value: number;
}

/** An output as JSON prints it. */
export interface OutputAnswer {
  name: string;
  type: string;
  shape: readonly number[];
  bytes: number;
  /** The largest values, best first; null when the output is no list of classes. */
  top: RankedClass[] | null;
  /** Smallest, largest and mean real value; null without numbers. */
  range: { min: number; max: number; mean: number } | null;
}

/** One label a line; empty lines at the end do not count. */
export function readLabels(path: string): string[] {
  const lines = readText(path).split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** True for one row of at least two values, such as [1, 1001]. */
function isClassification({ shape }: TensorInfo): boolean {
  const long = shape.filter((size) => size > 1);
  return long.length === 1 && shape.at(-1) === long[0];
}

/** Describes an output; `labels` fit when there are as many as classes, or one less (a background class comes first). */
export function answerOf(
  info: TensorInfo,
  bytes: Uint8Array,
  top: number,
  labels: readonly string[],
): OutputAnswer {
  const values = realValuesOf(info, bytes);
  const { name, type, shape } = info;
  return {
    name,
    type,
    shape,
    bytes: bytes.length,
    top: values && isClassification(info) ? rank(values, top, labels) : null,
    range: values && values.length > 0 ? rangeOf(values) : null,
  };
}

function rank(values: Float64Array, top: number, labels: readonly string[]): RankedClass[] {
  const shift = labels.length === values.length - 1 ? 1 : 0;
  // Equal values keep their order, so the answer does not depend on the sort.
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, top).map((index) => ({
    index,
    label: labels[index - shift] ?? (shift === 1 && index === 0 ? "background" : null),
    value: values[index]!,
  }));
}

function rangeOf(values: Float64Array): { min: number; max: number; mean: number } {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return { min, max, mean: sum / values.length };
}

/** Prints the answers of all outputs. */
export function printAnswers(answers: readonly OutputAnswer[]): void {
  for (const [i, { name, type, shape, top, range }] of answers.entries()) {
    print(`output ${i} ${out.bold(name)} ${type} [${shape.join(", ")}]`);
    if (top !== null)
      print(
        table(
          ["class", "value", "label"],
          top.map(({ index, value, label }) => [index, value.toFixed(4), label ?? ""]),
          ["right", "right"],
        ),
      );
    else if (range !== null)
      print(
        `from ${range.min.toPrecision(5)} to ${range.max.toPrecision(5)}, mean ${range.mean.toPrecision(5)}`,
      );
  }
}
