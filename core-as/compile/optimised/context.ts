// What the lowering of every operator works with: tensors in both layouts, their places, and the list of jobs.
// SPDX-License-Identifier: MIT
import { NnJob } from "../../assembly/abi.ts";
import type { Chip } from "../../hw/chips.ts";
import type { LayerBound } from "../../executable/executable.ts";
import { bytesOf, flatExtent, type Extent } from "../../ir/extent.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import type { BufferRef, Fold, Lowered, NnRecord, NnWork, TpProgram, TpWork } from "../jobs.ts";
import { floatBits, partitionBorder, scaleOf, zp8 } from "../lower-shared.ts";
import { padPrograms, transposeProgram } from "../tp-programs.ts";
import type { ConvGeometry } from "../../legalise/conv-geometry.ts";
import { RENAMINGS } from "../../legalise/npu-operators.ts";
import type { PlanarExchange } from "./exchange.ts";
import { mergePadding, type MergedPadding } from "./merge-padding.ts";
import { Placement } from "./placement.ts";
import { NO_PLANS, type ChannelPlans } from "./per-channel/plan.ts";
import { toNhwcProgram } from "./tp.ts";

type Resolve = (node: number) => BufferRef;
type Draft = (resolve: Resolve) => NnWork | TpWork;

/** An NN job before its tensors have places. */
export interface NnDraft extends Pick<NnWork, "op" | "record" | "weights" | "biases"> {
  /** Nodes of the planar input and output. */
  from: number;
  to: number;
}

/**
 * Predicted milliseconds of an NN job with a good plan, its start included.
 * @param record its geometry, tiling and chip members
 * @param coefficientBytes about
 */
export type JobPrice = (record: NnRecord, coefficientBytes: number) => number;

/** What lowering may do in more than one way. */
export interface LoweringChoices {
  /**
   * Picks one of several ways to compute the strides of a convolution with these weights.
   * @param fromNhwc a fold would change the layout of the image in the same pass
   */
  strides(geometry: ConvGeometry, weight: Tensor, fromNhwc: boolean): ConvGeometry;
  /** Prices a job that is only considered. */
  jobMs: JobPrice;
  /** Layout and fold of an image in one pass. */
  mergeLayouts: boolean;
  /** Two operators that reorder values as one. */
  foldMovements: boolean;
  /** Tensors that cross borders in planar order. */
  exchange: PlanarExchange;
}

/** One partition while it is lowered. Tensors are planar inside; layouts change only at its border. */
export class LoweringContext {
  readonly placement = new Placement();
  /** Convolutions that pad their image themselves, by their ids. */
  readonly mergedPadding: ReadonlyMap<number, MergedPadding>;
  /** Operators that lowering itself found to need no job. */
  readonly folds: Fold[] = [];
  /** By node of planes: node of these and, behind them, of those at a fraction (per-channel/supply.ts). */
  readonly fractions = new Map<number, { both: number; parts: number }>();
  private readonly drafts: Draft[] = [];
  /** Nodes of tensors in planar and in NHWC order. */
  private readonly planar = new Map<number, number>();
  private readonly nhwc = new Map<number, number>();
  private readonly entering: readonly number[];
  /** Nodes of what the host writes. */
  private readonly entered = new Map<number, number>();
  private readonly leaving: ReadonlySet<number>;
  /** Operators of the partition that read a tensor. */
  private readonly readers = new Map<number, Op[]>();
  private readonly producers = new Map<number, Op>();
  private readonly ports = new Map<number, number>();
  /** What layers with a scale for each channel do about their one multiplier. */
  private readonly accuracies: LayerBound[] = [];

  constructor(
    readonly graph: Graph,
    ops: readonly Op[],
    readonly chip: Chip,
    /** Layers may take more jobs to round as TFLite does. */
    readonly exactRounding: boolean,
    readonly choices: LoweringChoices,
    readonly channels: ChannelPlans = NO_PLANS,
  ) {
    this.mergedPadding = mergePadding(graph, ops, chip);
    const border = partitionBorder(graph, ops);
    this.entering = border.entering;
    this.leaving = new Set(border.leaving);
    for (const id of this.entering) this.entered.set(id, this.placement.add(this.bytes(id)));
    for (const [id, node] of this.entered) this.define(id, node, choices.exchange.planar.has(id));
    for (const op of ops) for (const id of op.outputs) this.producers.set(id, op);
    for (const op of ops)
      for (const id of op.inputs) this.readers.set(id, [...(this.readers.get(id) ?? []), op]);
  }

