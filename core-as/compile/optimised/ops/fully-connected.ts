// Fully connected layers, as 1x1 convolutions (spec/lowering.md 6; quirks.md Q33, Q38, Q59).
// SPDX-License-Identifier: MIT
import type { Op, Tensor } from "../../../ir/graph.ts";
import { pointwiseGeometry } from "../../../legalise/conv-geometry.ts";
import { zp8 } from "../../lower-shared.ts";
import { transposeProgram } from "../../tp-programs.ts";
import type { LoweringContext } from "../context.ts";
import { draftConvolution } from "./convolution.ts";

export function lowerFullyConnected(context: LoweringContext, op: Op): void {
  const [input, weight] = op.inputs.map((id) => context.tensor(id)) as [Tensor, Tensor];
  const [outC = 1, inC = 1] = weight.shape;
  // A fully connected layer is a 1x1 convolution of an image with one pixel per batch item.
  const pixels = context.bytes(input.id) / inC;
  const extent = { s: 1, f: pixels, c: inC };
  let node: number;
  if (pixels === 1) {
    node = context.nhwcOf(op, input.id);
  } else if (context.extent(input.id).c === inC) {
    node = context.planarOf(op, input.id);
  } else {
    node = context.placement.add(context.bytes(input.id));
    const from = context.nhwcOf(op, input.id);
    context.tp("transpose", op.id, from, node, [transposeProgram(extent, zp8(input))]);
  }
  draftConvolution(context, op, "fc", node, pointwiseGeometry(extent, outC));
}
