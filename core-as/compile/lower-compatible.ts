// Lowering as the reference driver does it, its quirks included (spec/lowering.md 2-5, 9, 10; spec/quirks.md).
// The reference calls TFLite dimension 1 "width" although it is the slow axis; here s = slow, f = fast throughout.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, QuirkFlag, RunSearch, WeightSource } from "../assembly/abi.ts";
import type { Chip } from "../hw/chips.ts";
import { optionsOf, type Graph, type Op, type Tensor } from "../ir/graph.ts";
import type {
  BufferRef,
  Lowered,
  NnRecord,
  NnWork,
  QuirkNote,
  TensorBuffer,
  TpProgram,
  TpWork,
  WeightPlan,
} from "./jobs.ts";
import { convQuirks, operatorQuirks } from "./compatible-quirks.ts";
import { reshufflePrograms } from "./compatible-tp.ts";
import {
  addFactors,
  ceilDiv,
  chipRecord,
  extentOf,
  floatBits,
  isSigned,
  largestFactor,
  partitionBorder,
  rawZeroPoint,
  referenceAddRow,
  roundAway,
  scaleOf,
  storedWeights,
  zp8,
} from "./lower-shared.ts";
import { bytesOf, type Extent } from "../ir/extent.ts";
import { detransposeProgram, padPrograms, transposeProgram } from "./tp-programs.ts";

/** A job before its tensors have buffers. CONCAT and SPLIT place tensors and run nothing. */
interface Draft {
  kind: "NN" | "TP" | "CONCAT" | "SPLIT";
  inputs: number[];
  outputs: number[];
  /** Bytes of each input; for CONCAT of every part. */
  inBytes: number[];
  outBytes: number[];
  build?: (input: BufferRef, input2: BufferRef | null, output: BufferRef) => NnWork | TpWork;
}

/** The convolution as the reference's lowering sees it, step by step changed. */
export interface ConvShape {
  in: Extent;
  out: Extent;
  kS: number;
  kF: number;
  stride: number;
  same: boolean;
  depthwise: boolean;
  pointwise: boolean;
  firstPixel: boolean;
}

const QUIRKS =
  QuirkFlag.READ_PAST_END |
  QuirkFlag.KERNEL_END_ZERO |
  QuirkFlag.TRUNCATE_MULTIPLIER |
  QuirkFlag.WRAP_SHIFT |
  QuirkFlag.WRAP_ROWS;

/** Fields of 13 and 14 bits overflow silently in the reference (Q18, Q19). */
const BITS_13 = 0x1fff;
const BITS_14 = 0x3fff;

/**
 * Lowers one partition.
 * @param graph the verified graph
 * @param ops operators of the partition, in plan order, all accepted by the reference's rules
 * @param chip target of NN core version 7
 */
export function lowerCompatible(graph: Graph, ops: readonly Op[], chip: Chip): Lowered {
  return new CompatibleLowering(graph, ops, chip).run();
}

class CompatibleLowering {
  private readonly drafts: Draft[] = [];
  private readonly quirks: QuirkNote[] = [];
  private readonly undefinedJobs: number[] = [];
  private readonly produced: Set<number>;
  private readonly consumed: Set<number>;
  private nextTensor: number;

  constructor(
    private readonly graph: Graph,
    private readonly ops: readonly Op[],
    private readonly chip: Chip,
  ) {
    this.produced = new Set(ops.flatMap((op) => op.outputs));
    this.consumed = new Set(ops.flatMap((op) => op.inputs));
    this.nextTensor = graph.tensors.length;
  }

  run(): Lowered {
    for (const op of this.ops) this.lowerOp(op);
    return this.place();
  }

  private lowerOp(op: Op): void {
    for (const note of operatorQuirks(this.graph, op, this.produced, this.consumed))
      this.quirks.push({ job: this.jobCount, ...note });
    switch (op.kind) {
      case "CONV_2D":
      case "DEPTHWISE_CONV_2D":
        return this.lowerConv(op);
      case "ADD":
        return this.lowerAdd(op);
      case "CONCATENATION":
        return this.lowerConcat(op);
      case "SPLIT":
        return this.lowerSplit(op);
      case "PAD":
        return this.lowerPad(op);
      default:
        return this.lowerFullyConnected(op);
    }
  }

