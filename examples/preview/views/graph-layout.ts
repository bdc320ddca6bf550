// Places for the boxes and arrows of a graph: dagre's where it can have them in time, else plain rows.
// SPDX-License-Identifier: MIT
import { Graph as Layout, layout } from "@dagrejs/dagre";
import type { EdgeView, GraphView, NodeView } from "./graph-data.ts";

type Placed = Omit<GraphView, "ops">;

/** Sizes of a box: of an operator, and of an input or output. */
export const NODE = { width: 212, height: 58 };
export const PORT = { width: 212, height: 34 };

const MARGIN = 24;
const GAP = { x: 28, y: 34 };

/** From row to row. */
const PITCH = NODE.height + GAP.y;

/** From lane to lane beside plain rows, and how far from a corner an arrow begins to turn. */
const LANE = 12;
const BEND = 8;

/**
 * dagre takes about half a millisecond for each row that an edge spans, and recurses along the graph until no stack is
 * left. Models of some hundred operators are far below both.
 */
const MOST = { spans: 3000, rows: 800 };

/** Places for nodes and edges from top to bottom; nodes stand in the order of the model, inputs first, outputs last. */
export function arranged(nodes: readonly NodeView[], edges: readonly EdgeView[]): Placed {
  const rows = rowsOf(nodes);
  let [deepest, spans] = [0, 0];
  for (const row of rows.values()) deepest = Math.max(deepest, row);
  for (const { from, to } of edges) spans += rows.get(to)! - rows.get(from)!;
  if (deepest < MOST.rows && spans <= MOST.spans)
    try {
      return layered(nodes, edges);
    } catch {
      // Engines differ in the stack that they have, and in what they throw without one.
    }
  return inRows(nodes, edges, rows);
}

/** The row of each node: below all that it reads, and as near to its readers as makes edges shorter. */
function rowsOf(nodes: readonly NodeView[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const { id, before } of nodes)
    rows.set(
      id,
      before.reduce((row, from) => Math.max(row, rows.get(from)! + 1), 0),
    );
  for (const { id, before, after } of [...nodes].reverse())
    if (after.length > 0 && before.length <= after.length)
      rows.set(id, after.reduce((row, to) => Math.min(row, rows.get(to)!), Infinity) - 1);
  return rows;
}

/** As dagre does it: few crossings, short edges. */
export function layered(nodes: readonly NodeView[], edges: readonly EdgeView[]): Placed {
  const plan = new Layout();
  plan.setGraph({
    rankdir: "TB",
    nodesep: GAP.x,
    ranksep: GAP.y,
    edgesep: 14,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  plan.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) plan.setNode(id, { width, height });
  for (const { from, to } of edges) plan.setEdge(from, to);
  layout(plan);
  const { width = 0, height = 0 } = plan.graph() as { width?: number; height?: number };
  return {
    width,
    height,
    nodes: nodes.map((node) => {
      const { x, y } = plan.node(node.id) as { x: number; y: number };
      return { ...node, x: round(x - node.width / 2), y: round(y - node.height / 2) };
    }),
    edges: edges.map(({ from, to }) => {
      const { points } = plan.edge(from, to) as { points: { x: number; y: number }[] };
      return { from, to, points: points.map(({ x, y }) => [round(x), round(y)]) };
    }),
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Rows in the order of the model; edges that pass a row do it in lanes to the left of all boxes. */
function inRows(
  nodes: readonly NodeView[],
  edges: readonly EdgeView[],
  rows: ReadonlyMap<string, number>,
): Placed {
  const { lanes, count } = lanesOf(edges, rows);
  const left = MARGIN + count * LANE;
  /** Boxes of each row so far. */
  const used: number[] = [];
  const placed = new Map<string, NodeView>();
  for (const node of nodes) {
    const row = rows.get(node.id)!;
    const column = used[row] ?? 0;
    used[row] = column + 1;
    const x = left + column * (NODE.width + GAP.x);
    const y = MARGIN + row * PITCH + (NODE.height - node.height) / 2;
    placed.set(node.id, { ...node, x, y });
  }
  /** The middle of the gap above a row. */
  const above = (row: number): number => MARGIN + row * PITCH - GAP.y / 2;
  const pointsOf = ({ from, to }: EdgeView): EdgeView["points"] => {
    const [a, b] = [placed.get(from)!, placed.get(to)!];
    const start: [number, number] = [a.x + a.width / 2, a.y + a.height];
    const end: [number, number] = [b.x + b.width / 2, b.y];
    const [first, last] = [rows.get(from)! + 1, rows.get(to)!];
    if (first === last) return [start, end];
    const x = left - (lanes.get(from)! + 1) * LANE;
    const [top, bottom] = [above(first), above(last)];
    return [
      start,
      [start[0], top],
      [x + BEND, top],
      [x, top + BEND],
      [x, bottom - BEND],
      [x + BEND, bottom],
      [end[0], bottom],
      end,
    ];
  };
  const widest = used.reduce((most, boxes) => Math.max(most, boxes), 0);
  return {
    width: left + widest * (NODE.width + GAP.x) - GAP.x + MARGIN,
    height: 2 * MARGIN + used.length * PITCH - GAP.y,
    nodes: [...placed.values()],
    edges: edges.map((edge) => ({ ...edge, points: pointsOf(edge) })),
  };
}

/** A lane for each node with edges that pass a row, shared by these edges; nodes have the same one after another. */
function lanesOf(
  edges: readonly EdgeView[],
  rows: ReadonlyMap<string, number>,
): { lanes: Map<string, number>; count: number } {
  const last = new Map<string, number>();
  for (const { from, to } of edges)
    if (rows.get(to)! - rows.get(from)! > 1)
      last.set(from, Math.max(last.get(from) ?? 0, rows.get(to)!));
  /** The row from which each lane is free. */
  const free: number[] = [];
  const lanes = new Map<string, number>();
  const order = [...last.keys()].sort((a, b) => rows.get(a)! - rows.get(b)!);
  for (const from of order) {
    const found = free.findIndex((row) => row <= rows.get(from)!);
    const lane = found === -1 ? free.length : found;
    free[lane] = last.get(from)!;
    lanes.set(from, lane);
  }
  return { lanes, count: free.length };
}