  /** Gives every tensor its place and builds the jobs; nothing may be drafted afterwards. */
  finish(): Lowered {
    const resolve: Resolve = (node) => this.placement.resolve(node);
    const jobs = this.drafts.map((draft) => draft(resolve));
    const port = (tensor: number, node: number): Lowered["inputs"][number] => ({
      tensor,
      place: resolve(node),
      bytes: this.bytes(tensor),
      ...(this.choices.exchange.planar.has(tensor) && { planar: true as const }),
    });
    const inputs = this.entering.map((id) => port(id, this.entered.get(id)!));
    const outputs = [...this.ports].map(([id, node]) => port(id, node));
    const buffers = this.placement.allBuffers();
    const { accuracies, folds } = this;
    return { jobs, folds, buffers, inputs, outputs, quirks: [], undefinedJobs: [], accuracies };
  }

  /** Says how near to TFLite's a layer is. */
  note(accuracy: LayerBound): void {
    this.accuracies.push(accuracy);
  }

  tensor(id: number): Tensor {
    return this.graph.tensors[id]!;
  }

  extent(id: number): Extent {
    return flatExtent(this.tensor(id).shape);
  }

  bytes(id: number): number {
    return bytesOf(this.extent(id));
  }

  /** Drafts a TP job; `table` is the look-up table of its programs. */
  tp(
    op: TpWork["op"],
    sourceOp: number,
    from: number,
    to: number,
    programs: TpProgram[],
    table?: Uint8Array,
  ): void {
    this.drafts.push((resolve) => ({
      kind: "TP",
      op,
      sourceOp,
      programs,
      ...(table ? { table } : {}),
      input: resolve(from),
      output: resolve(to),
    }));
  }

  /** The tensor in planar order; converted once, however many operators read it. */
  planarOf(op: Op, id: number): number {
    const known = this.planar.get(id);
    if (known !== undefined) return known;
    const source = this.nhwc.get(id)!;
    const extent = this.extent(id);
    if (sameInBothLayouts(extent)) return source;
    const node = this.placement.add(this.bytes(id));
    this.tp("transpose", op.id, source, node, [transposeProgram(extent, zp8(this.tensor(id)))]);
    this.planar.set(id, node);
    return node;
  }

  /** Node of an image in NHWC order that only this operator's fold reads; null = fold the planar one. */
  nhwcForFold(op: Op, id: number): number | null {
    if (!this.choices.mergeLayouts || this.planar.has(id)) return null;
    const only = this.readers.get(id)!.every((reader) => reader === op);
    return only && !sameInBothLayouts(this.extent(id)) ? this.nhwc.get(id)! : null;
  }

  /** The tensor in NHWC order; converted once. */
  nhwcOf(op: Op, id: number): number {
    const known = this.nhwc.get(id);
    if (known !== undefined) return known;
    const source = this.planar.get(id)!;
    const extent = this.extent(id);
    if (sameInBothLayouts(extent)) return source;
    const node = this.placement.add(this.bytes(id));
    this.tp("detranspose", op.id, source, node, [toNhwcProgram(extent, zp8(this.tensor(id)))]);
    this.nhwc.set(id, node);
    return node;
  }

  /** Says where a planar tensor lies: for operators that only rename or cut one. */
  alias(id: number, node: number): void {
    this.planar.set(id, node);
  }

  /** The order in which a tensor exists; planar when it does in both. */
  formOf(id: number): { node: number; planar: boolean } {
    const planar = this.planar.get(id);
    return planar !== undefined
      ? { node: planar, planar: true }
      : { node: this.nhwc.get(id)!, planar: false };
  }

  /** Says where a tensor lies, in one of the orders. */
  define(id: number, node: number, planar: boolean): void {
    (planar ? this.planar : this.nhwc).set(id, node);
  }

