// Lowering of optimised mode: the mechanisms of the reference with every quirk that changes results corrected.
// Tensors are planar inside a partition; layouts change only where a tensor crosses its border.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, RunSearch, WeightSource } from "../assembly/abi.ts";
import { GraphError } from "../errors.ts";
import type { Chip } from "../hw/chips.ts";
import { readInts } from "../ir/constants.ts";
import type { Graph, Op, Tensor } from "../ir/graph.ts";
import { addSides, convGeometry, type ConvGeometry } from "../legalise/conv-geometry.ts";
import type {
  BufferRef,
  Lowered,
  NnRecord,
  NnWork,
  TpProgram,
  TpWork,
  WeightPlan,
} from "./jobs.ts";
import {
  addFactors,
  chipRecord,
  floatBits,
  isSigned,
  partitionBorder,
  scaleOf,
  storedWeights,
  zp8,
} from "./lower-shared.ts";
import { reshufflePrograms, toNhwcProgram } from "./optimised-tp.ts";
import { Placement } from "./placement.ts";
import { bytesOf, flatExtent, type Extent } from "../ir/extent.ts";
import { padPrograms, transposeProgram } from "./tp-programs.ts";

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
    const cores = Math.min(this.chip.tpCores, extent.c);
    this.tp("copy", op.id, node, copy, padPrograms(extent, 0, zp8(this.tensor(id)), cores));
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
    const record = this.convRecord(geometry, weights);
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
    this.nn(op, "fc", node, this.convRecord(geometry, weights), weights);
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

  private convRecord(geometry: ConvGeometry, weights: WeightPlan): NnRecord {
    const { folded, out, depthwise, widen, firstPixel } = geometry;
    const rows = folded?.rows ?? geometry.in.s;
    const columns = folded?.columns ?? geometry.in.f;
    const planes = geometry.in.c * (folded ? 4 : 1);
    const halved = (side: number): number => (widen ? 2 : folded ? (side + 1) >> 1 : side);
    const kernelX = halved(geometry.kF);
    const kernelY = halved(geometry.kS);
    const doubled = firstPixel ? 2 : 1;
    // The hardware picks its order by the descriptor: kernels of one weight go in blocks of channels.
    const pointwise = kernelX === 1 && kernelY === 1 && out.c > 8;
    return {
      ...imageRecord(this.chip, {
        in: { s: rows, f: columns, c: planes },
        out,
        kernelX,
        kernelY,
        doubled,
      }),
      [NnJob.OFFSET_X]: folded ? 0 : -geometry.padLeft,
      [NnJob.OFFSET_Y]: folded ? 0 : -geometry.padTop,
      [NnJob.FIRST_PIXEL]: firstPixel ? 1 : 0,
      [NnJob.STRIDE]: geometry.stride,
      [NnJob.ORDER]: pointwise ? CoefOrder.POINTWISE : CoefOrder.INTERLEAVED,
      [NnJob.COEF_PLANES]: planes,
      [NnJob.COEF_KERNELS]: out.c,
      [NnJob.SOURCE]: weights.layout === "depthwise" ? WeightSource.DEPTHWISE : WeightSource.DENSE,
      [NnJob.DW_PLANES]: folded ? 4 : 1,
      [NnJob.DW_MULTIPLIER]: depthwise ? out.c / geometry.in.c : 1,
      [NnJob.PAD_BYTE]: weights.pad,
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

    const { weightScale, w0, addOff } = addFactors(scaleOf(a), scaleOf(b));
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
    this.tp("pad", op.id, from, to, padPrograms(extent, 1, zp8(input), cores));
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

interface ImageShape {
  in: Extent;
  out: Extent;
  kernelX: number;
  kernelY: number;
  /** 2 when the output is computed at twice its size and pixels are dropped. */
  doubled: number;
}

/** Members that follow from the sizes alone: descriptor geometry, tiling and the kernel's sides. */
function imageRecord(
  chip: Chip,
  { in: from, out, kernelX, kernelY, doubled }: ImageShape,
): NnRecord {
  return {
    ...chipRecord(chip),
    [NnJob.QUIRKS]: 0,
    [NnJob.IN_X]: from.f,
    [NnJob.IN_Y]: from.s,
    [NnJob.IN_Z]: from.c,
    [NnJob.OUT_X]: out.f * doubled,
    [NnJob.OUT_Y]: out.s * doubled,
    [NnJob.OUT_Z]: out.c,
    [NnJob.KERNEL_X]: kernelX,
    [NnJob.KERNEL_Y]: kernelY,
    [NnJob.IN_X_STRIDE]: from.f,
    [NnJob.IN_Y_STRIDE]: from.s,
    [NnJob.OUT_X_STRIDE]: out.f,
    [NnJob.OUT_Y_STRIDE]: out.s,
    [NnJob.OUT_PLANE]: out.s * out.f,
    [NnJob.TILE_OUT_X]: out.f * doubled,
    [NnJob.TILE_OUT_Y]: out.s * doubled,
    [NnJob.TILE_OUT_Z]: out.c,
    [NnJob.TILE_KERNEL_X]: kernelX,
    [NnJob.TILE_KERNEL_Y]: kernelY,
    [NnJob.TILE_ONE_ROW]: kernelX === 1 || kernelY === 1 ? 1 : 0,
    [NnJob.CACHE_KERNEL_X]: kernelX,
    [NnJob.CACHE_KERNEL_Y]: kernelY,
    [NnJob.ROWS]: kernelY,
    [NnJob.COLS]: kernelX,
    [NnJob.REST_END]: kernelX,
    [NnJob.SPLIT_ROWS]: 1,
    [NnJob.RUN_SEARCH]: RunSearch.EXHAUSTIVE,
  };
}

/** Weights of a convolution in the encoder's order, signed ones shifted by 128 (Q4). */
function convWeights(geometry: ConvGeometry, weight: Tensor): WeightPlan {
  const { depthwise, widen, folded, kS, kF, in: from, out } = geometry;
  const side = widen ? 2 : 0;
  const taps = kS * kF;
  return {
    bytes: weight.constant!,
    layout: widen
      ? "widened"
      : depthwise
        ? "depthwise"
        : folded
          ? "destrided"
          : taps === 1 || from.c === 1
            ? "as-is"
            : "transposed",
    outC: out.c,
    kS: side || kS,
    kF: side || kF,
    // Depthwise weights have one channel per kernel.
    inC: depthwise ? out.c : from.c,
    channels: out.c,
    destride: folded !== null,
    widen,
    pad: zp8(weight),
    flip: isSigned(weight) ? 0x80 : 0,
  };
}

/** Biases of an operator; zeros when the bias is left out (Q24). */
function biasesOf(graph: Graph, op: Op, count: number): Int32Array {
  const id = op.inputs[2];
  if (id === undefined || id < 0) return new Int32Array(count);
  return readInts(graph.tensors[id]!.constant!);
}
