// Places of boxes and arrows: as dagre lays them out for graphs like those of models, in plain rows for what it cannot do.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EdgeView, NodeView } from "../../../examples/preview/views/graph-data.ts";
import { arranged, layered, NODE } from "../../../examples/preview/views/graph-layout.ts";

interface Shape {
  nodes: NodeView[];
  edges: EdgeView[];
}

/** Operators 0, 1, 2 … and which reads which. */
function shape(count: number, readers: readonly (readonly [from: number, to: number])[]): Shape {
  const nodes = Array.from({ length: count }, (_, op): NodeView => {
    const rest = { title: "ADD", shape: [1], share: null, x: 0, y: 0, after: [], before: [] };
    return { id: `op${op}`, kind: "npu", op, ...rest, ...NODE };
  });
  const edges = readers.map(([from, to]): EdgeView => {
    nodes[from]!.after.push(`op${to}`);
    nodes[to]!.before.push(`op${from}`);
    return { from: `op${from}`, to: `op${to}`, points: [] };
  });
  return { nodes, edges };
}

type Pairs = [from: number, to: number][];

const numbers = (count: number): number[] => [...Array(count).keys()];
const line = (count: number): Pairs => numbers(count - 1).map((i) => [i, i + 1]);

/** Blocks with a sum of what goes in and what comes out. */
const residual = (count: number): Shape =>
  shape(count, [...line(count), ...numbers(count / 4 - 1).map((i) => [4 * i, 4 * i + 4] as const)]);

/** Every operator of the first half is read by its mirror image in the second, too. */
const mirrored = (count: number): Shape =>
  shape(count, [...line(count), ...numbers(count / 2 - 1).map((i) => [i, count - 1 - i] as const)]);

/** Blocks in which every operator reads all earlier ones. */
function dense(count: number, block: number): Shape {
  const inside = (to: number): number => to % block || 1;
  return shape(
    count,
    numbers(count - 1).flatMap((i) =>
      numbers(inside(i + 1)).map((back): [number, number] => [i - back, i + 1]),
    ),
  );
}

/** Every third operator reads the first one, too. */
const hub = (count: number): Shape =>
  shape(count, [...line(count), ...numbers(count / 3 - 1).map((i) => [0, 3 * i + 3] as const)]);

/** dagre takes seconds for each of them, or all of the stack. */
const SLOW: readonly [name: string, shape: Shape][] = [
  ["a chain of 3000", shape(3000, line(3000))],
  ["300 with mirrored skips", mirrored(300)],
  ["300 in dense blocks", dense(300, 30)],
  ["600 of which every third reads one tensor", hub(600)],
];

/** True where a line from point to point goes through the inside of a box. */
function crosses([x1, y1]: number[], [x2, y2]: number[], box: NodeView): boolean {
  // Both are cut to the box, side by side (Liang-Barsky).
  let [from, to] = [0, 1];
  for (const [start, way, low, size] of [
    [x1!, x2! - x1!, box.x, box.width],
    [y1!, y2! - y1!, box.y, box.height],
  ] as const) {
    const [a, b] = [low + 0.01 - start, low + size - 0.01 - start];
    if (way === 0) {
      if (a > 0 || b < 0) return false;
      continue;
    }
    from = Math.max(from, Math.min(a / way, b / way));
    to = Math.min(to, Math.max(a / way, b / way));
  }
  return from < to;
}

for (const [name, { nodes, edges }] of SLOW) {
  test(`${name} stands in plain rows, and can be read`, () => {
    const placed = arranged(nodes, edges);
    const byId = new Map(placed.nodes.map((node) => [node.id, node]));
    assert.equal(
      [...byId.keys()],
      nodes.map(({ id }) => id),
    );
    const byRow = new Map<number, NodeView[]>();
    for (const node of placed.nodes) {
      const { x, y, width, height } = node;
      assert.ok(x >= 0 && y >= 0 && x + width <= placed.width && y + height <= placed.height);
      byRow.set(y, [...(byRow.get(y) ?? []), node]);
    }
    const ys = [...byRow.keys()].sort((a, b) => a - b);
    ys.reduce((above, y) => (assert.ok(y >= above + NODE.height, "rows are apart"), y));
    for (const row of byRow.values())
      for (const [i, a] of row.entries())
        for (const b of row.slice(i + 1))
          assert.ok(a.x + a.width <= b.x || b.x + b.width <= a.x, `${a.id} covers ${b.id}`);

    assert.is(placed.edges.length, edges.length);
    for (const { from, to, points } of placed.edges) {
      const [a, b] = [byId.get(from)!, byId.get(to)!];
      assert.equal(points[0], [a.x + a.width / 2, a.y + a.height], `${from} to ${to} begins`);
      assert.equal(points.at(-1), [b.x + b.width / 2, b.y], `${from} to ${to} ends`);
      // dagre bends an edge at every row that it passes.
      assert.ok([2, 8].includes(points.length), `${from} to ${to} is not dagre's`);
    }
  });
}

test("in rows no arrow goes through a box", () => {
  const { nodes, edges } = hub(600);
  const placed = arranged(nodes, edges);
  for (const { from, to, points } of placed.edges)
    for (const [i, point] of points.slice(1).entries())
      for (const box of placed.nodes)
        assert.not(crosses(points[i]!, point, box), `${from} to ${to} goes through ${box.id}`);
});

test("graphs like those of models are laid out by dagre", () => {
  // A weight that is prepared by an operator of its own stands beside its reader: its edge is short.
  const weights = shape(300, [
    ...line(150),
    ...numbers(149).map((i): [number, number] => [150 + i, i + 1]),
  ]);
  weights.nodes = [...weights.nodes.slice(150), ...weights.nodes.slice(0, 150)];
  for (const { nodes, edges } of [residual(160), weights, mirrored(40), dense(40, 10)])
    assert.equal(arranged(nodes, edges), layered(nodes, edges));
});

test("where dagre fails, there are rows", () => {
  const { nodes, edges } = residual(40);
  // Below both limits it depends on the engine whether the stack is enough; here it fails at the first box.
  let failures = 1;
  Object.defineProperty(nodes[0]!, "width", {
    get: () => {
      if (failures-- > 0) throw new RangeError("Maximum call stack size exceeded");
      return NODE.width;
    },
  });
  const ys = arranged(nodes, edges).nodes.map(({ y }) => y);
  assert.is(new Set(ys).size, nodes.length);
});

test.run();
