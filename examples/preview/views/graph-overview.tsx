// The whole graph as a strip beside it: where the CPU is, what part is in view; a click goes there.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { memo } from "preact/compat";
import { useEffect, useRef } from "preact/hooks";
import type { GraphView } from "./graph-data.ts";

interface Props {
  graph: GraphView;
  zoom: number;
  scroller: { current: HTMLDivElement | null };
}

/** For pointers only: with a keyboard the graph itself is walked. */
export function Overview({ graph, zoom, scroller }: Props): JSX.Element {
  const { width, height } = graph;
  const view = useRef<SVGRectElement>(null);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const update = (): void => {
      const set = (name: string, value: number): void =>
        view.current?.setAttribute(name, String(value));
      set("x", box.scrollLeft / zoom);
      set("y", box.scrollTop / zoom);
      set("width", Math.min(width, box.clientWidth / zoom));
      set("height", Math.min(height, box.clientHeight / zoom));
    };
    update();
    box.addEventListener("scroll", update, { passive: true });
    const resized = new ResizeObserver(update);
    resized.observe(box);
    return () => {
      box.removeEventListener("scroll", update);
      resized.disconnect();
    };
  }, [graph, zoom]);
  const go = (event: PointerEvent): void => {
    if (event.buttons !== 1) return;
    const box = scroller.current;
    if (!box) return;
    const strip = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - strip.left) / strip.width) * width;
    const y = ((event.clientY - strip.top) / strip.height) * height;
    box.scrollTo(x * zoom - box.clientWidth / 2, y * zoom - box.clientHeight / 2);
  };
  return (
    <svg
      class="overview"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      onPointerDown={go}
      onPointerMove={go}
    >
      <Marks graph={graph} />
      <rect class="overview-view" ref={view} />
    </svg>
  );
}

const Marks = memo(function Marks({ graph }: { graph: GraphView }): JSX.Element {
  return (
    <g>
      {graph.nodes.map(({ id, kind, x, y, width, height }) => (
        <rect key={id} class={`mark ${kind}`} x={x} y={y} width={width} height={height} />
      ))}
    </g>
  );
});
