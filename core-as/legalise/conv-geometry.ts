// A convolution as optimised mode sees it: x = columns (F), y = rows (S), TFLite's padding exactly.
// Constraints and lowering share it, so that what is accepted is what is built.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import { flatExtent, type Extent } from "../ir/extent.ts";
import type { Graph, Op, OpOptions } from "../ir/graph.ts";
import { paddingBefore } from "./padding.ts";

export interface ConvGeometry {
  in: Extent;
  out: Extent;
  kS: number;
  kF: number;
  stride: number;
  padTop: number;
  padLeft: number;
  depthwise: boolean;
  /** 1x1 kernel that becomes 2x2, because a kernel of one weight has no room for its bias order. */
  widen: boolean;
  /** Stride two by keeping every second pixel of the output. */
  firstPixel: boolean;
  /** Stride two by folding 2x2 pixels into four channels; sizes of the folded image. */
  folded: { rows: number; columns: number } | null;
}

/** Geometry of a CONV_2D or DEPTHWISE_CONV_2D with equal strides of 1 or 2. */
export function convGeometry(graph: Graph, op: Op): ConvGeometry {
  const options = op.options as unknown as OpOptions["CONV_2D"];
  const input = flatExtent(graph.tensors[op.inputs[0]!]!.shape);
  const out = flatExtent(graph.tensors[op.outputs[0]!]!.shape);
  const [, kS = 1, kF = 1] = graph.tensors[op.inputs[1]!]!.shape;
  const same = options.padding === "same";
  const stride = options.strideW;
  const pointwise = kS === 1 && kF === 1;
  const depthwise = op.kind === "DEPTHWISE_CONV_2D";
  const strided = stride > 1;
  // Captures fold depthwise images of three to five rows and drop pixels of all others (Q36).
  const foldsDepthwise = input.s >= 3 && input.s <= 5;
  const firstPixel = strided && (pointwise || (depthwise && !foldsDepthwise));
  const geometry: ConvGeometry = {
    in: input,
    out,
    kS,
    kF,
    stride,
    padTop: same ? paddingBefore(input.s, kS, stride) : 0,
    padLeft: same ? paddingBefore(input.f, kF, stride) : 0,
    depthwise,
    widen: pointwise && input.c === 1,
    firstPixel,
    folded: null,
  };
  if (strided && !firstPixel) {
    const more = same ? (kS === 5 ? 2 : 1) : 0;
    // The captured sizes where they suffice, and what the last window needs where they do not.
    geometry.folded = {
      rows: Math.max(Math.ceil(input.s / 2) + more, out.s + Math.ceil(kS / 2) - 1),
      columns: Math.max(Math.ceil(input.f / 2) + more, out.f + Math.ceil(kF / 2) - 1),
    };
  }
  return geometry;
}

const MAX_SIDE = 0x1fff;
const MAX_IN_CHANNELS = 0xfffff;
const MAX_OUT_CHANNELS = 0x3fff;

/** Why a convolution does not fit the chip's descriptor, or null. */
export function convLimit(geometry: ConvGeometry, chip: Chip): string | null {
  const { in: from, out, folded, firstPixel, kS, kF } = geometry;
  const fold = folded ? 4 : 1;
  const doubled = firstPixel ? 2 : 1;
  const rows = Math.max(folded?.rows ?? from.s, out.s * doubled);
  const columns = Math.max(folded?.columns ?? from.f, out.f * doubled);
  if (Math.max(rows, columns) > MAX_SIDE)
    return `the image has a side of ${Math.max(rows, columns)} pixels, the field ends at ${MAX_SIDE}`;
  if (from.c * fold > MAX_IN_CHANNELS)
    return `${from.c * fold} input channels, the field ends at ${MAX_IN_CHANNELS}`;
  if (out.c > MAX_OUT_CHANNELS)
    return `${out.c} output channels, the field ends at ${MAX_OUT_CHANNELS}`;
  const kernel = Math.ceil(Math.max(kS, kF) / (folded ? 2 : 1));
  if (kernel > chip.maxKernel)
    return `a kernel of ${kS} x ${kF}, the chip ends at ${chip.maxKernel}`;
  const padding = folded ? 0 : Math.max(geometry.padTop, geometry.padLeft);
  const maxPadding = 2 ** (chip.inputOffsetBits - 1);
  if (padding > maxPadding) return `${padding} pixels of padding, the field ends at ${maxPadding}`;
  return null;
}

/** Sides [columns, rows] of the pseudo image of an addition of `values` bytes, or null when none fits. */
export function addSides(values: number): [columns: number, rows: number] | null {
  const long = (row: number): [number, number] => [values / row, row];
  for (const row of [128, 64, 32])
    if (values % row === 0 && values / row <= MAX_SIDE) return long(row);
  for (let row = 63; row >= 1; row--)
    if (values % row === 0 && values / row <= MAX_SIDE) return long(row);
  for (let row = 64; row <= MAX_SIDE; row++)
    if (values % row === 0 && values / row <= MAX_SIDE) return long(row);
  return null;
}
