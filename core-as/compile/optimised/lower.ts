// Lowering of optimised mode: the mechanisms of the reference with every quirk that changes results corrected.
// Tensors are planar inside a partition; layouts change only where a tensor crosses its border.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, WeightSource } from "../../assembly/abi.ts";
import { GraphError } from "../../errors.ts";
import type { Chip } from "../../hw/chips.ts";
import { bytesOf, flatExtent, type Extent } from "../../ir/extent.ts";
import type { Graph, Op, Tensor } from "../../ir/graph.ts";
import { addSides, convGeometry, type ConvGeometry } from "../../legalise/conv-geometry.ts";
import type {
  BufferRef,
  Lowered,
  NnRecord,
  NnWork,
  TpProgram,
  TpWork,
  WeightPlan,
} from "../jobs.ts";
import { floatBits, partitionBorder, scaleOf, storedWeights, zp8 } from "../lower-shared.ts";
import { padPrograms, transposeProgram } from "../tp-programs.ts";
import { biasesOf, closestAddFactors, factorOf, nudgeBiases } from "./numerics.ts";
import { Placement } from "./placement.ts";
import { convRecord, convWeights, imageRecord } from "./records.ts";
import { reshufflePrograms, toNhwcProgram } from "./tp.ts";

type Resolve = (node: number) => BufferRef;
type Draft = (resolve: Resolve) => NnWork | TpWork;

/**
 * Lowers one partition.
 * @param graph the verified graph
 * @param ops operators of the partition in plan order; all satisfy the optimised constraints
 * @param chip target of NN core version 7
 */
export function lowerOptimised(graph: Graph, ops: readonly Op[], chip: Chip): Lowered {
  return new OptimisedLowering(graph, ops, chip).run();
}

class OptimisedLowering {
  private readonly placement = new Placement();
  private readonly drafts: Draft[] = [];
  /** Nodes of tensors in planar and in NHWC order. */
  private readonly planar = new Map<number, number>();
  private readonly nhwc = new Map<number, number>();
  private readonly entering: readonly number[];
  private readonly leaving: ReadonlySet<number>;
  private readonly ports = new Map<number, number>();

  constructor(
    private readonly graph: Graph,
    private readonly ops: readonly Op[],
    private readonly chip: Chip,
  ) {
    const border = partitionBorder(graph, ops);
    this.entering = border.entering;
    this.leaving = new Set(border.leaving);
  }

  run(): Lowered {
    for (const id of this.entering) this.nhwc.set(id, this.placement.add(this.bytes(id)));
    for (const op of this.ops) this.lowerOp(op);
    const resolve: Resolve = (node) => this.placement.resolve(node);
    const jobs = this.drafts.map((draft) => draft(resolve));
    const port = (tensor: number, node: number): Lowered["inputs"][number] => ({
      tensor,
      place: resolve(node),
      bytes: this.bytes(tensor),
    });
    const inputs = this.entering.map((id) => port(id, this.nhwc.get(id)!));
    const outputs = [...this.ports].map(([id, node]) => port(id, node));
    const buffers = this.placement.allBuffers();
    return { jobs, buffers, inputs, outputs, quirks: [], undefinedJobs: [] };
  }

