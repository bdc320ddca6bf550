// Second thoughts about operators that only move, rename or add up values: alone among CPU operators they would cost a
// switch to the NPU and back without computing much there.
// SPDX-License-Identifier: MIT
import type { Placement } from "../executable/executable.ts";
import type { Graph, Op } from "../ir/graph.ts";
import { LOOKUP_OPERATORS } from "./lookup-functions.ts";
import { MOVEMENTS } from "./movement.ts";
import { RENAMINGS } from "./npu-operators.ts";

const MOVING: readonly string[] = [...MOVEMENTS, "CONCATENATION", "SPLIT", "PAD"];
/** A few additions and multiplications a value: no reason to go to the NPU either. */
const CHEAP: readonly string[] = [
  "QUANTIZE",
  "RELU",
  "MUL",
  "ADD",
  "SUB",
  "AVERAGE_POOL_2D",
  "MEAN",
  ...LOOKUP_OPERATORS,
];

/** Where values come from or go to, seen through operators that only move them. */
interface Ends {
  npu: boolean;
  cpu: boolean;
  /** The graph's own input or output. */
  edge: boolean;
}

/** Sends operators back to the CPU that have no business on the NPU; all others stay as they are. */
export function refinePlacements(graph: Graph, placements: readonly Placement[]): Placement[] {
  const neighbours = new Neighbours(graph, placements);
  return placements.map((placement) => {
    const op = graph.ops[placement.op]!;
    if (placement.place === "cpu" || !neighbours.isPassive(op)) return placement;
    if (isUseful(RENAMINGS.includes(op.kind), neighbours.before(op), neighbours.after(op)))
      return placement;
    return {
      ...placement,
      place: "cpu",
      constraint: "NEIGHBOURS",
      reason:
        "only CPU operators would need it on the NPU. An operator that only moves, combines or averages values stays with its neighbours. " +
        "To change that: nothing needs to change; the NPU would not save anything.",
      evidence: null,
    };
  });
}

function isUseful(renames: boolean, before: Ends, after: Ends): boolean {
  // A new shape costs nothing anywhere, so it stays on the side of its neighbours.
  if (renames) return !before.cpu && (after.npu || (before.npu && after.edge));
  if (after.npu) return true;
  return !before.cpu && (before.npu || !after.cpu);
}

class Neighbours {
  private readonly producers = new Map<number, Op>();
  private readonly readers = new Map<number, Op[]>();

  constructor(
    private readonly graph: Graph,
    private readonly placements: readonly Placement[],
  ) {
    for (const op of graph.ops) {
      for (const id of op.outputs) this.producers.set(id, op);
      for (const id of op.inputs) this.readers.set(id, [...(this.readers.get(id) ?? []), op]);
    }
  }

  /** On the NPU without computing much there. */
  isPassive(op: Op): boolean {
    if (this.placements[op.id]!.place === "cpu") return false;
    return [RENAMINGS, MOVING, CHEAP].some((list) => list.includes(op.kind));
  }

  before(op: Op, ends: Ends = { npu: false, cpu: false, edge: false }): Ends {
    for (const id of op.inputs) {
      if (id < 0 || this.graph.tensors[id]!.constant !== null) continue;
      const producer = this.producers.get(id);
      if (!producer) ends.edge = true;
      else if (this.isPassive(producer)) this.before(producer, ends);
      else this.note(producer, ends);
    }
    return ends;
  }

  after(op: Op, ends: Ends = { npu: false, cpu: false, edge: false }): Ends {
    for (const id of op.outputs) {
      if (this.graph.outputs.includes(id)) ends.edge = true;
      for (const reader of this.readers.get(id) ?? [])
        if (this.isPassive(reader)) this.after(reader, ends);
        else this.note(reader, ends);
    }
    return ends;
  }

  private note({ id }: Op, ends: Ends): void {
    ends[this.placements[id]!.place] = true;
  }
}
