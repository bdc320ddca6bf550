// Tensors that go from one NPU partition to others and nowhere else: nobody needs them in NHWC order, so they stay planar and two
// changes of layout are saved. Operators on the CPU, and callers, always see NHWC.
// SPDX-License-Identifier: MIT
import type { Graph } from "../../ir/graph.ts";
import type { OpGroup } from "../../legalise/partition.ts";

/** What lowering knows about such tensors; partitions are lowered in the order in which they run. */
export interface PlanarExchange {
  /** Tensors that may cross borders in planar order. */
  readonly candidates: ReadonlySet<number>;
  /** Those that a partition wrote so. */
  readonly planar: Set<number>;
}

/** For compilations that keep every border in NHWC order. */
export const noExchange = (): PlanarExchange => ({ candidates: new Set(), planar: new Set() });

/** Finds the tensors that NPU partitions write and only other NPU partitions, or they themselves, read. */
export function planarExchange(graph: Graph, groups: readonly OpGroup[]): PlanarExchange {
  const onNpu = groups.filter(({ place }) => place === "npu");
  const written = new Set(onNpu.flatMap(({ ops }) => ops.flatMap(({ outputs }) => outputs)));
  for (const id of graph.outputs) written.delete(id);
  for (const { place, ops } of groups)
    if (place === "cpu") for (const { inputs } of ops) for (const id of inputs) written.delete(id);
  return { candidates: written, planar: new Set() };
}
