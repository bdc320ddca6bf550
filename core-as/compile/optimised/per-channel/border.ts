// Which taps of a kernel lie outside of the image, and for how many outputs.
// SPDX-License-Identifier: MIT
import type { Graph, Op, OpOptions } from "../../../ir/graph.ts";
import type { ConvGeometry } from "../../../legalise/conv-geometry.ts";

/** Outputs whose kernels miss the same taps. */
export interface BorderCase {
  /** By tap: 1 = it lies in the image. */
  present: Uint8Array;
  /** Share of the outputs. */
  share: number;
}

/** All cases of a layer. */
export function borderCases(
  graph: Graph,
  op: Op,
  { kS, kF, padTop, padLeft, dilationS, dilationF, stacked, in: from }: ConvGeometry,
): BorderCase[] {
  if (op.kind === "FULLY_CONNECTED") return [{ present: Uint8Array.of(1), share: 1 }];
  const { strideH, strideW } = op.options as OpOptions["CONV_2D"];
  const [, outRows = 1, outColumns = 1] = graph.tensors[op.outputs[0]!]!.shape;
  const image = stacked?.from ?? from;
  const taps = (kernel: number, dilation: number): number => (kernel - 1) / dilation + 1;
  const rows = sideCases(outRows, strideH, stacked?.padTop ?? padTop, image.s, {
    taps: taps(kS, dilationS),
    dilation: dilationS,
  });
  const columns = sideCases(outColumns, strideW, stacked?.padLeft ?? padLeft, image.f, {
    taps: taps(kF, dilationF),
    dilation: dilationF,
  });
  return rows.flatMap((row) =>
    columns.map((column) => ({
      present: Uint8Array.from(row.present.flatMap((y) => column.present.map((x) => x & y))),
      share: row.share * column.share,
    })),
  );
}

interface SideCase {
  present: number[];
  share: number;
}

/** The cases along one side. */
function sideCases(
  outputs: number,
  stride: number,
  before: number,
  side: number,
  { taps, dilation }: { taps: number; dilation: number },
): SideCase[] {
  const found = new Map<string, SideCase>();
  for (let at = 0; at < outputs; at++) {
    const present = Array.from({ length: taps }, (_, tap) => {
      const place = at * stride - before + tap * dilation;
      return place >= 0 && place < side ? 1 : 0;
    });
    const known = found.get(present.join(""));
    if (known) known.share += 1 / outputs;
    else found.set(present.join(""), { present, share: 1 / outputs });
  }
  return [...found.values()];
}