  private get jobCount(): number {
    return this.drafts.filter((draft) => draft.kind === "NN" || draft.kind === "TP").length;
  }

  private tensor(id: number): Tensor {
    return this.graph.tensors[id]!;
  }

  private needTranspose(op: Op): boolean {
    return extentOf(this.tensor(op.inputs[0]!)).c !== 1 && !this.produced.has(op.inputs[0]!);
  }

  private tpDraft(
    op: TpWork["op"],
    sourceOp: number,
    ids: [input: number, output: number],
    sizes: [inBytes: number, outBytes: number],
    programs: TpProgram[],
  ): void {
    this.drafts.push({
      kind: "TP",
      inputs: [ids[0]],
      outputs: [ids[1]],
      inBytes: [sizes[0]],
      outBytes: [sizes[1]],
      build: (input, _input2, output) => ({ kind: "TP", op, sourceOp, programs, input, output }),
    });
  }

  /** Converts `id` from NHWC to planar and returns the new tensor. */
  private transpose(op: Op, id: number): number {
    const tensor = this.tensor(id);
    const extent = extentOf(tensor);
    const bytes = extent.s * extent.f * extent.c;
    const planar = this.nextTensor++;
    this.tpDraft(
      "transpose",
      op.id,
      [id, planar],
      [bytes, bytes],
      [transposeProgram(extent, zp8(tensor))],
    );
    return planar;
  }

  /** Converts output 0 of the operator's last job to NHWC, if nobody in the partition consumes it. */
  private detranspose(op: Op, zeroPoint: number): void {
    const id = op.outputs[0]!;
    const extent = extentOf(this.tensor(id));
    if (extent.c === 1 || this.consumed.has(id)) return;
    const planar = this.nextTensor++;
    this.drafts.at(-1)!.outputs[0] = planar;
    const bytes = extent.s * extent.f * extent.c;
    this.tpDraft(
      "detranspose",
      op.id,
      [planar, id],
      [bytes, bytes],
      [detransposeProgram(extent, zeroPoint)],
    );
  }

  // ---- convolution -------------------------------------------------------------------------------

  private lowerConv(op: Op): void {
    const [input, weight, bias] = op.inputs.map((id) => this.tensor(id));
    const output = this.tensor(op.outputs[0]!);
    const shape = this.initialShape(op, input!, weight!, output);
    let current = op.inputs[0]!;
    if (this.needTranspose(op)) current = this.transpose(op, current);
    if (needsReshuffle(shape)) current = this.reshuffle(op, current, input!, shape);

    const firstJob = this.jobCount;
    const before = { ...shape, in: { ...shape.in } };
    const weights = lowerWeights(shape, weight!, zp8(weight!));
    for (const note of convQuirks(before, shape, weight!, offsetOf(shape)))
      this.quirks.push({ job: firstJob, ...note });
    const biases = intsOf(bias!, shape.out.c);
    const record = this.convRecord(shape, weights, input!, weight!, output);
    record[NnJob.RELU] = activationOf(op) === "none" ? 0 : 1;
    if (shape.out.c % Math.min(shape.out.c, this.chip.nnCores) !== 0)
      this.undefinedJobs.push(firstJob);
    this.nnDraft(op, shape.depthwise ? "dwconv" : before.pointwise ? "pwconv" : "conv", record, {
      weights,
      biases,
      inputs: [current],
      inBytes: [shape.in.s * shape.in.f * shape.in.c],
      outBytes: shape.out.s * shape.out.f * shape.out.c,
    });
    this.detranspose(op, zp8(output));
  }

