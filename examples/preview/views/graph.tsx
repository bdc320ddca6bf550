// The graph, drawn: NPU and CPU told apart by outline, pattern and word; keyboard, zoom, an overview strip.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { memo } from "preact/compat";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Selection } from "../panel-types.ts";
import type { EdgeView, GraphView, NodeView } from "./graph-data.ts";
import { GraphNode } from "./graph-node.tsx";
import { Overview } from "./graph-overview.tsx";

interface Props {
  /** Null while the worker lays it out. */
  graph: GraphView | null;
  selection: Selection;
  select(selection: Selection): void;
}

const ZOOM = { least: 0.1, most: 2.5, step: 1.25 };

const bounded = (zoom: number): number => Math.min(ZOOM.most, Math.max(ZOOM.least, zoom));

export function GraphPanel({ graph, selection, select }: Props): JSX.Element {
  if (graph === null) return <div class="graph-frame waiting" aria-busy="true" />;
  return <GraphFrame graph={graph} selection={selection} select={select} />;
}

function GraphFrame({ graph, selection, select }: Props & { graph: GraphView }): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const { zoom, isSized, setZoom, fit } = useZoom(graph, scroller);
  const view: WalkedView = { scroller, zoom, isSized };
  const { focused, onKeyDown, setFocused } = useWalk(graph, selection, view, select);
  usePan(scroller);
  const keys = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") setZoom(zoom * ZOOM.step);
    else if (event.key === "-") setZoom(zoom / ZOOM.step);
    else if (event.key === "0") setZoom(1);
    else if (event.key.toLowerCase() === "f") fit();
    else return onKeyDown(event);
    event.preventDefault();
  };
  return (
    <div class="graph-frame">
      <div class="graph-tools" role="group" aria-label="Zoom">
        <button type="button" class="button small" onClick={() => setZoom(zoom / ZOOM.step)}>
          <span aria-hidden="true">−</span>
          <span class="hidden">Smaller</span>
        </button>
        <button type="button" class="button small number" onClick={() => setZoom(1)}>
          <span class="hidden">Zoom </span>
          {Math.round(zoom * 100)} %
        </button>
        <button type="button" class="button small" onClick={() => setZoom(zoom * ZOOM.step)}>
          <span aria-hidden="true">+</span>
          <span class="hidden">Larger</span>
        </button>
        <button type="button" class="button small" onClick={fit}>
          Fit
        </button>
        <Legend />
      </div>
      <div class="graph-area">
        <div
          class="graph-scroll"
          ref={scroller}
          role="group"
          tabIndex={0}
          aria-label="Graph of operators"
          aria-describedby="graph-help"
          onKeyDown={keys}
        >
          <Drawing
            graph={graph}
            zoom={zoom}
            selected={selection.op}
            focused={focused}
            setFocused={setFocused}
            select={select}
          />
        </div>
        <Overview graph={graph} zoom={zoom} scroller={scroller} />
      </div>
      <p class="graph-help muted small-text" id="graph-help">
        Arrow keys follow the graph, Enter shows details, + and − zoom, 0 is full size, F fits.
      </p>
    </div>
  );
}

const Legend = (): JSX.Element => (
  <ul class="graph-legend" aria-label="Legend">
    <li>
      <span class="legend-npu" aria-hidden="true" /> NPU
    </li>
    <li>
      <span class="legend-cpu" aria-hidden="true" /> CPU
    </li>
    <li>
      <span class="legend-share" aria-hidden="true" /> share of time
    </li>
  </ul>
);

interface DrawingProps {
  graph: GraphView;
  zoom: number;
  selected: number | undefined;
  focused: string;
  setFocused(id: string): void;
  select(selection: Selection): void;
}

