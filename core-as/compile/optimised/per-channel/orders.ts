// Tensors whose channels may lie in another order than the model's: inside of a partition, where every reader can follow.
// SPDX-License-Identifier: MIT
import type { Graph, Op } from "../../../ir/graph.ts";
import { isGrouped } from "../../../legalise/conv-geometry.ts";
import { LOOKUP_OPERATORS } from "../../../legalise/lookup-functions.ts";
import { partitionBorder } from "../../lower-shared.ts";

/** Tensors that must have the same order, since operators between them work channel by channel. */
export interface OrderClass {
  tensors: number[];
  /** Somebody needs the model's order. */
  pinned: boolean;
}

const BYTE_FUNCTIONS: readonly string[] = ["QUANTIZE", "RELU", ...LOOKUP_OPERATORS];

/** Classes of all activations that operators of the partition write. */
export function orderClasses(graph: Graph, ops: readonly Op[]): OrderClass[] {
  const border = partitionBorder(graph, ops);
  const sets = new TensorSets();
  for (const id of [...border.entering, ...border.leaving]) sets.pin(id);
  for (const op of ops) {
    const computed = op.inputs.filter((id) => id >= 0 && graph.tensors[id]!.constant === null);
    const output = op.outputs[0]!;
    switch (roleOf(graph, op)) {
      case "follows":
        for (const id of computed) sets.join(id, output);
        break;
      case "absorbs":
        sets.add(output);
        break;
      default:
        for (const id of [...computed, ...op.outputs]) sets.pin(id);
    }
  }
  return sets.classes();
}

/** What an operator does with an order of its input: hand it on, take it into its weights, or neither. */
function roleOf(graph: Graph, op: Op): "follows" | "absorbs" | null {
  const shapes = op.inputs.map((id) => (id < 0 ? [] : graph.tensors[id]!.shape));
  const output = graph.tensors[op.outputs[0]!]!.shape;
  const computed = op.inputs.filter((id) => id >= 0 && graph.tensors[id]!.constant === null);
  switch (op.kind) {
    case "CONV_2D":
      return isGrouped(graph, op) ? null : "absorbs";
    case "FULLY_CONNECTED":
      return shapes[0]!.at(-1) === shapes[1]!.at(-1) ? "absorbs" : null;
    case "DEPTHWISE_CONV_2D":
      return shapes[0]![3] === output[3] ? "follows" : null;
    case "ADD":
    case "SUB":
      return computed.length === 2 && shapes.every((shape) => shape.join() === output.join())
        ? "follows"
        : null;
    case "MEAN":
      // Over rows and columns only: that is what the NPU computes.
      return shapes[0]!.at(-1) === output.at(-1) ? "follows" : null;
    default:
      return BYTE_FUNCTIONS.includes(op.kind) ? "follows" : null;
  }
}

/** Disjoint sets of tensors. */
class TensorSets {
  private readonly parents = new Map<number, number>();
  private readonly pinned = new Set<number>();

  add(id: number): void {
    if (!this.parents.has(id)) this.parents.set(id, id);
  }

  pin(id: number): void {
    this.pinned.add(this.root(id));
  }

  join(a: number, b: number): void {
    const [first, second] = [this.root(a), this.root(b)];
    if (first === second) return;
    this.parents.set(second, first);
    if (this.pinned.has(second)) this.pinned.add(first);
  }

  classes(): OrderClass[] {
    const found = new Map<number, OrderClass>();
    for (const id of this.parents.keys()) {
      const root = this.root(id);
      const known = found.get(root);
      if (known) known.tensors.push(id);
      else found.set(root, { tensors: [id], pinned: this.pinned.has(root) });
    }
    return [...found.values()];
  }

  private root(id: number): number {
    this.add(id);
    let root = id;
    while (this.parents.get(root) !== root) root = this.parents.get(root)!;
    return root;
  }
}
