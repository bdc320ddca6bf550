// A list of operators ready to run on the CPU kernels: constants, parameter blocks and buffers stay in the core's memory.
// SPDX-License-Identifier: MIT
import type { Core } from "../../core.ts";
import { TransportError, UnsupportedError } from "../../errors.ts";
import {
  elementBytes,
  elementCount,
  operatorKey,
  type Graph,
  type Op,
  type Tensor,
} from "../../ir/graph.ts";
import { layoutBuffers, type Lifetime } from "./buffers.ts";
import { nameOf, tensorAt } from "./check.ts";
import type { KernelCall } from "./plan.ts";
import { canRunOnCpu, CPU_OPERATORS } from "./support.ts";

/** Raw bytes of a tensor, elements little-endian in TFLite order. */
export type TensorValues = (tensorId: number) => Uint8Array;

/** Called after each operator with its outputs, in the operator's order. */
export type OperatorObserver = (op: Op, outputs: Uint8Array[]) => void;

/**
 * Operators of one graph, planned once and run as often as wanted.
 *
 * The program occupies the core's memory from its construction on: create it outside of any `core.scope` that ends before the
 * last run, and release it in the reverse order of creation.
 */
export class CpuProgram {
  /** Tensors that `run` asks for: used here, but neither constant nor computed here. */
  readonly inputs: readonly number[];
  /** Tensors that `run` returns. */
  readonly outputs: readonly number[];
  private readonly steps: Array<{ op: Op; calls: KernelCall[] }>;
  private readonly addresses = new Map<number, number>();
  private readonly mark: number;

  /**
   * @param opIds operators in plan order
   * @param outputs tensors to return; default: those that the graph returns or other operators use
   * @throws UnsupportedError TW_UNSUP_OPERATOR naming the first operator that the kernels do not run
   * @throws PlanError TW_PLAN_LIMIT when the core's memory does not suffice
   */
  constructor(
    private readonly core: Core,
    private readonly graph: Graph,
    opIds: readonly number[],
    outputs?: readonly number[],
  ) {
    const ops = opIds.map((id) => operatorAt(graph, id));
    for (const op of ops) refuseUnsupported(graph, op);
    const produced = new Set(ops.flatMap((op) => op.outputs));
    const isNeeded = (id: number): boolean =>
      id >= 0 && tensorAt(graph, id).constant === null && !produced.has(id);
    this.inputs = [...new Set(ops.flatMap((op) => op.inputs))].filter(isNeeded);
    this.outputs = outputs ?? outputsOf(graph, ops);
    this.mark = core.mark();
    try {
      this.placeConstants(ops);
      this.placeActivations(ops);
      this.steps = ops.map((op) => ({ op, calls: this.plan(op) }));
    } catch (cause) {
      core.reset(this.mark);
      throw cause;
    }
  }

  /**
   * Runs all operators.
   * @param values bytes of each tensor of `inputs`
   * @returns bytes of each tensor of `outputs`
   * @throws TransportError TW_IO_INPUT when an input has the wrong number of bytes
   */
  run(values: TensorValues, observe?: OperatorObserver): Map<number, Uint8Array> {
    for (const id of this.inputs) this.writeInput(tensorAt(this.graph, id), values(id));
    for (const { op, calls } of this.steps) {
      for (const { kernel, block } of calls) this.core.call(kernel, { op: op.id }, block);
      observe?.(
        op,
        op.outputs.map((id) => this.read(id)),
      );
    }
    return new Map(this.outputs.map((id) => [id, this.read(id)]));
  }

  /** Frees the memory of this program and of everything that was allocated after it. */
  release(): void {
    this.core.reset(this.mark);
  }

  private plan(op: Op): KernelCall[] {
    const { core, graph } = this;
    const addressOf = (id: number): number => this.addressOf(id);
    return CPU_OPERATORS.get(operatorKey(op))!.plan({ core, graph, addressOf }, op);
  }

  private addressOf(id: number): number {
    const address = this.addresses.get(id);
    if (address === undefined) throw new RangeError(`tensor ${id} is not part of this program`);
    return address;
  }

  /** Constants whose raw bytes a kernel reads; weights are prepared by their operator instead. */
  private placeConstants(ops: readonly Op[]): void {
    for (const op of ops)
      for (const [position, id] of op.inputs.entries()) {
        if (id < 0 || this.addresses.has(id) || isPrepared(op, position)) continue;
        const { constant } = tensorAt(this.graph, id);
        if (constant !== null) this.addresses.set(id, this.core.allocCopy(constant));
      }
  }

  private placeActivations(ops: readonly Op[]): void {
    const lifetimes = new Map<number, Lifetime>();
    const use = (id: number, step: number): void => {
      if (id < 0 || this.addresses.has(id)) return;
      const known = lifetimes.get(id);
      if (known !== undefined) known.to = step;
      else lifetimes.set(id, { bytes: bytesOf(tensorAt(this.graph, id)), from: step, to: step });
    };
    for (const id of this.inputs) use(id, -1);
    for (const [step, op] of ops.entries()) {
      for (const [position, id] of op.inputs.entries())
        if (!isPrepared(op, position)) use(id, step);
      for (const id of op.outputs) use(id, step);
    }
    for (const id of this.outputs) use(id, ops.length);
    const { offsets, total } = layoutBuffers([...lifetimes.values()]);
    const base = this.core.alloc(total);
    for (const [i, id] of [...lifetimes.keys()].entries())
      this.addresses.set(id, base + offsets[i]!);
  }

  private writeInput(tensor: Tensor, bytes: Uint8Array): void {
    if (bytes.length !== bytesOf(tensor))
      throw new TransportError(
        "TW_IO_INPUT",
        `${nameOf(tensor)} was given ${bytes.length} bytes; it has ${bytesOf(tensor)}`,
        { tensor: tensor.id },
      );
    this.core.write(this.addressOf(tensor.id), bytes);
  }

  private read(id: number): Uint8Array {
    return this.core.read(this.addressOf(id), bytesOf(tensorAt(this.graph, id)));
  }
}

/** Weights of convolutions live in the core in their prepared form only. */
function isPrepared(op: Op, position: number): boolean {
  return position === 1 && ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"].includes(op.kind);
}

function bytesOf(tensor: Tensor): number {
  return elementCount(tensor.shape) * elementBytes(tensor.type)!;
}

function operatorAt(graph: Graph, id: number): Op {
  const op = graph.ops[id];
  if (op === undefined) throw new RangeError(`the graph has no operator ${id}`);
  return op;
}

function refuseUnsupported(graph: Graph, op: Op): void {
  const support = canRunOnCpu(graph, op);
  if (support.ok) return;
  throw new UnsupportedError(
    "TW_UNSUP_OPERATOR",
    `operator ${op.id} ${op.kind} cannot run on the CPU: ${support.reason} (${support.constraint})`,
    { op: op.id },
  );
}

/** Results of `ops` that the graph returns or that other operators use. */
function outputsOf(graph: Graph, ops: readonly Op[]): number[] {
  const inside = new Set(ops);
  const wanted = new Set(graph.outputs);
  for (const op of graph.ops) if (!inside.has(op)) for (const id of op.inputs) wanted.add(id);
  return ops.flatMap((op) => op.outputs).filter((id) => wanted.has(id));
}
