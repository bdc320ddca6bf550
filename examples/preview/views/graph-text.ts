// What is written on a box of the graph, and what a screen reader says about it.
// SPDX-License-Identifier: MIT
import { endOf, percentText, sizesText } from "../shell/format.ts";
import type { NodeView } from "./graph-data.ts";

/** Letters that fit beside the operator's number, and beside or without its share of time. */
const FITTING = { title: 17, beside: 13, alone: 19 };

/** A number of more than three digits takes a letter's room with each, and the sign of a cut is wider than a letter. */
export function titleText(title: string, op: number): string {
  const fitting = FITTING.title - Math.max(0, String(op).length - 3);
  return title.length <= fitting ? title : endOf(title, fitting - 1);
}

export const shapeText = (shape: readonly number[], share: number | null): string =>
  endOf(sizesText(shape), share === null || share === 0 ? FITTING.alone : FITTING.beside);

/** What is written on a node, and what that does not say. */
export function nodeLabel({ kind, op, title, shape, share }: NodeView): string {
  if (op === null) return `${kind} ${sizesText(shape)}, ${title}`;
  const written = titleText(title, op);
  const place = `${written} #${op} ${kind.toUpperCase()} ${shapeText(shape, share)}`;
  const time = share === null || share === 0 ? "" : ` ${percentText(share)} of the predicted time`;
  return `${place}${time}${written === title ? "" : `, ${title}`}`;
}