function Drawing({
  graph,
  zoom,
  selected,
  focused,
  setFocused,
  select,
}: DrawingProps): JSX.Element {
  const { nodes, edges, width, height } = graph;
  const most = useMemo(() => Math.max(...nodes.map(({ share }) => share ?? 0)), [nodes]);
  return (
    <svg
      class="graph"
      width={width * zoom}
      height={height * zoom}
      viewBox={`0 0 ${width} ${height}`}
    >
      <defs>
        <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse">
          <path class="hatch" d="M-1 1l2-2M0 7l7-7M6 8l2-2" />
        </pattern>
        <marker
          id="arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          orient="auto"
        >
          <path class="arrow" d="M0 0.8 7.4 4 0 7.2Z" />
        </marker>
      </defs>
      <Edges edges={edges} />
      {nodes.map((node) => (
        <GraphNode
          key={node.id}
          node={node}
          most={most}
          selected={node.op !== null && node.op === selected}
          reachable={node.id === focused}
          setFocused={setFocused}
          select={select}
        />
      ))}
    </svg>
  );
}

/** Arrows never change while a graph is shown. */
const Edges = memo(function Edges({ edges }: { edges: EdgeView[] }): JSX.Element {
  return (
    <g class="edges" aria-hidden="true">
      {edges.map(({ from, to, points }) => (
        <path key={`${from} ${to}`} d={curve(points)} markerEnd="url(#arrow)" />
      ))}
    </g>
  );
});

/** A line through the points whose corners are rounded. */
function curve(points: [number, number][]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const steps = rest.map(([x, y], i) => {
    const next = rest[i + 1];
    if (next === undefined) return `L${x} ${y}`;
    return `Q${x} ${y} ${(x + next[0]) / 2} ${(y + next[1]) / 2}`;
  });
  return `M${first[0]} ${first[1]}${steps.join("")}`;
}

/** Zoom that keeps the middle of the view where it is; it begins with as much as fits the width. */
function useZoom(graph: GraphView, scroller: { current: HTMLDivElement | null }) {
  const [chosen, set] = useState<number>();
  const zoom = chosen ?? 1;
  const middle = useRef<[x: number, y: number]>();
  const start = useRef<number | null>(null);
  const setZoom = useCallback(
    (wanted: number): void => {
      const box = scroller.current;
      if (!box) return;
      const next = bounded(wanted);
      set((before = 1) => {
        const along = (from: number, size: number): number => (from + size / 2) / before;
        // A drawing narrower than its box stands in the middle of it.
        const aside = Math.max(0, box.clientWidth / before - graph.width) / 2;
        middle.current = [
          along(box.scrollLeft, box.clientWidth) - aside,
          along(box.scrollTop, box.clientHeight),
        ];
        return next;
      });
    },
    [graph],
  );
  // With the same rendering that changes the size: a frame in between would show another place.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !middle.current) return;
    const [x, y] = middle.current;
    box.scrollTo(x * zoom - box.clientWidth / 2, y * zoom - box.clientHeight / 2);
  }, [zoom]);
  const fit = useCallback((): void => {
    const box = scroller.current;
    if (box) setZoom(Math.min(box.clientWidth / graph.width, box.clientHeight / graph.height));
  }, [graph]);
  // Full size where it fits, smaller down to what can still be read; the first box in the middle.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const first = bounded(Math.max(0.85, Math.min(1, box.clientWidth / graph.width)));
    set(first);
    const { x = 0, width = 0 } = graph.nodes[0] ?? {};
    start.current = (x + width / 2) * first;
  }, [graph]);
  // Once the drawing has its size.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || chosen === undefined || start.current === null) return;
    box.scrollLeft = start.current - box.clientWidth / 2;
    start.current = null;
  }, [chosen, graph]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    // Pinching on a touchpad arrives as a wheel with the control key.
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      setZoom(zoom * Math.exp(-event.deltaY / 200));
    };
    box.addEventListener("wheel", wheel, { passive: false });
    return () => box.removeEventListener("wheel", wheel);
  }, [zoom]);
  return { zoom, isSized: chosen !== undefined, setZoom, fit };
}

