// Padding that the convolution behind it can do itself: the border constant of its own job, or of its fold.
// SPDX-License-Identifier: MIT
import type { Chip } from "../../hw/chips.ts";
import { flatExtent } from "../../ir/extent.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import { CONVOLUTIONS } from "../../legalise/constraint.ts";
import {
  convLimit,
  convShape,
  windowGeometry,
  type ConvGeometry,
} from "../../legalise/conv-geometry.ts";
import { padBorder } from "../../legalise/window-constraints.ts";

export interface MergedPadding {
  /** The PAD whose input the convolution reads. */
  pad: Op;
  geometry: ConvGeometry;
}

/**
 * Finds the PAD operators that need no job.
 * @param ops operators of one partition
 * @returns what each convolution does instead of reading a padded image, by the convolution's id
 */
export function mergePadding(
  graph: Graph,
  ops: readonly Op[],
  chip: Chip,
): ReadonlyMap<number, MergedPadding> {
  const merged = new Map<number, MergedPadding>();
  for (const pad of ops) {
    if (pad.kind !== "PAD") continue;
    const convolution = onlyReader(graph, ops, pad.outputs[0]!);
    if (convolution === null) continue;
    const geometry = mergedGeometry(graph, pad, convolution, chip);
    if (geometry !== null) merged.set(convolution.id, { pad, geometry });
  }
  return merged;
}

/** The convolution of this partition that alone reads a tensor, as its image. */
function onlyReader(graph: Graph, ops: readonly Op[], tensor: number): Op | null {
  if (graph.outputs.includes(tensor)) return null;
  const readers = graph.ops.filter(({ inputs }) => inputs.includes(tensor));
  const [reader] = readers;
  if (readers.length !== 1 || !ops.includes(reader!)) return null;
  return CONVOLUTIONS.some((kind) => kind === reader!.kind) ? reader! : null;
}

/** Geometry of the convolution with the PAD's border, or null when a window could miss the image or nothing fits. */
function mergedGeometry(graph: Graph, pad: Op, convolution: Op, chip: Chip): ConvGeometry | null {
  const { top, bottom, left, right } = padBorder(graph.tensors[pad.inputs[1]!]!);
  const shape = convShape(graph, convolution);
  const geometry = windowGeometry(
    {
      ...shape,
      in: flatExtent(graph.tensors[pad.inputs[0]!]!.shape),
      padTop: shape.padTop + top,
      padLeft: shape.padLeft + left,
    },
    chip,
  );
  const { padTop, padLeft, kS, kF } = geometry;
  const far = Math.max(padTop, bottom) >= kS || Math.max(padLeft, right) >= kF;
  return far || geometry.sampled || geometry.stacked || convLimit(geometry, chip) !== null
    ? null
    : geometry;
}
