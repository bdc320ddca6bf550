// A convolution as optimised mode sees it: x = columns (F), y = rows (S), TFLite's padding exactly.
// Constraints and lowering share it, so that what is accepted is what is built.
// SPDX-License-Identifier: MIT
import type { Chip } from "../hw/chips.ts";
import { flatExtent, type Extent } from "../ir/extent.ts";
import type { Graph, Op, OpOptions } from "../ir/graph.ts";
import { paddingBefore } from "./padding.ts";

/** A pass of a TP core that spreads every sx x sy pixels over as many planes. */
export interface Fold {
  /** Strides that become planes. */
  x: number;
  y: number;
  /** Sides of the planes. */
  rows: number;
  columns: number;
}

/** A stride of which only every first pixel of a fold is kept: before the NN job or behind it. */
export interface Sampling {
  at: "input" | "output";
  /** The image with all its pixels. */
  from: Extent;
  x: number;
  y: number;
}

/**
 * A dilation that is too wide for a kernel with gaps: every x columns and y rows become images of their own, stacked in
 * one tall image whose convolution has no gaps. A TP core puts them together again.
 */
export interface Stacking {
  x: number;
  y: number;
  /** Sides of one image of the stack, before and behind the convolution. */
  rows: number;
  columns: number;
  outRows: number;
  outColumns: number;
  /** The images outside of the stack. */
  from: Extent;
  to: Extent;
  padTop: number;
  padLeft: number;
}

/** What a window needs of a sliding operator's definition: a kernel, how it moves and what lies around the image. */
export interface WindowShape {
  in: Extent;
  out: Extent;
  /** Taps along rows and columns. */
  kS: number;
  kF: number;
  strideS: number;
  strideF: number;
  dilationS: number;
  dilationF: number;
  padTop: number;
  padLeft: number;
  /** Padding on both sides together; only SAME has some. */
  same: boolean;
  depthwise: boolean;
}

export interface ConvGeometry {
  /** Images that the NN job reads (before folding) and writes. */
  in: Extent;
  out: Extent;
  /** Sides of the kernel with the gaps of its dilation. */
  kS: number;
  kF: number;
  dilationS: number;
  dilationF: number;
  /** 2 when output pixels come from strides, else 1; only tiling asks. */
  stride: number;
  padTop: number;
  padLeft: number;
  depthwise: boolean;
  /** The chip's own depthwise mode: one input channel for each output channel. */
  native: boolean;
  /** Depthwise kernels that the chip only takes with the planes of all input channels. */
  expanded: boolean;
  /** 1x1 kernel that becomes 2x2, because a kernel of one weight has no room for its bias order. */
  widen: boolean;
  /** Stride two by keeping every second pixel of the output. */
  firstPixel: boolean;
  /** Strides by folding pixels into channels. */
  folded: Fold | null;
  /** Strides of jobs that compute every pixel, or read none that they drop. */
  sampled: Sampling | null;
  /** Dilation by a stack of images. */
  stacked: Stacking | null;
}

/** Shape of a CONV_2D or DEPTHWISE_CONV_2D. */
export function convShape(graph: Graph, op: Op): WindowShape {
  const options = op.options as unknown as OpOptions["CONV_2D"];
  const input = flatExtent(graph.tensors[op.inputs[0]!]!.shape);
  const [, kS = 1, kF = 1] = graph.tensors[op.inputs[1]!]!.shape;
  const { strideH, strideW, dilationH, dilationW } = options;
  const same = options.padding === "same";
  return {
    in: input,
    out: flatExtent(graph.tensors[op.outputs[0]!]!.shape),
    kS,
    kF,
    strideS: strideH,
    strideF: strideW,
    // One tap has no gaps.
    dilationS: kS === 1 ? 1 : dilationH,
    dilationF: kF === 1 ? 1 : dilationW,
    padTop: same ? paddingBefore(input.s, reach(kS, dilationH), strideH) : 0,
    padLeft: same ? paddingBefore(input.f, reach(kF, dilationW), strideW) : 0,
    same,
    depthwise: op.kind === "DEPTHWISE_CONV_2D",
  };
}

/** Kernels of a CONV_2D that read only some of the input channels. */
export function isGrouped(graph: Graph, op: Op): boolean {
  const [input, weights] = op.inputs.map((id) => graph.tensors[id]);
  return op.kind === "CONV_2D" && input!.shape[3] !== weights!.shape[3];
}