  /** The operator of the partition that computes a tensor. */
  producerOf(id: number): Op | undefined {
    return this.producers.get(id);
  }

  isReadInside(id: number): boolean {
    return this.readers.has(id);
  }

  /** The order to write a tensor in: NHWC where it only leaves or gets another shape. */
  wantsPlanar(id: number): boolean {
    if (this.choices.exchange.candidates.has(id) && this.leaving.has(id)) return true;
    return (this.readers.get(id) ?? []).some((op) => !RENAMINGS.includes(op.kind));
  }

  /** A new planar node for an output of the operator. */
  produce(id: number): number {
    const node = this.placement.add(this.bytes(id));
    this.planar.set(id, node);
    return node;
  }

  /** Nodes of input and output of an operator on single bytes: it keeps the layout that its input has. */
  produceLike(input: number, output: number): { from: number; to: number } {
    const planar = this.planar.get(input);
    if (planar !== undefined) return { from: planar, to: this.produce(output) };
    const to = this.placement.add(this.bytes(output));
    this.nhwc.set(output, to);
    return { from: this.nhwc.get(input)!, to };
  }

  /** Makes the operator's outputs visible outside, where somebody reads them (Q30, Q32); planar where only other partitions do. */
  publish(op: Op): void {
    const { candidates, planar } = this.choices.exchange;
    for (const id of op.outputs) {
      if (!this.leaving.has(id)) continue;
      const stays = candidates.has(id) && this.formOf(id).planar && !this.isSameInBoth(id);
      if (stays) planar.add(id);
      this.ports.set(id, stays ? this.planar.get(id)! : this.nhwcOf(op, id));
    }
  }

  private isSameInBoth(id: number): boolean {
    return sameInBothLayouts(this.extent(id));
  }

  /** Makes room for a tensor at a fraction behind it; returns the node of both. */
  withFractions(node: number, parts: number): number {
    const both = this.placement.add(2 * this.placement.bytesOf(node));
    this.placement.attach(node, both, 0);
    this.fractions.set(node, { both, parts });
    return both;
  }

  /** Bytes that lie behind a tensor and can move with it. */
  bytesBehind(id: number): number {
    const node = this.planar.get(id);
    const all = node === undefined ? undefined : this.fractions.get(node)?.both;
    const moves =
      all !== undefined && this.placement.isFree(all) && this.placement.isIn(node!, all);
    return moves ? this.placement.bytesOf(all) - this.placement.bytesOf(node!) : 0;
  }

  /**
   * Puts a tensor at `offset` of `container`, or a copy of it when it already lies elsewhere (Q46).
   * @param behind room for what lies behind it already, in bytes
   */
  place(op: Op, id: number, container: number, offset: number, behind = 0): void {
    const node = this.planarOf(op, id);
    if (behind > 0) {
      this.placement.attach(this.fractions.get(node)!.both, container, offset);
      return;
    }
    if (this.placement.isFree(node)) {
      this.placement.attach(node, container, offset);
      return;
    }
    const copy = this.placement.addPiece(this.bytes(id), container, offset);
    const extent = this.extent(id);
    const zp = zp8(this.tensor(id));
    const cores = Math.min(this.chip.tpCores, extent.c);
    this.tp("copy", op.id, node, copy, padPrograms(extent, 0, { in: zp, out: zp }, cores));
  }

  /** Drafts an NN job of the operator. */
  nn(op: Op, { op: name, record, weights, biases, from, to }: NnDraft): void {
    this.drafts.push((resolve) => ({
      kind: "NN",
      op: name,
      sourceOp: op.id,
      record,
      weights,
      biases,
      input: resolve(from),
      input2: null,
      output: resolve(to),
    }));
  }

  /** Zero points and scales of a job's input and output. */
  quantisation(input: Tensor, output: Tensor): NnRecord {
    return {
      [NnJob.IN_ZP]: zp8(input),
      [NnJob.OUT_ZP]: zp8(output),
      [NnJob.IN_SCALE]: floatBits(scaleOf(input)),
      [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
    };
  }
}

/** One channel, or one pixel: NHWC and planar are the same bytes. */
function sameInBothLayouts({ s, f, c }: Extent): boolean {
  return c === 1 || s * f === 1;
}
