// Planes of a tensor in another order, several times or at a fraction: a 1x1 convolution with one weight for each.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../../assembly/abi.ts";
import type { Extent } from "../../../ir/extent.ts";
import type { Op, Tensor } from "../../../ir/graph.ts";
import { pointwiseGeometry } from "../../../legalise/conv-geometry.ts";
import { zp8 } from "../../lower-shared.ts";
import type { LoweringContext } from "../context.ts";
import { windowRecord } from "../ops/window.ts";

export interface Selection {
  /** What the planes hold; what is written has its type, scale and zero point. */
  tensor: Tensor;
  /** The planes that are read. */
  image: Extent;
  /** One for each plane that is written: the plane that it is made of, and its weight. */
  kernels: readonly { plane: number; weight: number }[];
  /** What weights are multiplied by. */
  factor: number;
}

/** Drafts the job. */
export function selectPlanes(
  context: LoweringContext,
  op: Op,
  { tensor, image, kernels, factor }: Selection,
  from: number,
  to: number,
): void {
  const { length } = kernels;
  const constant = new Uint8Array(length * image.c);
  kernels.forEach(({ plane, weight }, k) => (constant[k * image.c + plane] = weight));
  const weight: Tensor = {
    ...tensor,
    type: "int8",
    shape: [length, 1, 1, image.c],
    constant,
    quant: { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0), axis: 0 },
  };
  const { record, weights } = windowRecord(context, op, {
    name: "pwconv",
    geometry: pointwiseGeometry(image, length),
    input: tensor,
    weight,
    output: tensor,
    biases: new Int32Array(length),
    from,
    stage: { factor, offset: 0, zeroPoint: zp8(tensor) },
  });
  context.nn(op, {
    op: "pwconv",
    record: { ...record, [NnJob.RELU]: 0 },
    weights,
    biases: new Int32Array(length),
    from,
    to,
  });
}
