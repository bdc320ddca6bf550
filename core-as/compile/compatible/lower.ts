// Lowering as the reference driver does it, its quirks included (spec/lowering.md 2-6; spec/quirks.md).
// The reference calls TFLite dimension 1 "width" although it is the slow axis; here s = slow, f = fast throughout.
// SPDX-License-Identifier: MIT
import { NnJob, TpJob } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import { bytesOf } from "../../ir/extent.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import type {
  Lowered,
  NnRecord,
  NnWork,
  QuirkNote,
  TpProgram,
  TpWork,
  WeightPlan,
} from "../jobs.ts";
import { ceilDiv, extentOf, rawZeroPoint, storedWeights, zp8 } from "../lower-shared.ts";
import { detransposeProgram, padPrograms, transposeProgram } from "../tp-programs.ts";
import { initialShape, lowerWeights, offsetOf, type ConvShape } from "./conv.ts";
import { placeDrafts, type Draft } from "./placement.ts";
import { convQuirks, operatorQuirks } from "./quirks.ts";
import { convRecord, fullyConnectedRecord } from "./records.ts";
import { reshufflePrograms } from "./reshuffle.ts";
import type { ReferenceRules } from "./rules.ts";
import { rulesOf } from "./versions.ts";

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
  private readonly rules: ReferenceRules;

  constructor(
    private readonly graph: Graph,
    private readonly ops: readonly Op[],
    private readonly chip: Chip,
  ) {
    this.produced = new Set(ops.flatMap((op) => op.outputs));
    this.consumed = new Set(ops.flatMap((op) => op.inputs));
    this.nextTensor = graph.tensors.length;
    this.rules = rulesOf(chip);
  }

  run(): Lowered {
    for (const op of this.ops) this.lowerOp(op);
    const placed = placeDrafts(this.graph, this.ops, this.drafts);
    return { ...placed, quirks: this.quirks, undefinedJobs: this.undefinedJobs };
  }

  private lowerOp(op: Op): void {
    for (const note of operatorQuirks(this.graph, op, this.produced, this.consumed, this.rules))
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
    exact: TpProgram[],
  ): void {
    const programs = exact.map(wrapFields);
    const wrapped = exact.flatMap((program, i) => changedMembers(program, programs[i]!));
    if (wrapped.length > 0)
      this.quirks.push({
        job: this.jobCount,
        quirk: wrapped.some((value) => value < 0) ? "Q44" : "Q43",
        why: `${wrapped.join(", ")} of the TP job does not fit its 16-bit field and wraps`,
      });
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
    const shape = initialShape(op, input!, weight!, output);
    shape.firstPixel = this.rules.firstPixel(shape);
    let current = op.inputs[0]!;
    if (this.needTranspose(op)) current = this.transpose(op, current);
    if (this.rules.needsReshuffle(shape)) current = this.reshuffle(op, current, input!, shape);

    const firstJob = this.jobCount;
    const before = { ...shape, in: { ...shape.in } };
    const weights = lowerWeights(shape, weight!, zp8(weight!), this.rules.lowerDepthwise);
    for (const note of [
      ...this.rules.convQuirks(before, shape, weight!, this.chip),
      ...convQuirks(before, shape, offsetOf(shape)),
    ])
      this.quirks.push({ job: firstJob, ...note });
    const biases = intsOf(bias!, shape.out.c);
    const record: NnRecord = {
      ...convRecord(this.chip, shape, weights, input!, weight!, output),
      ...this.rules.coefficients(shape, weights),
      [NnJob.RELU]: activationOf(op) === "none" ? 0 : 1,
    };
    this.noteUndefined(shape.out.c);
    this.nnDraft(op, shape.depthwise ? "dwconv" : before.pointwise ? "pwconv" : "conv", record, {
      weights,
      biases,
      inputs: [current],
      inBytes: [shape.in.s * shape.in.f * shape.in.c],
      outBytes: shape.out.s * shape.out.f * shape.out.c,
    });
    this.detranspose(op, zp8(output));
  }

  /** Notes the job about to be drafted when cores get kernels of channels that do not exist (Q1). */
  private noteUndefined(channels: number): void {
    if (this.rules.readsPastEnd && channels % Math.min(channels, this.chip.nnCores) !== 0)
      this.undefinedJobs.push(this.jobCount);
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
    const { record, weights, biases } = this.rules.addParts(this.chip, a, b, output);
    const inBytes = bytesOf(extentOf(a));
    this.nnDraft(op, "add", record, {
      weights,
      biases,
      inputs: [...op.inputs],
      inBytes: [inBytes, inBytes],
      outBytes: bytesOf(extentOf(output)),
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

    const current = this.needTranspose(op) ? this.transpose(op, op.inputs[0]!) : op.inputs[0]!;
    const output = this.tensor(op.outputs[0]!);
    // Zero points are not shifted for signed tensors (Q34).
    const zp = { in: rawZeroPoint(input) & 0xff, out: rawZeroPoint(output) & 0xff };
    this.tpDraft(
      "pad",
      op.id,
      [current, op.outputs[0]!],
      [bytesOf(from), bytesOf(extentOf(output))],
      padPrograms(from, 1, zp, this.chip.tpCores),
    );
    this.detranspose(op, zp.out);
  }

  private lowerFullyConnected(op: Op): void {
    const [input, weight, bias] = op.inputs.map((id) => this.tensor(id)) as Tensor[];
    const output = this.tensor(op.outputs[0]!);
    const outC = output.shape[1] ?? 1;
    this.noteUndefined(outC);
    this.nnDraft(op, "fc", fullyConnectedRecord(this.chip, input!, weight!, output), {
      weights: storedWeights(weight!.constant!),
      biases: intsOf(bias!, outC),
      inputs: [op.inputs[0]!],
      inBytes: [input!.shape[1] ?? 1],
      outBytes: outC,
    });
  }
}

/** Members with fields of 32 bits, and window starts, which are small and signed. */
const WIDE: ReadonlySet<number> = new Set([
  TpJob.IN_SLICE,
  TpJob.INC_0,
  TpJob.INC_1,
  TpJob.INC_2,
  TpJob.INC_3,
  TpJob.INC_4,
  TpJob.INC_5,
  TpJob.INC_6,
  TpJob.WINDOW_X_START,
  TpJob.WINDOW_Y_START,
]);

/** The reference stores everything else modulo 2^16 (Q43). */
function wrapFields(program: TpProgram): TpProgram {
  const record = Object.fromEntries(
    Object.entries(program.record).map(([member, value]) => [
      member,
      WIDE.has(Number(member)) ? value : value! & 0xffff,
    ]),
  );
  return { ...program, record };
}

/** Values of `exact` that are others in `stored`. */
function changedMembers(exact: TpProgram, stored: TpProgram): number[] {
  return Object.entries(exact.record)
    .filter(([member, value]) => value !== stored.record[Number(member) as TpJob])
    .map(([, value]) => value!);
}

function activationOf(op: Op): string {
  return (op.options as { activation?: string }).activation ?? "none";
}

/** The first `count` values of an int32 constant. */
function intsOf(tensor: Tensor, count: number): Int32Array {
  const bytes = tensor.constant!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: count }, (_, i) =>
    i * 4 + 4 <= bytes.byteLength ? view.getInt32(i * 4, true) : 0,
  );
}