/** Geometry of a CONV_2D or DEPTHWISE_CONV_2D. */
export function convGeometry(graph: Graph, op: Op, chip: Chip): ConvGeometry {
  return windowGeometry(convShape(graph, op), chip);
}

/** Side of a kernel with the gaps of its dilation. */
const reach = (taps: number, dilation: number): number => (taps - 1) * dilation + 1;

/** How a chip computes a sliding window. */
export function windowGeometry(shape: WindowShape, chip: Chip): ConvGeometry {
  const { in: input, strideS, strideF, depthwise } = shape;
  const native = isNative(shape, chip);
  const pointwise = shape.kS === 1 && shape.kF === 1;
  const strided = strideS > 1 || strideF > 1;
  const byTwo = strideS === 2 && strideF === 2;
  if (!strided && isWide(shape, chip)) return stackedGeometry(shape, chip);
  if (strided && !byTwo && pointwise) return sampledInput(shape, chip);
  if (strided && !byTwo && native) return sampledOutput(shape, chip);
  // Captures fold dense depthwise images of three to five rows and drop pixels of all others (Q36).
  const foldsDepthwise = !chip.depthwise && input.s >= 3 && input.s <= 5;
  const firstPixel = byTwo && (pointwise || (depthwise && !foldsDepthwise));
  const folded = strided && !firstPixel ? foldOf(shape) : null;
  return {
    in: input,
    out: shape.out,
    kS: reach(shape.kS, shape.dilationS),
    kF: reach(shape.kF, shape.dilationF),
    dilationS: shape.dilationS,
    dilationF: shape.dilationF,
    stride: strided ? 2 : 1,
    padTop: shape.padTop,
    padLeft: shape.padLeft,
    depthwise,
    native,
    expanded: depthwise && chip.depthwise && input.c > 1 && !native,
    widen: pointwise && input.c === 1,
    firstPixel,
    folded,
    sampled: null,
    stacked: null,
  };
}

/** The chip's depthwise mode has no multiplier, and cannot fold strides to make a kernel smaller. */
function isNative(shape: WindowShape, chip: Chip): boolean {
  if (!shape.depthwise || !chip.depthwise || shape.in.c === 1) return false;
  const sides = [reach(shape.kS, shape.dilationS), reach(shape.kF, shape.dilationF)];
  return shape.in.c === shape.out.c && Math.max(...sides) <= chip.maxKernel;
}

function foldOf(shape: WindowShape): Fold {
  const { in: from, out, strideS: y, strideF: x } = shape;
  const kS = reach(shape.kS, shape.dilationS);
  const kF = reach(shape.kF, shape.dilationF);
  // What the last window needs.
  const rows = out.s + Math.ceil(kS / y) - 1;
  const columns = out.f + Math.ceil(kF / x) - 1;
  if (x !== 2 || y !== 2) return { x, y, rows, columns };
  // The captured sizes where they suffice.
  const more = shape.same ? (kS === 5 ? 2 : 1) : 0;
  return {
    x,
    y,
    rows: Math.max(Math.ceil(from.s / 2) + more, rows),
    columns: Math.max(Math.ceil(from.f / 2) + more, columns),
  };
}

/** A strided kernel of one tap reads a smaller image. */
function sampledInput(shape: WindowShape, chip: Chip): ConvGeometry {
  const { in: from, out, strideS: y, strideF: x } = shape;
  const small = { s: out.s, f: out.f, c: from.c };
  const plain = windowGeometry({ ...shape, in: small, strideS: 1, strideF: 1 }, chip);
  return { ...plain, sampled: { at: "input", from, x, y } };
}

/** Native depthwise kernels cannot add up the planes of a fold: pixels are dropped from their output. */
function sampledOutput(shape: WindowShape, chip: Chip): ConvGeometry {
  const { out, strideS: y, strideF: x } = shape;
  const from = { s: (out.s - 1) * y + 1, f: (out.f - 1) * x + 1, c: out.c };
  const plain = windowGeometry({ ...shape, out: from, strideS: 1, strideF: 1 }, chip);
  return { ...plain, sampled: { at: "output", from, x, y } };
}

/** True when only the gaps of its dilation make a kernel too large. */
function isWide(shape: WindowShape, chip: Chip): boolean {
  const sides = [reach(shape.kS, shape.dilationS), reach(shape.kF, shape.dilationF)];
  return Math.max(...sides) > chip.maxKernel && Math.max(shape.kS, shape.kF) <= chip.maxKernel;
}

