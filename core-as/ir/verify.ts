// The rules that hold between any two passes of the compiler: verifyGraph throws on the first that is broken.
// SPDX-License-Identifier: MIT
import { GraphError } from "../errors.ts";
import { elementCount, tensorBytes, type Graph, type Op, type Tensor } from "./graph.ts";
import { describeOp, describeTensor, operatorOf } from "./print.ts";
import { checkOperatorShapes } from "./shapes.ts";

const MAX_ELEMENTS = 2 ** 31 - 1;

export interface VerifyOptions {
  /**
   * Lets an ADD pass whose operand and output shapes do not fit each other; the reference driver compiles it, so
   * reproducing that driver's bytes needs it. Everything else about the ADD is checked.
   */
  allowMalformedAdd?: boolean;
}

/**
 * Checks a graph: ids equal positions, indices in range, shapes and quantisation sane, every tensor written at most once
 * and read only after that, no write to a constant or an input, no empty tensor in use, and the rules of the operators
 * (checkOperatorShapes).
 * @param stage name of the pass that just ran; "model" after the import
 * @throws GraphError that names the operator or the tensor
 */
export function verifyGraph(graph: Graph, stage: string, options: VerifyOptions = {}): void {
  for (const [i, tensor] of graph.tensors.entries()) verifyTensor(graph, tensor, i, stage);
  for (const [i, op] of graph.ops.entries()) verifyOp(graph, op, i, stage);
  verifyBoundary(graph, stage);
  verifyFlow(graph, stage);

  for (const problem of checkOperatorShapes(graph)) {
    if (problem.severity === "broadcast" && options.allowMalformedAdd === true) continue;
    const op = graph.ops[problem.op]!;
    throw new GraphError(`${describeOp(op)}: ${problem.message}`, { op: op.id }, stage);
  }
}

function verifyTensor(graph: Graph, tensor: Tensor, index: number, stage: string): void {
  const fail = (message: string): never => {
    const op = operatorOf(graph.ops, index);
    const text = `${describeTensor(tensor)} ${message}`;
    if (op === null) throw new GraphError(text, { tensor: index }, stage);
    throw new GraphError(`${describeOp(op)}: ${text}`, { op: op.id, tensor: index }, stage);
  };
  const { shape, quant, constant } = tensor;
  if (tensor.id !== index) fail(`stands at position ${index}`);
  for (const size of shape)
    if (!Number.isInteger(size) || size < 0) fail(`has a dimension of ${size}`);
  if (elementCount(shape) > MAX_ELEMENTS)
    fail(`has ${elementCount(shape)} elements, the limit is ${MAX_ELEMENTS}`);

  const bytes = tensorBytes(tensor.type, shape);
  if (constant !== null && bytes !== null && constant.length !== bytes)
    fail(`needs ${bytes} bytes and has ${constant.length}`);
  if (quant === null) return;

  const count = quant.scales.length;
  if (count === 0 || quant.zeroPoints.length !== count)
    fail(`has ${count} scales and ${quant.zeroPoints.length} zero points`);
  if (count > 1 && shape[quant.axis] !== count)
    fail(`has ${count} scales along dimension ${quant.axis} of size ${shape[quant.axis]}`);
  for (const scale of quant.scales)
    if (!(scale >= 0 && scale < Infinity)) fail(`has a scale of ${scale}`);
}

function verifyOp(graph: Graph, op: Op, index: number, stage: string): void {
  const fail = (message: string): never => {
    throw new GraphError(`${describeOp(op)} ${message}`, { op: index }, stage);
  };
  if (op.id !== index) fail(`stands at position ${index}`);
  if ((op.kind === "CUSTOM") !== (op.customName !== null)) fail("has a name that it must not have");
  for (const id of op.inputs)
    if (id !== -1 && !hasTensor(graph, id)) fail(`reads tensor ${id}, which does not exist`);
  for (const id of op.outputs)
    if (!hasTensor(graph, id)) fail(`writes tensor ${id}, which does not exist`);

  for (const id of [...op.inputs, ...op.outputs]) {
    if (id === -1) continue;
    const tensor = graph.tensors[id]!;
    if (tensor.shape.includes(0))
      throw new GraphError(
        `${describeOp(op)} uses ${describeTensor(tensor)}, which is empty: [${tensor.shape.join(", ")}]`,
        { op: index, tensor: id },
        stage,
      );
  }
}

