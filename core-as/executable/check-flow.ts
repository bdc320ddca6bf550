// Whether the steps of an executable can run one after the other: each finds its tensors, none is computed twice.
// SPDX-License-Identifier: MIT
import type { Graph } from "../ir/graph.ts";
import type { ExecutablePartition, Step } from "./executable.ts";

/**
 * Follows the tensors through the steps.
 * @param fail throws an error with the message
 */
export function checkFlow(
  graph: Graph,
  partitions: readonly ExecutablePartition[],
  steps: readonly Step[],
  fail: (message: string) => never,
): void {
  const available = new Set(graph.inputs);
  for (const { id, constant } of graph.tensors) if (constant !== null) available.add(id);
  const need = (id: number, who: string): void => {
    if (!available.has(id)) fail(`${who} reads tensor ${id}, which nobody computes before`);
  };
  const make = (id: number, who: string): void => {
    if (available.has(id)) fail(`${who} computes tensor ${id}, which is there already`);
    available.add(id);
  };

  checkPlanar(graph, partitions, steps, fail);
  const submitted = new Set<number>();
  const executed = new Set<number>();
  for (const [index, step] of steps.entries()) {
    if (step.kind === "npu") {
      if (submitted.has(step.partition)) fail(`partition ${step.partition} is submitted twice`);
      submitted.add(step.partition);
      const { inputs, outputs } = partitions[step.partition]!;
      for (const { tensor } of inputs) need(tensor, `step ${index}`);
      for (const { tensor } of outputs) make(tensor, `step ${index}`);
      continue;
    }
    for (const id of step.ops) {
      if (executed.has(id)) fail(`operator ${id} runs twice`);
      executed.add(id);
      const op = graph.ops[id]!;
      for (const input of op.inputs) if (input >= 0) need(input, `operator ${id}`);
      for (const output of op.outputs) make(output, `operator ${id}`);
    }
  }
  if (submitted.size !== partitions.length) fail("a partition is never submitted");
  for (const id of graph.outputs) need(id, "the caller");
}

/** Planar tensors are so at every border that they cross, and nobody but NPU partitions sees them. */
function checkPlanar(
  graph: Graph,
  partitions: readonly ExecutablePartition[],
  steps: readonly Step[],
  fail: (message: string) => never,
): void {
  const ports = partitions.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]);
  const planar = new Set(ports.flatMap((port) => (port.planar ? [port.tensor] : [])));
  if (planar.size === 0) return;
  for (const { tensor, planar: isPlanar } of ports)
    if (planar.has(tensor) && !isPlanar) fail(`tensor ${tensor} is planar at one border only`);
  const seen = [
    ...graph.inputs,
    ...graph.outputs,
    ...steps.flatMap((step) =>
      step.kind === "cpu" ? step.ops.flatMap((id) => graph.ops[id]!.inputs) : [],
    ),
  ];
  for (const tensor of seen)
    if (planar.has(tensor))
      fail(`tensor ${tensor} is planar, but not only the NPU reads or writes it`);
}