  private lowerOp(op: Op): void {
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
      case "FULLY_CONNECTED":
        return this.lowerFullyConnected(op);
      default:
        throw new GraphError(
          `operator ${op.id} (${op.kind}) has no lowering`,
          { op: op.id },
          "lower",
        );
    }
  }

  // ---- tensors and layouts -------------------------------------------------------------------------

  private tensor(id: number): Tensor {
    return this.graph.tensors[id]!;
  }

  private extent(id: number): Extent {
    return flatExtent(this.tensor(id).shape);
  }

  private bytes(id: number): number {
    return bytesOf(this.extent(id));
  }

  private tp(
    op: TpWork["op"],
    sourceOp: number,
    from: number,
    to: number,
    programs: TpProgram[],
  ): void {
    this.drafts.push((resolve) => ({
      kind: "TP",
      op,
      sourceOp,
      programs,
      input: resolve(from),
      output: resolve(to),
    }));
  }

  /** The tensor in planar order; converted once, however many operators read it. */
  private planarOf(op: Op, id: number): number {
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

  /** The tensor in NHWC order; converted once. */
  private nhwcOf(op: Op, id: number): number {
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

  /** A new planar node for an output of the operator. */
  private produce(id: number): number {
    const node = this.placement.add(this.bytes(id));
    this.planar.set(id, node);
    return node;
  }

  /** Makes the operator's outputs visible outside, where somebody reads them (Q30, Q32). */
  private publish(op: Op): void {
    for (const id of op.outputs) if (this.leaving.has(id)) this.ports.set(id, this.nhwcOf(op, id));
  }

  /** Puts a tensor at `offset` of `container`, or a copy of it when it already lies elsewhere (Q46). */
  private place(op: Op, id: number, container: number, offset: number): void {
    const node = this.planarOf(op, id);
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

  // ---- operators -----------------------------------------------------------------------------------

  private lowerConv(op: Op): void {
    const geometry = convGeometry(this.graph, op);
    const [input, weight] = op.inputs.map((id) => this.tensor(id)) as [Tensor, Tensor];
    let node = this.planarOf(op, input.id);
    const { folded } = geometry;
    if (folded) {
      const reshuffled = this.placement.add(geometry.in.c * 4 * folded.rows * folded.columns);
      const shape = {
        from: geometry.in,
        ...folded,
        padTop: geometry.padTop,
        padLeft: geometry.padLeft,
      };
      this.tp(
        "reshuffle",
        op.id,
        node,
        reshuffled,
        reshufflePrograms(shape, zp8(input), this.chip.tpCores),
      );
      node = reshuffled;
    }
    const weights = convWeights(geometry, weight);
    const record = convRecord(this.chip, geometry, weights);
    const pointwise = geometry.kS === 1 && geometry.kF === 1;
    this.nn(
      op,
      geometry.depthwise ? "dwconv" : pointwise ? "pwconv" : "conv",
      node,
      record,
      weights,
    );
  }

  private lowerFullyConnected(op: Op): void {
    const [input, weight] = op.inputs.map((id) => this.tensor(id)) as [Tensor, Tensor];
    const [outC = 1, inC = 1] = weight.shape;
    // A fully connected layer is a 1x1 convolution of an image with one pixel per batch item.
    const pixels = this.bytes(input.id) / inC;
    const extent = { s: 1, f: pixels, c: inC };
    let node: number;
    if (pixels === 1) {
      node = this.nhwcOf(op, input.id);
    } else if (this.extent(input.id).c === inC) {
      node = this.planarOf(op, input.id);
    } else {
      node = this.placement.add(this.bytes(input.id));
      const from = this.nhwcOf(op, input.id);
      this.tp("transpose", op.id, from, node, [transposeProgram(extent, zp8(input))]);
    }
    const geometry: ConvGeometry = {
      in: extent,
      out: { s: 1, f: pixels, c: outC },
      kS: 1,
      kF: 1,
      stride: 1,
      padTop: 0,
      padLeft: 0,
      depthwise: false,
      widen: inC === 1,
      firstPixel: false,
      folded: null,
    };
    const weights = convWeights(geometry, weight);
    this.nn(op, "fc", node, convRecord(this.chip, geometry, weights), weights);
  }

  /** Drafts the NN job of a convolution or fully connected layer and publishes its output. */
  private nn(op: Op, name: NnWork["op"], node: number, shape: NnRecord, weights: WeightPlan): void {
    const [input, weight] = op.inputs.map((id) => this.tensor(id)) as [Tensor, Tensor];
    const output = this.tensor(op.outputs[0]!);
    const record: NnRecord = {
      ...shape,
      ...this.quantisation(input, output),
      [NnJob.WEIGHT_ZP]: zp8(weight),
      [NnJob.WEIGHT_SCALE]: floatBits(scaleOf(weight)),
      [NnJob.RELU]: reluOf(op),
    };
    const target = this.produce(output.id);
    const biases = biasesOf(this.graph, op, shape[NnJob.OUT_Z]!);
    if (record[NnJob.RELU] === 1) nudgeBiases(biases, factorOf(input, weight, output));
    this.drafts.push((resolve) => ({
      kind: "NN",
      op: name,
      sourceOp: op.id,
      record,
      weights,
      biases,
      input: resolve(node),
      input2: null,
      output: resolve(target),
    }));
    this.publish(op);
  }

  private quantisation(input: Tensor, output: Tensor): NnRecord {
    return {
      [NnJob.IN_ZP]: zp8(input),
      [NnJob.OUT_ZP]: zp8(output),
      [NnJob.IN_SCALE]: floatBits(scaleOf(input)),
      [NnJob.OUT_SCALE]: floatBits(scaleOf(output)),
    };
  }

  private lowerAdd(op: Op): void {
    const [a, b] = op.inputs.map((id) => this.tensor(id)) as [Tensor, Tensor];
    const output = this.tensor(op.outputs[0]!);
    const values = this.bytes(output.id);
    const [columns, rows] = addSides(values)!;
    // Both operands lie behind each other and form an image of two planes.
    const pair = this.placement.add(2 * values);
    this.place(op, a.id, pair, 0);
    this.place(op, b.id, pair, values);

    const { weightScale, w0, addOff } = closestAddFactors(scaleOf(a), scaleOf(b));
    const record: NnRecord = {
      ...imageRecord(this.chip, {
        in: { s: rows, f: columns, c: 2 },
        out: { s: rows, f: columns, c: 1 },
        kernelX: 2,
        kernelY: 2,
        doubled: 1,
      }),
      ...this.quantisation(a, output),
      [NnJob.WEIGHT_ZP]: 0,
      [NnJob.WEIGHT_SCALE]: floatBits(weightScale),
      [NnJob.RELU]: reluOf(op),
      [NnJob.STRIDE]: 1,
      [NnJob.ORDER]: CoefOrder.INTERLEAVED,
      [NnJob.COEF_PLANES]: 2,
      [NnJob.COEF_KERNELS]: 1,
      [NnJob.SOURCE]: WeightSource.DENSE,
      [NnJob.DW_PLANES]: 1,
      [NnJob.DW_MULTIPLIER]: 1,
    };
    const weights = Uint8Array.of(w0, 0, 0, 0, addOff, 0, 0, 0);
    // The encoder corrects both planes by the first operand's zero point; this adds the difference.
    const biases = Int32Array.of(addOff * (zp8(a) - zp8(b)));
    const target = this.produce(output.id);
    this.drafts.push((resolve) => ({
      kind: "NN",
      op: "add",
      sourceOp: op.id,
      record,
      weights: storedWeights(weights),
      biases,
      input: resolve(pair),
      input2: null,
      output: resolve(target),
    }));
    this.publish(op);
  }

  private lowerConcat(op: Op): void {
    const container = this.produce(op.outputs[0]!);
    let offset = 0;
    for (const id of op.inputs) {
      this.place(op, id, container, offset);
      offset += this.bytes(id);
    }
    this.publish(op);
  }

  private lowerSplit(op: Op): void {
    const container = this.planarOf(op, op.inputs[1]!);
    let offset = 0;
    for (const id of op.outputs) {
      this.planar.set(id, this.placement.addPiece(this.bytes(id), container, offset));
      offset += this.bytes(id);
    }
    this.publish(op);
  }

  private lowerPad(op: Op): void {
    const input = this.tensor(op.inputs[0]!);
    const extent = this.extent(input.id);
    const from = this.planarOf(op, input.id);
    const to = this.produce(op.outputs[0]!);
    const cores = Math.min(this.chip.tpCores, extent.c);
    const zp = zp8(input);
    this.tp("pad", op.id, from, to, padPrograms(extent, 1, { in: zp, out: zp }, cores));
    this.publish(op);
  }
}

/** One channel, or one pixel: NHWC and planar are the same bytes. */
function sameInBothLayouts({ s, f, c }: Extent): boolean {
  return c === 1 || s * f === 1;
}

function reluOf(op: Op): number {
  const activation = (op.options as { activation?: string }).activation ?? "none";
  return activation === "none" ? 0 : 1;
}
