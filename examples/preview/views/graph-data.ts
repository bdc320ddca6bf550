// The graph as it is drawn: operators with their tensors, boxes and arrows. Runs in the worker.
// SPDX-License-Identifier: MIT
import type { Executable, Graph, Op, OperatorReport, Tensor } from "../../../core-as/index.ts";
import type { Held } from "../service.ts";
import { arranged, NODE, PORT } from "./graph-layout.ts";

export interface TensorView {
  id: number;
  name: string;
  /** TFLite type in lower case. */
  type: string;
  shape: number[];
  /** Quantisation in words; "" for none. */
  quant: string;
  /** True for weights, biases and other values that the model file holds. */
  constant: boolean;
}

export interface OpView {
  op: number;
  /** TFLite operator, or the name of a custom one. */
  kind: string;
  inputs: TensorView[];
  outputs: TensorView[];
  /** Options of the operator with their values. */
  options: [name: string, value: string][];
  /** Submit that its jobs are part of; null on the CPU and where nothing has to be done. */
  partition: number | null;
}

/** A box: an operator, or an input or output of the model. Coordinates are those of its upper left corner. */
export interface NodeView {
  id: string;
  kind: "npu" | "cpu" | "input" | "output";
  /** Operator; null for inputs and outputs. */
  op: number | null;
  title: string;
  /** Sizes of the first output. */
  shape: number[];
  /** Share of the predicted time, 0..1; null where nothing is predicted. */
  share: number | null;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Nodes that read from it, and nodes that it reads from. */
  after: string[];
  before: string[];
}

export interface EdgeView {
  from: string;
  to: string;
  points: [x: number, y: number][];
}

export interface GraphView {
  ops: OpView[];
  nodes: NodeView[];
  edges: EdgeView[];
  width: number;
  height: number;
}

/** Lays out the graph of an executable from top to bottom. */
export function graphView({ executable, report }: Pick<Held, "executable" | "report">): GraphView {
  const { graph } = executable;
  const ops = opViews(executable);
  const nodes = nodesOf(graph, report.operators, ops);
  const edges = edgesOf(graph, nodes);
  return { ops, ...arranged(nodes, edges) };
}

function opViews({ graph, partitions }: Executable): OpView[] {
  const made = new Set([...graph.inputs, ...graph.ops.flatMap(({ outputs }) => outputs)]);
  const view = (id: number): TensorView[] => {
    const tensor = graph.tensors[id];
    return tensor ? [tensorView(tensor, !made.has(id))] : [];
  };
  const partitionOf = new Map<number, number>();
  for (const [index, { jobs }] of partitions.entries())
    for (const { sourceOp } of jobs) partitionOf.set(sourceOp, index);
  return graph.ops.map((op) => ({
    op: op.id,
    kind: op.customName ?? op.kind,
    inputs: op.inputs.flatMap(view),
    outputs: op.outputs.flatMap(view),
    options: optionsView(op),
    partition: partitionOf.get(op.id) ?? null,
  }));
}

function tensorView({ id, name, type, shape, quant }: Tensor, constant: boolean): TensorView {
  return { id, name, type, shape, constant, quant: quant === null ? "" : quantText(quant) };
}

/** "scale 0.00784, zero point 128", or how many scales there are. */
function quantText({ scales, zeroPoints, axis }: NonNullable<Tensor["quant"]>): string {
  const short = (value: number): string => String(Number(value.toPrecision(4)));
  if (scales.length === 1) return `scale ${short(scales[0]!)}, zero point ${zeroPoints[0]}`;
  const [least, most] = [Math.min(...scales), Math.max(...scales)];
  return `${scales.length} scales along dimension ${axis}, ${short(least)} to ${short(most)}`;
}

function optionsView({ options }: Op): [string, string][] {
  const words = (name: string): string => name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
  return Object.entries(options)
    .filter(([, value]) => value !== null && value !== "none")
    .map(([name, value]) => [words(name), String(value)]);
}

/** Nodes without places. */
function nodesOf(graph: Graph, operators: readonly OperatorReport[], ops: OpView[]): NodeView[] {
  // Every node has lists of its own.
  const place = (): Pick<NodeView, "x" | "y" | "after" | "before"> => ({
    x: 0,
    y: 0,
    after: [],
    before: [],
  });
  const port = (kind: "input" | "output", tensor: number, index: number): NodeView => {
    const { name, shape } = graph.tensors[tensor]!;
    return {
      id: `${kind}${index}`,
      kind,
      op: null,
      title: name,
      shape,
      share: null,
      ...PORT,
      ...place(),
    };
  };
  return [
    ...graph.inputs.map((tensor, i) => port("input", tensor, i)),
    ...ops.map(({ op, kind, outputs }): NodeView => {
      const { place: where, share } = operators[op]!;
      const shape = outputs[0]?.shape ?? [];
      return {
        id: `op${op}`,
        kind: where,
        op,
        title: kind,
        shape,
        share,
        ...NODE,
        ...place(),
      };
    }),
    ...graph.outputs.map((tensor, i) => port("output", tensor, i)),
  ];
}

/** One edge for each pair of nodes, without points. */
function edgesOf(graph: Graph, nodes: NodeView[]): EdgeView[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const writer = new Map<number, string>();
  graph.inputs.forEach((tensor, i) => writer.set(tensor, `input${i}`));
  for (const { id, outputs } of graph.ops) for (const out of outputs) writer.set(out, `op${id}`);
  const edges: EdgeView[] = [];
  const connect = (tensor: number, to: string): void => {
    const from = writer.get(tensor);
    if (from === undefined || byId.get(from)!.after.includes(to)) return;
    byId.get(from)!.after.push(to);
    byId.get(to)!.before.push(from);
    edges.push({ from, to, points: [] });
  };
  for (const { id, inputs } of graph.ops) for (const tensor of inputs) connect(tensor, `op${id}`);
  graph.outputs.forEach((tensor, i) => connect(tensor, `output${i}`));
  return edges;
}
