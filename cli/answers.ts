// Outputs for people: prints what core-as/answers makes of them.
// SPDX-License-Identifier: MIT
import type {
  Detection,
  Keypoint,
  MaskClass,
  ModelAnswer,
  OutputAnswer,
} from "../core-as/index.ts";
import { readText } from "./files.ts";
import { count, out, print, table } from "./terminal.ts";

/** One label a line; empty lines at the end do not count. */
export function readLabels(path: string): string[] {
  const lines = readText(path).split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Prints what a model said. */
export function printAnswer({ detections, mask, keypoints, outputs }: ModelAnswer): void {
  if (detections) return printDetections(detections);
  if (keypoints) return printKeypoints(keypoints);
  if (mask) return printMask(mask, outputs[0]!);
  return printAnswers(outputs);
}

function printDetections(detections: readonly Detection[]): void {
  print(`${detections.length} detections; boxes in shares of the picture`);
  if (detections.length === 0) return;
  print(
    table(
      ["score", "class", "label", "top", "left", "bottom", "right"],
      detections.map(({ score, class: index, label, box }) => [
        score.toFixed(3),
        index,
        label ?? "",
        ...[box.top, box.left, box.bottom, box.right].map((side) => side.toFixed(3)),
      ]),
      ["right", "right", "left", "right", "right", "right", "right"],
    ),
  );
}

function printKeypoints(keypoints: readonly Keypoint[]): void {
  print(
    `${keypoints.length} key points of a person; places in shares of the input's height and width`,
  );
  print(
    table(
      ["score", "key point", "y", "x"],
      keypoints.map(({ name, y, x, score }) => [
        score.toFixed(3),
        name,
        y.toFixed(3),
        x.toFixed(3),
      ]),
      ["right", "left", "right", "right"],
    ),
  );
}

function printMask(classes: readonly MaskClass[], { name, shape }: OutputAnswer): void {
  const [, height, width] = shape;
  print(`mask ${out.bold(name)}: ${width} x ${height} pixels`);
  print(
    table(
      ["class", "pixels", "share", "label"],
      classes.map(({ index, pixels, share, label }) => [
        index,
        count(pixels),
        `${(share * 100).toFixed(1)} %`,
        label ?? "",
      ]),
      ["right", "right", "right"],
    ),
  );
}

/** Prints outputs one by one: classes where there are any, otherwise the range. */
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
