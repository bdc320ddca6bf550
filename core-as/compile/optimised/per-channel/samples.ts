// Values that convolutions of few planes read on synthetic pictures, and what weights that are off make of them: sums of a few products
// are not normally distributed, so their largest errors are looked for.
// SPDX-License-Identifier: MIT
import type { Graph, Op, OpOptions } from "../../../ir/graph.ts";
import { paddingBefore } from "../../../legalise/padding.ts";

/** One picture's values of a tensor, plane by plane. */
export interface PlanarValues {
  rows: number;
  columns: number;
  bytes: Uint8Array;
  /** Byte of a value of 0. */
  zero: number;
}

/** Planes of an image with its channels innermost. */
export function planarOf(
  bytes: Uint8Array,
  {
    rows,
    columns,
    channels,
    flip,
    zero,
  }: Record<"rows" | "columns" | "channels" | "flip" | "zero", number>,
): PlanarValues {
  const pixels = rows * columns;
  const planar = new Uint8Array(bytes.length);
  for (let pixel = 0, at = 0; pixel < pixels; pixel++)
    for (let c = 0; c < channels; c++) planar[c * pixels + pixel] = bytes[at++]! ^ flip;
  return { rows, columns, bytes: planar, zero };
}

/** How a kernel moves over an image. */
interface Side {
  taps: number;
  dilation: number;
  stride: number;
  before: number;
  outputs: number;
}

/** Largest error of a sum, and how many are large, of the picture that has the most of it. */
export interface SampledError {
  largest: number;
  /** Share of the outputs that are more than one step off. */
  beyond: number;
}

/** Planes of a kernel whose sums are looked at: those of a picture. Sums over more of them are normal enough. */
const MOST_PLANES = 4;

/** Whether a layer's sums are looked at one by one. */
export function hasFewProducts(graph: Graph, { kind, inputs }: Op): boolean {
  if (kind === "DEPTHWISE_CONV_2D") return true;
  return kind === "CONV_2D" && graph.tensors[inputs[1]!]!.shape[3]! <= MOST_PLANES;
}

/** Outputs of a convolution on all pictures. */
export class WindowSamples {
  private readonly rows: Side;
  private readonly columns: Side;
  /** That a kernel reads. */
  private readonly planes: number;
  private readonly sums: Float32Array;

  constructor(
    graph: Graph,
    op: Op,
    private readonly pictures: readonly PlanarValues[],
  ) {
    const { padding, strideH, strideW, dilationH, dilationW } = op.options as
      OpOptions["CONV_2D"] | OpOptions["DEPTHWISE_CONV_2D"];
    const isSame = padding === "same";
    const [input, weight, output] = [op.inputs[0]!, op.inputs[1]!, op.outputs[0]!].map(
      (id) => graph.tensors[id]!.shape,
    ) as [number[], number[], number[]];
    const side = (at: 1 | 2, stride: number, dilation: number): Side => {
      const [taps, outputs] = [weight[at]!, output[at]!];
      const kernel = (taps - 1) * dilation + 1;
      const before = isSame ? paddingBefore(input[at]!, kernel, stride) : 0;
      return { taps, dilation, stride, before, outputs };
    };
    this.rows = side(1, strideH, dilationH);
    this.columns = side(2, strideW, dilationW);
    this.planes = op.kind === "DEPTHWISE_CONV_2D" ? 1 : weight[3]!;
    this.sums = new Float32Array(this.rows.outputs * this.columns.outputs);
  }

  /**
   * What a channel is off by.
   * @param first plane that it reads
   * @param errors of its weights, tap by tap, planes innermost
   * @param centre what the bias takes back
   * @param multiplier output steps for each step of the sum
   */
  errorOf(
    first: number,
    errors: ArrayLike<number>,
    centre: number,
    multiplier: number,
  ): SampledError {
    const { sums } = this;
    const found: SampledError = { largest: 0, beyond: 0 };
    for (const picture of this.pictures) {
      sums.fill(-centre);
      for (let z = 0; z < this.planes; z++) this.addProducts(picture, first + z, errors, z);
      let [largest, beyond] = [0, 0];
      for (let at = 0; at < sums.length; at++) {
        const error = Math.abs(sums[at]!) * multiplier;
        if (error > largest) largest = error;
        // Rounding turns so much of a step into a whole one.
        if (error > 1) beyond += Math.min(error - 1, 1);
      }
      found.largest = Math.max(found.largest, largest);
      found.beyond = Math.max(found.beyond, beyond / sums.length);
    }
    return found;
  }

  private addProducts(
    { rows: height, columns: width, bytes, zero }: PlanarValues,
    plane: number,
    errors: ArrayLike<number>,
    z: number,
  ): void {
    const { rows, columns, planes, sums } = this;
    const first = plane * height * width;
    for (let tap = 0; tap < rows.taps * columns.taps; tap++) {
      const error = errors[tap * planes + z]!;
      if (error === 0) continue;
      const y = Math.floor(tap / columns.taps) * rows.dilation - rows.before;
      const x = (tap % columns.taps) * columns.dilation - columns.before;
      // Outputs for which this tap lies in the image.
      const [begin, end] = reach(columns, x, width);
      const [top, bottom] = reach(rows, y, height);
      for (let row = top; row < bottom; row++) {
        let to = row * columns.outputs + begin;
        let from = first + (row * rows.stride + y) * width + x + begin * columns.stride;
        for (let column = begin; column < end; column++, from += columns.stride)
          sums[to++]! += error * (bytes[from]! - zero);
      }
    }
  }
}

/** Outputs of a side from the first for which a tap lies in the image on. */
function reach({ stride, outputs }: Side, offset: number, size: number): [number, number] {
  const first = Math.max(0, Math.ceil(-offset / stride));
  return [first, Math.max(first, Math.min(outputs, Math.ceil((size - offset) / stride)))];
}