function hasTensor(graph: Graph, id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < graph.tensors.length;
}

/** Graph inputs and outputs: they exist, are not empty, stand there once; inputs are not constants. */
function verifyBoundary(graph: Graph, stage: string): void {
  for (const [role, ids] of [
    ["input", graph.inputs],
    ["output", graph.outputs],
  ] as const) {
    const seen = new Set<number>();
    for (const id of ids) {
      const fail = (message: string): never => {
        throw new GraphError(`graph ${role} ${message}`, { tensor: id }, stage);
      };
      if (!hasTensor(graph, id)) fail(`${id} does not exist`);
      const tensor = graph.tensors[id]!;
      if (seen.has(id)) fail(`${describeTensor(tensor)} stands there twice`);
      if (tensor.shape.includes(0)) fail(`${describeTensor(tensor)} is empty`);
      if (role === "input" && tensor.constant !== null)
        fail(`${describeTensor(tensor)} is a constant`);
      seen.add(id);
    }
  }
}

const NOBODY = -1;

/** Plan order: every tensor is written once, by an operator before those that read it. */
function verifyFlow(graph: Graph, stage: string): void {
  const inputs = new Set(graph.inputs);
  const producer = findProducers(graph, inputs, stage);
  const available = (id: number) => graph.tensors[id]!.constant !== null || inputs.has(id);

  for (const op of graph.ops)
    for (const id of op.inputs) {
      if (id === -1 || available(id)) continue;
      const from = producer[id]!;
      if (from !== NOBODY && from < op.id) continue;

      const what = `${describeOp(op)} reads ${describeTensor(graph.tensors[id]!)}`;
      const where = { op: op.id, tensor: id };
      if (from === NOBODY) throw new GraphError(`${what}, which nobody writes`, where, stage);
      const reason = feeds(graph, producer, op.id, from)
        ? "the operators form a cycle"
        : "the operators are in the wrong order";
      throw new GraphError(
        `${what} before ${describeOp(graph.ops[from]!)} writes it: ${reason}`,
        where,
        stage,
      );
    }

  for (const id of graph.outputs)
    if (!available(id) && producer[id] === NOBODY)
      throw new GraphError(
        `graph output ${describeTensor(graph.tensors[id]!)} is written by nobody`,
        { tensor: id },
        stage,
      );
}

/** Operator that writes each tensor, NOBODY without one. */
function findProducers(graph: Graph, inputs: ReadonlySet<number>, stage: string): Int32Array {
  const producer = new Int32Array(graph.tensors.length).fill(NOBODY);
  for (const op of graph.ops)
    for (const id of op.outputs) {
      const fail = (message: string): never => {
        const tensor = describeTensor(graph.tensors[id]!);
        const where = { op: op.id, tensor: id };
        throw new GraphError(`${describeOp(op)} writes ${tensor}, ${message}`, where, stage);
      };
      if (graph.tensors[id]!.constant !== null) fail("a constant");
      if (inputs.has(id)) fail("a graph input");
      if (producer[id] !== NOBODY) fail(`as ${describeOp(graph.ops[producer[id]!]!)} does`);
      producer[id] = op.id;
    }
  return producer;
}

/** Whether the result of one operator reaches another, directly or through others. */
function feeds(graph: Graph, producer: Int32Array, from: number, to: number): boolean {
  const seen = new Set([to]);
  const open = [to];
  for (let op = open.pop(); op !== undefined; op = open.pop()) {
    if (op === from) return true;
    for (const id of graph.ops[op]!.inputs) {
      const next = id === -1 ? NOBODY : producer[id]!;
      if (next === NOBODY || seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return false;
}