function stackedGeometry(shape: WindowShape, chip: Chip): ConvGeometry {
  const { in: from, out: to, dilationS: y, dilationF: x, padTop, padLeft } = shape;
  const [outRows, outColumns] = [Math.ceil(to.s / y), Math.ceil(to.f / x)];
  const [rows, columns] = [outRows + shape.kS - 1, outColumns + shape.kF - 1];
  const height = x * y * rows;
  const plain = windowGeometry(
    {
      ...shape,
      in: { s: height, f: columns, c: from.c },
      // Rows between two images are computed as well and left out later.
      out: { s: height, f: outColumns, c: to.c },
      dilationS: 1,
      dilationF: 1,
      padTop: 0,
      padLeft: 0,
    },
    chip,
  );
  return {
    ...plain,
    stacked: { x, y, rows, columns, outRows, outColumns, from, to, padTop, padLeft },
  };
}

/** A 1x1 convolution without padding. */
export function pointwiseGeometry(from: Extent, outC: number): ConvGeometry {
  return {
    in: from,
    out: { ...from, c: outC },
    kS: 1,
    kF: 1,
    dilationS: 1,
    dilationF: 1,
    stride: 1,
    padTop: 0,
    padLeft: 0,
    depthwise: false,
    native: false,
    expanded: false,
    widen: from.c === 1,
    firstPixel: false,
    folded: null,
    sampled: null,
    stacked: null,
  };
}

const MAX_SIDE = 0x1fff;
/** Depthwise kernels are mostly zeros once all planes are stored: beyond this the CPU is the better place. */
const MAX_EXPANDED = 2 ** 22;
const MAX_TP_SIDE = 0x7fff;
const MAX_IMAGES = 0xffff;
const MAX_IN_CHANNELS = 0xfffff;
const MAX_OUT_CHANNELS = 0x3fff;

/** Why a convolution does not fit the chip's descriptor, or null. */
export function convLimit(geometry: ConvGeometry, chip: Chip): string | null {
  const { in: from, out, folded, firstPixel, kS, kF } = geometry;
  const fold = folded ? folded.x * folded.y : 1;
  const doubled = firstPixel ? 2 : 1;
  const rows = Math.max(folded?.rows ?? from.s, out.s * doubled);
  const columns = Math.max(folded?.columns ?? from.f, out.f * doubled);
  if (Math.max(rows, columns) > MAX_SIDE)
    return `the image has a side of ${Math.max(rows, columns)} pixels, the field ends at ${MAX_SIDE}`;
  if (from.c * fold > MAX_IN_CHANNELS)
    return `${from.c * fold} input channels, the field ends at ${MAX_IN_CHANNELS}`;
  if (out.c > MAX_OUT_CHANNELS)
    return `${out.c} output channels, the field ends at ${MAX_OUT_CHANNELS}`;
  const expanded = geometry.expanded ? out.c * from.c * kS * kF : 0;
  if (expanded > MAX_EXPANDED)
    return `${expanded} weights where the chip's depthwise mode does not suffice, more than ${MAX_EXPANDED}`;
  const kernel = Math.max(Math.ceil(kS / (folded?.y ?? 1)), Math.ceil(kF / (folded?.x ?? 1)));
  if (kernel > chip.maxKernel)
    return `a kernel of ${kS} x ${kF}, the chip ends at ${chip.maxKernel}`;
  const padding = folded ? 0 : Math.max(geometry.padTop, geometry.padLeft);
  const maxPadding = 2 ** (chip.inputOffsetBits - 1);
  if (padding > maxPadding) return `${padding} pixels of padding, the field ends at ${maxPadding}`;
  const images = geometry.stacked ? geometry.stacked.x * geometry.stacked.y * out.c : 0;
  if (images > MAX_IMAGES)
    return `a dilation into ${images} images, the field ends at ${MAX_IMAGES}`;
  const moved = movedSide(geometry);
  if (moved > MAX_TP_SIDE)
    return `${moved} pixels between the first and the last stride, the field ends at ${MAX_TP_SIDE}`;
  return null;
}

/** The longest side of the window that a fold or a sampling walks, padding included. */
function movedSide({ folded, sampled, stacked, in: from, out }: ConvGeometry): number {
  if (stacked) return Math.max(stacked.x * stacked.columns, stacked.y * stacked.rows);
  if (folded) return Math.max(folded.x * folded.columns, folded.y * folded.rows);
  if (!sampled) return 0;
  const small = sampled.at === "input" ? from : sampled.from;
  return sampled.at === "input"
    ? Math.max(sampled.x * small.f, sampled.y * small.s)
    : Math.max(out.f + sampled.x, out.s + sampled.y);
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
