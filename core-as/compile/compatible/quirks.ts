// Which quirks of the reference driver (spec/quirks.md) make a case compute wrong results.
// SPDX-License-Identifier: MIT
import { type Graph, type Op, type Tensor } from "../../ir/graph.ts";
import type { QuirkNote } from "../jobs.ts";
import type { ConvShape } from "./conv.ts";
import {
  ceilDiv,
  extentOf,
  isSigned,
  rawZeroPoint,
  referenceAddRow,
  scaleOf,
} from "../lower-shared.ts";
import { paddingBefore } from "../../legalise/padding.ts";

type Note = Omit<QuirkNote, "job">;

const MAX_SIZE = 0x1fff;
const MAX_CHANNELS = 0x3fff;
/** 1x1 kernels of more output channels than this are read in blocks of input channels. */
const BLOCK_ORDER_ABOVE = 8;

/**
 * Quirks that change the result of one convolution.
 * @param first the convolution as TFLite has it
 * @param lowered what the reference's weight steps made of it
 * @param offset the padding offset that the reference programs for both axes
 */
export function convQuirks(
  first: ConvShape,
  lowered: ConvShape,
  weight: Tensor,
  offset: number,
): Note[] {
  const notes: Note[] = [];
  const note = (quirk: string, why: string): void => void notes.push({ quirk, why });
  const { s, f, c } = first.in;
  if (isSigned(weight)) note("Q4", "int8 weights are sent as unsigned bytes");
  if (s > f || first.out.s > first.out.f)
    note(
      "Q15",
      `an image of ${s} rows x ${f} columns is programmed with rows and columns exchanged`,
    );
  if (first.kS !== first.kF)
    note("Q16", `a kernel of ${first.kS} x ${first.kF} is programmed with its sides exchanged`);
  if (lowered.in.c === 1 && lowered.kF > 3 && !lowered.depthwise && lowered.in.s <= 64)
    note("Q7", `rows of ${lowered.kF} weights are not split for a one-channel image of ${s} rows`);
  if (first.depthwise && first.out.c !== c)
    note("Q35", `depth multiplier ${first.out.c / c} is not expanded`);
  paddingQuirks(first, lowered, offset, note);
  const sizes = [lowered.in.s, lowered.in.f, first.out.s, first.out.f].map(
    (size) => size * (lowered.firstPixel ? 2 : 1),
  );
  if (
    lowered.kS === 1 &&
    lowered.kF === 1 &&
    !lowered.pointwise &&
    first.out.c > BLOCK_ORDER_ABOVE &&
    lowered.in.c > 1
  )
    note("Q59", "a folded kernel of one weight is not in the order that its descriptor promises");
  if (Math.max(...sizes) > MAX_SIZE) note("Q19", `a side above ${MAX_SIZE} overflows its field`);
  if (Math.max(lowered.in.c, first.out.c) > MAX_CHANNELS)
    note("Q18", `more than ${MAX_CHANNELS} channels overflow their field`);
  return notes;
}

function paddingQuirks(
  first: ConvShape,
  lowered: ConvShape,
  offset: number,
  note: (quirk: string, why: string) => void,
): void {
  const { s, f } = first.in;
  const { stride, same, kS, kF } = first;
  const wantX = same ? paddingBefore(f, kF, stride) : 0;
  const wantY = same ? paddingBefore(s, kS, stride) : 0;
  const folded = stride > 1 && !lowered.firstPixel;
  if (!folded) {
    if (-offset !== wantX || -offset !== wantY)
      note(
        stride === 1 ? "Q62" : "Q41",
        `padding of ${-offset} instead of ${wantX} columns and ${wantY} rows`,
      );
    return;
  }
  if (first.depthwise && (s === 6 || s === 7)) {
    note("Q36", `weights are folded for a depthwise image of ${s} rows, the image is not`);
    return;
  }
  const more = kS === 5 ? 1 : 0;
  const foldedX = same ? more + (s % 2) : 0;
  const foldedY = same ? more + (f % 2) : 0;
  // One pixel of the folded image is two of the original.
  const [padX, padY] = [foldedX - 2 * offset, foldedY - 2 * offset];
  if (padX !== wantX || padY !== wantY)
    note(
      offset !== 0 ? "Q42" : s % 2 !== f % 2 ? "Q60" : "Q41",
      `padding of ${padX} columns and ${padY} rows instead of ${wantX} and ${wantY}`,
    );
  const tooSmall = (
    have: number,
    size: number,
    pad: number,
    out: number,
    kernel: number,
  ): boolean => have < Math.min(ceilDiv(size + pad, 2), out + ceilDiv(kernel, 2) - 1);
  if (
    tooSmall(lowered.in.s, s, foldedY, first.out.s, kS) ||
    tooSmall(lowered.in.f, f, foldedX, first.out.f, kF)
  )
    note("Q41", `the folded image of ${lowered.in.s} x ${lowered.in.f} is too small`);
}