  private initialShape(op: Op, input: Tensor, weight: Tensor, output: Tensor): ConvShape {
    const options =
      op.kind === "CONV_2D" ? optionsOf(op, "CONV_2D") : optionsOf(op, "DEPTHWISE_CONV_2D");
    const [, kS = 1, kF = 1] = weight.shape;
    const depthwise = op.kind === "DEPTHWISE_CONV_2D";
    const pointwise = kS === 1 && kF === 1;
    const stride = options.strideW;
    return {
      in: extentOf(input),
      out: extentOf(output),
      kS,
      kF,
      stride,
      same: options.padding === "same",
      depthwise,
      pointwise,
      firstPixel: stride > 1 && (depthwise || pointwise),
    };
  }

  private reshuffle(op: Op, current: number, input: Tensor, shape: ConvShape): number {
    const { in: from, stride, same, kS } = shape;
    const more = same ? (kS === 5 ? 2 : 1) : 0;
    const to = {
      s: ceilDiv(from.s, stride) + more,
      f: ceilDiv(from.f, stride) + more,
      c: from.c * 4,
    };
    const reshuffled = this.nextTensor++;
    this.tpDraft(
      "reshuffle",
      op.id,
      [current, reshuffled],
      [from.s * from.f * from.c, to.s * to.f * to.c],
      reshufflePrograms(from, to, { kernel: kS, same, zp: zp8(input), tpCores: this.chip.tpCores }),
    );
    return reshuffled;
  }

  private convRecord(
    shape: ConvShape,
    weights: WeightPlan,
    input: Tensor,
    weight: Tensor,
    output: Tensor,
  ): NnRecord {
    const { kS, kF, in: from, out } = shape;
    const pointwise = shape.pointwise && out.c > 8;
    const doubling = shape.firstPixel ? 2 : 1;
    return {
      ...this.geometry(shape, offsetOf(shape)),
      ...this.quantisation(input, weight, output),
      [NnJob.TILE_OUT_X]: out.s * doubling,
      [NnJob.TILE_OUT_Y]: out.f * doubling,
      [NnJob.TILE_OUT_Z]: out.c,
      [NnJob.TILE_KERNEL_X]: kF,
      [NnJob.TILE_KERNEL_Y]: kF,
      [NnJob.TILE_ONE_ROW]: kS === 1 ? 1 : 0,
      [NnJob.STRIDE]: shape.stride,
      [NnJob.ORDER]: pointwise ? CoefOrder.POINTWISE : CoefOrder.INTERLEAVED,
      [NnJob.COEF_PLANES]: from.c,
      [NnJob.COEF_KERNELS]: out.c,
      [NnJob.ROWS]: kS,
      [NnJob.COLS]: kF,
      [NnJob.REST_END]: kS,
      // One-channel kernels are split only for depthwise jobs and big images (Q7).
      [NnJob.SPLIT_ROWS]: from.c > 1 || shape.depthwise || from.s > 64 ? 1 : 0,
      [NnJob.SOURCE]: weights.layout === "depthwise" ? WeightSource.DEPTHWISE : WeightSource.DENSE,
      [NnJob.DW_PLANES]: weights.destride ? 4 : 1,
      [NnJob.DW_MULTIPLIER]: 1,
      [NnJob.PAD_BYTE]: weights.pad,
      [NnJob.RUN_SEARCH]: shape.pointwise ? RunSearch.NONE : RunSearch.GREEDY,
    };
  }

  /** Sizes, strides and offset as the descriptor says them: x gets the larger side (Q15), kS goes to x (Q16). */
  private geometry(shape: ConvShape, offset: number): NnRecord {
    const { in: from, out, kS, kF } = shape;
    const exchange = from.f > from.s;
    const [inX, inY] = exchange ? [from.f, from.s] : [from.s, from.f];
    const [outX, outY] = exchange ? [out.f, out.s] : [out.s, out.f];
    const doubling = shape.firstPixel ? 2 : 1;
    return {
      ...chipRecord(this.chip),
      [NnJob.QUIRKS]: QUIRKS,
      [NnJob.IN_X]: inX & BITS_13,
      [NnJob.IN_Y]: inY & BITS_13,
      [NnJob.IN_Z]: from.c & BITS_14,
      [NnJob.OUT_X]: (outX * doubling) & BITS_13,
      [NnJob.OUT_Y]: (outY * doubling) & BITS_13,
      [NnJob.OUT_Z]: out.c & BITS_14,
      [NnJob.KERNEL_X]: kS,
      [NnJob.KERNEL_Y]: kF,
      [NnJob.OFFSET_X]: offset,
      [NnJob.OFFSET_Y]: offset,
      [NnJob.IN_X_STRIDE]: inX & 0xffff,
      [NnJob.IN_Y_STRIDE]: inY & 0xffff,
      [NnJob.OUT_X_STRIDE]: outX & 0xffff,
      [NnJob.OUT_Y_STRIDE]: outY & 0xffff,
      [NnJob.FIRST_PIXEL]: shape.firstPixel ? 1 : 0,
      // Both axes of the cached footprint use the x size (Q20).
      [NnJob.CACHE_KERNEL_X]: kS,
      [NnJob.CACHE_KERNEL_Y]: kS,
      [NnJob.OUT_PLANE]: out.s * out.f,
    };
  }