const KEYS: Readonly<
  Record<string, (node: NodeView, all: readonly NodeView[]) => string | undefined>
> = {
  ArrowDown: ({ after }) => after[0],
  ArrowUp: ({ before }) => before[0],
  ArrowRight: (node, all) => beside(node, all, 1),
  ArrowLeft: (node, all) => beside(node, all, -1),
  Home: (_, all) => all[0]?.id,
  End: (_, all) => all.at(-1)?.id,
};

/** The next node in the same row; without one the next in the order of the model. */
function beside(node: NodeView, all: readonly NodeView[], step: 1 | -1): string | undefined {
  const middle = ({ y, height }: NodeView): number => y + height / 2;
  const row = all
    .filter((other) => Math.abs(middle(other) - middle(node)) < 4)
    .sort((a, b) => a.x - b.x);
  return (row[row.indexOf(node) + step] ?? all[all.indexOf(node) + step])?.id;
}

interface WalkedView {
  scroller: { current: HTMLDivElement | null };
  zoom: number;
  /** False while the drawing does not have its first zoom yet. */
  isSized: boolean;
}

/** One node can be reached by Tab; arrow keys move from node to node along the edges. */
function useWalk(
  { nodes }: GraphView,
  selection: Selection,
  { scroller, zoom, isSized }: WalkedView,
  select: Props["select"],
) {
  const [focused, setFocused] = useState(() => nodes[0]?.id ?? "");
  const byId = useMemo(() => new Map(nodes.map((node) => [node.id, node])), [nodes]);
  const reveal = (id: string): void => {
    const [box, node] = [scroller.current, byId.get(id)];
    if (!box || !node) return;
    const place = (at: number, size: number, from: number, room: number): number => {
      const [low, high] = [at * zoom - 24, (at + size) * zoom + 24];
      return low < from || high > from + room ? (low + high - room) / 2 : from;
    };
    box.scrollTo(
      place(node.x, node.width, box.scrollLeft, box.clientWidth),
      place(node.y, node.height, box.scrollTop, box.clientHeight),
    );
  };
  // What another panel selected is in view when the graph opens.
  useEffect(() => {
    const id = `op${selection.op}`;
    if (!isSized || !byId.has(id)) return;
    setFocused(id);
    reveal(id);
  }, [selection.op, byId, isSized]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const node = byId.get(focused);
    if (!node) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (node.op !== null) select({ op: node.op });
      return;
    }
    const next = KEYS[event.key]?.(node, nodes);
    if (KEYS[event.key]) event.preventDefault();
    if (next === undefined) return;
    setFocused(next);
    reveal(next);
    scroller.current?.querySelector<SVGGElement>(`#node-${next}`)?.focus({ preventScroll: true });
  };
  return { focused: byId.has(focused) ? focused : (nodes[0]?.id ?? ""), setFocused, onKeyDown };
}

/** Dragging the background moves the view; fingers scroll by themselves. */
function usePan(scroller: { current: HTMLDivElement | null }): void {
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const down = (event: PointerEvent): void => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      if ((event.target as Element).closest(".node")) return;
      // The scrollbars move the view by themselves.
      const { left, top } = box.getBoundingClientRect();
      if (event.clientX - left >= box.clientWidth || event.clientY - top >= box.clientHeight)
        return;
      const from = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
      const over = new AbortController();
      const { signal } = over;
      const up = (): void => {
        box.classList.remove("panning");
        over.abort();
      };
      const move = ({ clientX, clientY, buttons }: PointerEvent): void => {
        // Nobody said that the button was released, e.g. in another window.
        if (buttons === 0) return up();
        box.scrollTo(from.x - clientX, from.y - clientY);
      };
      box.classList.add("panning");
      addEventListener("pointermove", move, { signal });
      addEventListener("pointerup", up, { signal });
      addEventListener("pointercancel", up, { signal });
    };
    box.addEventListener("pointerdown", down);
    return () => box.removeEventListener("pointerdown", down);
  }, []);
}
