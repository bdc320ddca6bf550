// Text of a graph for people, and the short names that error messages use.
// SPDX-License-Identifier: MIT
import type { Graph, Op, Quantisation, Tensor } from "./graph.ts";

/** A name for a message: quoted, control characters escaped, not longer than a line. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}...` : name);
}

/** `tensor 5 "conv/weights"` */
export function describeTensor(tensor: Tensor): string {
  return `tensor ${tensor.id} ${quoteName(tensor.name)}`;
}

/** `operator 3 (CONV_2D)`; a custom operator with its own name. */
export function describeOp(op: Op): string {
  return `operator ${op.id} (${op.customName === null ? op.kind : `CUSTOM ${quoteName(op.customName)}`})`;
}

/** The operator that writes a tensor, else the first that reads it, else null. */
export function operatorOf(ops: readonly Op[], tensor: number): Op | null {
  return (
    ops.find(({ outputs }) => outputs.includes(tensor)) ??
    ops.find(({ inputs }) => inputs.includes(tensor)) ??
    null
  );
}

/** `uint8 [1, 8, 8, 32] scale 0.5 zero 128` */
function describeType(tensor: Tensor): string {
  const quant = tensor.quant === null ? "" : ` ${describeQuantisation(tensor.quant)}`;
  return `${tensor.type} [${tensor.shape.join(", ")}]${quant}`;
}

function describeQuantisation(quant: Quantisation): string {
  const scales = describeRange(quant.scales);
  const zeros = describeRange(quant.zeroPoints);
  const axis = quant.scales.length > 1 ? ` over dimension ${quant.axis}` : "";
  return `scale ${scales} zero ${zeros}${axis}`;
}

/** One value, or the smallest and largest; binary32 values with the nine digits that tell them apart. */
function describeRange(values: Float32Array | Int32Array): string {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const text = (value: number) => String(Number(value.toPrecision(9)));
  return low === high ? text(low) : `${text(low)}..${text(high)}`;
}

/**
 * Text dump of a graph: inputs and constants, then every operator with its options and the tensors that it writes, then
 * the outputs. Tensors are written %id, an input that was left out is written "-". Same graph, same text.
 */
export function printGraph(graph: Graph): string {
  const lines = [
    `graph ${quoteName(graph.name)}: ${graph.tensors.length} tensors, ${graph.ops.length} operators`,
  ];
  for (const id of graph.inputs) lines.push(`  input  ${printTensor(graph, id)}`);
  for (const tensor of graph.tensors)
    if (tensor.constant !== null) lines.push(`  const  ${printTensor(graph, tensor.id)}`);
  for (const op of graph.ops) lines.push(...printOp(graph, op));
  for (const id of graph.outputs) lines.push(`  output %${id}`);
  return `${lines.join("\n")}\n`;
}

function printTensor(graph: Graph, id: number): string {
  const tensor = graph.tensors[id];
  if (tensor === undefined) return `%${id} does not exist`;
  const bytes = tensor.constant === null ? "" : ` ${tensor.constant.length} bytes`;
  return `%${id} ${describeType(tensor)}${bytes} ${quoteName(tensor.name)}`;
}

function printOp(graph: Graph, op: Op): string[] {
  const name = op.customName === null ? op.kind : `CUSTOM ${quoteName(op.customName)}`;
  const list = (ids: readonly number[]) => ids.map((id) => (id === -1 ? "-" : `%${id}`)).join(", ");
  const options = Object.entries(op.options)
    .map(([key, value]) => `${key}: ${Array.isArray(value) ? `[${value.join(", ")}]` : value}`)
    .join(", ");
  const custom = op.customOptions === null ? "" : ` ${op.customOptions.length} bytes of options`;
  const head = `  ${op.id}: ${list(op.outputs)} = ${name} v${op.version}(${list(op.inputs)})`;
  return [
    `${head}${options === "" ? "" : ` {${options}}`}${custom}`,
    ...op.outputs.map((id) => `         ${printTensor(graph, id)}`),
  ];
}