  private quantisation(input: Tensor, weight: Tensor, output: Tensor): NnRecord {
    return {
      [NnJob.IN_ZP]: zp8(input),
      [NnJob.OUT_ZP]: zp8(output),
      [NnJob.WEIGHT_ZP]: zp8(weight),
      [NnJob.IN_SCALE]: floatBits(scaleOf(input)),
      [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
      [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
    };
  }

  private nnDraft(
    op: Op,
    name: NnWork["op"],
    record: NnRecord,
    parts: {
      weights: WeightPlan;
      biases: Int32Array;
      inputs: number[];
      inBytes: number[];
      outBytes: number;
    },
  ): void {
    this.drafts.push({
      kind: "NN",
      inputs: parts.inputs,
      outputs: [op.outputs[0]!],
      inBytes: parts.inBytes,
      outBytes: [parts.outBytes],
      build: (input, input2, output) => ({
        kind: "NN",
        op: name,
        sourceOp: op.id,
        record,
        weights: parts.weights,
        biases: parts.biases,
        input,
        input2,
        output,
      }),
    });
  }

  // ---- addition ----------------------------------------------------------------------------------

  private lowerAdd(op: Op): void {
    const [a, b] = op.inputs.map((id) => this.tensor(id)) as [Tensor, Tensor];
    const output = this.tensor(op.outputs[0]!);
    const [sa, sb] = [scaleOf(a), scaleOf(b)];
    const { weightScale, w0, addOff } = addFactors(sa, sb);
    // Zero points go through 8 bits unshifted: wrong for signed tensors (Q37).
    const [za, zb] = [rawZeroPoint(a) & 0xff, rawZeroPoint(b) & 0xff];
    const distance = Math.fround(Math.fround(za - zb) * sb) / Math.fround(weightScale * sa);
    const scaled = roundAway(Math.fround(sb / sa) / weightScale);
    const from = extentOf(a);
    const out = extentOf(output);

    const row = referenceAddRow(from.s * from.f);
    const rows = (from.s * from.f * from.c) / row;
    const outRows = (out.s * out.f * out.c) / row;
    const shape: ConvShape = {
      in: { s: row, f: rows, c: 2 },
      out: { s: row, f: outRows, c: 1 },
      kS: 2,
      kF: 2,
      stride: 1,
      same: false,
      depthwise: false,
      pointwise: false,
      firstPixel: false,
    };
    const record: NnRecord = {
      ...this.geometry(shape, 0),
      [NnJob.IN_ZP]: zp8(a),
      [NnJob.OUT_ZP]: zp8(output),
      [NnJob.WEIGHT_ZP]: 0,
      [NnJob.IN_SCALE]: floatBits(sa),
      [NnJob.WEIGHT_SCALE]: floatBits(weightScale),
      [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
      [NnJob.RELU]: 0,
      [NnJob.TILE_OUT_X]: row,
      [NnJob.TILE_OUT_Y]: outRows,
      [NnJob.TILE_OUT_Z]: 1,
      [NnJob.TILE_KERNEL_X]: 2,
      [NnJob.TILE_KERNEL_Y]: 2,
      [NnJob.TILE_ONE_ROW]: 0,
      [NnJob.STRIDE]: 1,
      ...addCoefficients(addOff),
    };
    const inBytes = from.s * from.f * from.c;
    this.nnDraft(op, "add", record, {
      weights: storedWeights(Uint8Array.of(w0, 0, 0, 0)),
      biases: Int32Array.of(roundAway(distance) - scaled * za),
      inputs: [...op.inputs],
      inBytes: [inBytes, inBytes],
      outBytes: out.s * out.f * out.c,
    });
    this.detranspose(op, zp8(output));
  }

  // ---- concatenation, split, pad, fully connected ---------------------------------------------------

  private lowerConcat(op: Op): void {
    const inputs = this.needTranspose(op)
      ? op.inputs.map((id) => this.transpose(op, id))
      : [...op.inputs];
    const bytes = op.inputs.map((id) => bytesOf(extentOf(this.tensor(id))));
    this.drafts.push({
      kind: "CONCAT",
      inputs,
      outputs: [op.outputs[0]!],
      inBytes: bytes,
      outBytes: [bytesOf(extentOf(this.tensor(op.outputs[0]!)))],
    });
    this.detranspose(op, 0);
  }

  private lowerSplit(op: Op): void {
    const input = op.inputs[1]!;
    this.drafts.push({
      kind: "SPLIT",
      inputs: [input],
      outputs: [...op.outputs],
      inBytes: [bytesOf(extentOf(this.tensor(input)))],
      outBytes: op.outputs.map((id) => bytesOf(extentOf(this.tensor(id)))),
    });
  }

  private lowerPad(op: Op): void {
    const input = this.tensor(op.inputs[0]!);
    const from = extentOf(input);
    const to = extentOf(this.tensor(op.outputs[0]!));
    const current = this.needTranspose(op) ? this.transpose(op, op.inputs[0]!) : op.inputs[0]!;
    // The zero point is not shifted for signed tensors (Q34).
    const zp = rawZeroPoint(input) & 0xff;
    this.tpDraft(
      "pad",
      op.id,
      [current, op.outputs[0]!],
      [bytesOf(from), bytesOf(to)],
      padPrograms(from, 1, zp, this.chip.tpCores),
    );
    this.detranspose(op, zp);
  }

  private lowerFullyConnected(op: Op): void {
    const [input, weight, bias] = op.inputs.map((id) => this.tensor(id));
    const output = this.tensor(op.outputs[0]!);
    const values = input!.shape[1] ?? 1;
    const outC = output.shape[1] ?? 1;
    const kS = weight!.shape[1] ?? 1;
    const kernelX = largestFactor(values, 15);
    const kernelY = largestFactor(values / kernelX, 15);
    const raw = (tensor: Tensor): number => rawZeroPoint(tensor) & 0xff;
    const planes = values / kernelX / kernelY;
    const record: NnRecord = {
      ...this.geometry(
        {
          in: { s: kernelX, f: kernelY, c: planes },
          out: { s: 1, f: 1, c: outC },
          kS: kernelX,
          kF: kernelY,
          stride: 1,
          same: false,
          depthwise: false,
          pointwise: false,
          firstPixel: false,
        },
        0,
      ),
      ...this.quantisation(input!, weight!, output),
      // Neither zero points nor weights are shifted for signed tensors (Q38).
      [NnJob.IN_ZP]: raw(input!),
      [NnJob.OUT_ZP]: raw(output),
      [NnJob.WEIGHT_ZP]: raw(weight!),
      [NnJob.IN_X]: kernelX,
      [NnJob.IN_Y]: kernelY,
      [NnJob.IN_X_STRIDE]: kernelX,
      [NnJob.IN_Y_STRIDE]: kernelY,
      [NnJob.RELU]: 0,
      [NnJob.TILE_OUT_X]: 1,
      [NnJob.TILE_OUT_Y]: 1,
      [NnJob.TILE_OUT_Z]: outC,
      [NnJob.TILE_KERNEL_X]: 1,
      [NnJob.TILE_KERNEL_Y]: 1,
      [NnJob.TILE_ONE_ROW]: kS === 1 ? 1 : 0,
      [NnJob.STRIDE]: 1,
      // Plain order although the descriptor promises another one (Q59).
      [NnJob.ORDER]: CoefOrder.INTERLEAVED,
      [NnJob.COEF_PLANES]: 1,
      [NnJob.COEF_KERNELS]: outC,
      [NnJob.ROWS]: kS,
      [NnJob.COLS]: 1,
      [NnJob.REST_END]: 1,
      [NnJob.SPLIT_ROWS]: 0,
      [NnJob.SOURCE]: WeightSource.DENSE,
      [NnJob.DW_PLANES]: 1,
      [NnJob.DW_MULTIPLIER]: 1,
      [NnJob.PAD_BYTE]: 0,
      [NnJob.RUN_SEARCH]: RunSearch.GREEDY,
    };
    if (outC % Math.min(outC, this.chip.nnCores) !== 0) this.undefinedJobs.push(this.jobCount);
    this.nnDraft(op, "fc", record, {
      weights: storedWeights(weight!.constant!),
      biases: bias ? intsOf(bias, outC) : new Int32Array(outC),
      inputs: [op.inputs[0]!],
      inBytes: [values],
      outBytes: outC,
    });
  }

  // ---- tensor buffers (spec/lowering.md 10) ----------------------------------------------------------

  private place(): Lowered {
    const buffers: TensorBuffer[] = [];
    const places = new Map<number, BufferRef>();
    const sizes = new Map<number, number>();
    const create = (id: number, bytes: number): BufferRef => {
      let place = places.get(id);
      if (place === undefined) {
        const buffer = { id: buffers.length, bytes };
        buffers.push(buffer);
        place = { buffer, offset: 0 };
        places.set(id, place);
        sizes.set(id, bytes);
      }
      return place;
    };
    for (const draft of this.drafts) {
      if (draft.kind === "CONCAT") {
        const { buffer, offset } = create(draft.outputs[0]!, draft.outBytes[0]!);
        let at = offset;
        draft.inputs.forEach((id, i) => {
          places.set(id, { buffer, offset: at });
          sizes.set(id, draft.inBytes[i]!);
          at += draft.inBytes[i]!;
        });
      } else if (draft.kind === "SPLIT") {
        const { buffer, offset } = create(draft.inputs[0]!, draft.inBytes[0]!);
        let at = offset;
        draft.outputs.forEach((id, i) => {
          places.set(id, { buffer, offset: at });
          sizes.set(id, draft.outBytes[i]!);
          at += draft.outBytes[i]!;
        });
      } else if (draft.inputs.length === 2) {
        // The addition takes its first operand's place over, wherever it was (Q46).
        const [first, second] = draft.inputs as [number, number];
        places.delete(first);
        const { buffer } = create(first, draft.inBytes[0]! + draft.inBytes[1]!);
        places.set(second, { buffer, offset: draft.inBytes[0]! });
        sizes.set(second, draft.inBytes[1]!);
      } else {
        create(draft.inputs[0]!, draft.inBytes[0]!);
      }
    }
    for (const draft of this.drafts) create(draft.outputs[0]!, draft.outBytes[0]!);

    const jobs = this.drafts.flatMap((draft) =>
      draft.build
        ? [
            draft.build(
              places.get(draft.inputs[0]!)!,
              draft.inputs.length === 2 ? places.get(draft.inputs[1]!)! : null,
              places.get(draft.outputs[0]!)!,
            ),
          ]
        : [],
    );
    const border = partitionBorder(this.graph, this.ops);
    const port = (tensor: number): { tensor: number; place: BufferRef; bytes: number } => ({
      tensor,
      place: places.get(tensor)!,
      bytes: bytesOf(extentOf(this.tensor(tensor))),
    });
    return {
      jobs,
      buffers,
      inputs: border.entering.filter((id) => places.has(id)).map(port),
      outputs: border.leaving.filter((id) => places.has(id)).map(port),
      quirks: this.quirks,
      undefinedJobs: this.undefinedJobs,
    };
  }
}

function activationOf(op: Op): string {
  return (op.options as { activation?: string }).activation ?? "none";
}

/** Whether the reference folds the stride into channels by a TP job (v7). */
function needsReshuffle({ stride, depthwise, pointwise, in: from }: ConvShape): boolean {
  if (stride === 1 || pointwise) return false;
  return !(depthwise && (from.s > 5 || from.s < 3));
}

/**
 * Weight steps of spec/lowering.md 4; changes `shape` to what the NN job sees.
 * @param zeroPoint weight zero point in the NN cores' unsigned form
 */
function lowerWeights(shape: ConvShape, weight: Tensor, zeroPoint: number): WeightPlan {
  const signed = isSigned(weight);
  const plan: WeightPlan = {
    bytes: weight.constant!,
    layout: "as-is",
    outC: shape.out.c,
    kS: shape.kS,
    kF: shape.kF,
    inC: shape.in.c,
    channels: Math.min(shape.in.c, shape.out.c),
    destride: false,
    widen: false,
    pad: signed ? (zeroPoint - 128) & 0xff : zeroPoint,
    // Signed weights are sent as they are stored (Q4).
    flip: 0,
  };
  if (shape.pointwise && shape.in.c === 1) {
    shape.kS = shape.kF = plan.kS = plan.kF = 2;
    shape.pointwise = false;
    plan.widen = true;
    plan.layout = "widened";
  }
  if (shape.depthwise && (shape.out.c > 1 || shape.stride > 1)) {
    if (shape.in.s > 2 && shape.in.s < 8) shape.firstPixel = false;
    plan.layout = "depthwise";
  }
  if (shape.stride > 1 && !shape.firstPixel) {
    const more = shape.same ? (shape.kS === 5 ? 2 : 1) : 0;
    shape.in = {
      s: ceilDiv(shape.in.s, 2) + more,
      f: ceilDiv(shape.in.f, 2) + more,
      c: shape.in.c * 4,
    };
    shape.kS = ceilDiv(shape.kS, 2);
    shape.kF = ceilDiv(shape.kF, 2);
    plan.destride = true;
    if (plan.layout === "as-is") plan.layout = "destrided";
  } else if (shape.in.c > 1 && plan.layout === "as-is" && shape.kS * shape.kF > 1) {
    plan.layout = "transposed";
  }
  return plan;
}

/** The one padding offset that the reference gives to both axes (spec/lowering.md 8). */
function offsetOf(shape: ConvShape): number {
  if (!shape.same || shape.kS <= 2) return 0;
  if (shape.stride === 1) return shape.kS < 5 ? -1 : -2;
  const x = Math.max(shape.in.s, shape.in.f);
  const kx = shape.kS;
  if (!(x < 5 || (shape.depthwise && (kx === 5 || x === 5)))) return 0;
  return (x <= 5 && kx < 5) || (x > 5 && kx >= 5) ? -1 : -2;
}

/** The encoder's side of an addition: one 2x2 kernel, its second weight in place of the output offset. */
function addCoefficients(addOff: number): NnRecord {
  return {
    [NnJob.ORDER]: CoefOrder.INTERLEAVED,
    [NnJob.COEF_PLANES]: 1,
    [NnJob.COEF_KERNELS]: 1,
    [NnJob.ROWS]: 2,
    [NnJob.COLS]: 2,
    [NnJob.REST_END]: 2,
    [NnJob.SPLIT_ROWS]: 0,
    [NnJob.SOURCE]: WeightSource.DENSE,
    [NnJob.DW_PLANES]: 1,
    [NnJob.DW_MULTIPLIER]: 1,
    [NnJob.PAD_BYTE]: 0,
    [NnJob.IS_ADD]: 1,
    [NnJob.ADD_WORD]: addOff,
    // A run would hide the second weight, which is a word to the encoder and four weights to the hardware.
    [NnJob.RUN_SEARCH]: RunSearch.NONE,
  };
}

/** The first `count` values of an int32 constant. */
function intsOf(tensor: Tensor, count: number): Int32Array {
  const bytes = tensor.constant!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: count }, (_, i) =>
    i * 4 + 4 <= bytes.byteLength ? view.getInt32(i * 4, true) : 0,
  );
}