/** Quirks that follow from an operator's place in the partition. */
export function operatorQuirks(
  graph: Graph,
  op: Op,
  produced: ReadonlySet<number>,
  consumed: ReadonlySet<number>,
): Note[] {
  const notes: Note[] = [];
  const note = (quirk: string, why: string): void => void notes.push({ quirk, why });
  const tensor = (id: number): Tensor => graph.tensors[id]!;
  const deep = (id: number): boolean => extentOf(tensor(id)).c !== 1;
  const activation = (op.options as { activation?: string }).activation ?? "none";
  for (const id of op.outputs)
    if (deep(id) && consumed.has(id) && graph.outputs.includes(id))
      note("Q30", `tensor ${id} is consumed inside and a graph output: it is left planar`);

  switch (op.kind) {
    case "ADD":
      addQuirks(graph, op, produced, activation, note);
      break;
    case "CONCATENATION": {
      const output = tensor(op.outputs[0]!);
      for (const id of op.inputs)
        if (
          scaleOf(tensor(id)) !== scaleOf(output) ||
          rawZeroPoint(tensor(id)) !== rawZeroPoint(output)
        )
          note("Q26", `input ${id} has another quantisation than the output`);
      if (activation !== "none") note("Q26", `activation ${activation} is ignored`);
      if (new Set(op.inputs.map((id) => produced.has(id))).size > 1)
        note("Q26", "inputs from inside and outside of the partition have different layouts");
      break;
    }
    case "SPLIT":
      if (!produced.has(op.inputs[1]!) && deep(op.inputs[1]!))
        note("Q32", "a graph input is split without changing its layout");
      for (const id of op.outputs)
        if (!consumed.has(id) && deep(id)) note("Q32", `output ${id} is left planar`);
      break;
    case "PAD":
      if (isSigned(tensor(op.inputs[0]!))) note("Q34", "the zero point of int8 is not shifted");
      if (scaleOf(tensor(op.inputs[0]!)) !== scaleOf(tensor(op.outputs[0]!)))
        note("Q26", "input and output have different scales");
      break;
    case "FULLY_CONNECTED":
      note("Q59", "coefficients are in another order than the descriptor promises");
      if (isSigned(tensor(op.inputs[0]!))) note("Q38", "zero points of int8 are not shifted");
      if (activation !== "none") note("Q28", `activation ${activation} is ignored`);
      if (produced.has(op.inputs[0]!)) note("Q33", "the input is planar");
      break;
  }
  return notes;
}

function addQuirks(
  graph: Graph,
  op: Op,
  produced: ReadonlySet<number>,
  activation: string,
  note: (quirk: string, why: string) => void,
): void {
  const inputs = op.inputs.map((id) => graph.tensors[id]!);
  const output = graph.tensors[op.outputs[0]!]!;
  if (activation !== "none") note("Q25", `activation ${activation} is ignored`);
  for (const input of inputs)
    if (input.shape.join() !== output.shape.join())
      note("Q25", `shape [${input.shape}] is not the output's [${output.shape}]`);
  if (inputs.some((input) => !produced.has(input.id) && extentOf(input).c !== 1))
    note("Q31", "inputs of the partition are added as they are and the sum is rearranged");
  if (inputs.some(isSigned)) note("Q37", "zero points of int8 are squeezed into unsigned bytes");
  const first = op.inputs[0]!;
  const others = graph.ops.filter(
    (other) =>
      (other.inputs.includes(first) || other.outputs.includes(first)) &&
      ((other.kind === "ADD" && other.id !== op.id && other.inputs.includes(first)) ||
        other.kind === "CONCATENATION" ||
        (other.kind === "SPLIT" && other.outputs.includes(first))),
  );
  const feeds = others.filter(
    (other) => other.kind !== "CONCATENATION" || other.inputs.includes(first),
  );
  if (feeds.length > 0 || op.inputs[0] === op.inputs[1])
    note("Q46", `operand ${first} also has its place in another addition, concatenation or split`);
  const values = extentOf(inputs[0]!);
  const total = values.s * values.f * values.c;
  if (total / referenceAddRow(total) > MAX_SIZE)
    note("Q19", `${total} values make a row longer than ${MAX_SIZE}`);
}
