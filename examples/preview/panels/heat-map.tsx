// Weights as squares on a canvas: area for size, filled above and hollow below the zero point, colour besides.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { targetOf } from "./chart.tsx";
import { useThemeTurn, useWidth } from "./parts.tsx";
import { signed, tapPlace } from "./weight-text.ts";
import type { WeightsData } from "./weights-data.ts";

interface Layout {
  cell: number;
  /** Planes side by side. */
  columns: number;
  /** Cells of a plane, and the gap behind it. */
  planeX: number;
  planeY: number;
  gap: number;
  width: number;
  height: number;
}

/** Sizes of cells: as large as what has to be shown allows. */
const CELLS: readonly (readonly [most: number, cell: number])[] = [
  [27, 44],
  [150, 26],
  [700, 16],
  [3000, 11],
  [Infinity, 8],
];

/** A canvas is no larger than browsers can draw. */
const MOST_HEIGHT = 16000;

function layoutOf({ weights, planes, fields }: WeightsData, room: number): Layout {
  const cell = CELLS.find(([most]) => weights.length <= most)![1];
  const gap = fields.kernelX * fields.kernelY === 1 ? 0 : Math.max(4, Math.round(cell / 3));
  const planeX = fields.kernelX * cell + gap;
  const planeY = fields.kernelY * cell + gap;
  const fitting = Math.max(1, Math.floor((room - 2) / planeX));
  // Whole tens of channels in a row are counted more easily.
  const columns = gap === 0 && fitting >= 16 ? fitting - (fitting % 8) : fitting;
  const rows = Math.ceil(planes / columns);
  const height = Math.min(rows * planeY - gap + 2, MOST_HEIGHT);
  return { cell, columns, planeX, planeY, gap, width: room, height };
}

function placeOf({ fields }: WeightsData, tap: number) {
  const { kernelX, kernelY } = fields;
  return {
    x: tap % kernelX,
    y: Math.floor(tap / kernelX) % kernelY,
    z: Math.floor(tap / (kernelX * kernelY)),
  };
}

function cornerOf(data: WeightsData, layout: Layout, tap: number): { left: number; top: number } {
  const { x, y, z } = placeOf(data, tap);
  return {
    left: 1 + (z % layout.columns) * layout.planeX + x * layout.cell,
    top: 1 + Math.floor(z / layout.columns) * layout.planeY + y * layout.cell,
  };
}

function tapAt(data: WeightsData, layout: Layout, left: number, top: number): number | undefined {
  const { fields, planes } = data;
  const column = Math.floor((left - 1) / layout.planeX);
  const x = Math.floor((left - 1 - column * layout.planeX) / layout.cell);
  const row = Math.floor((top - 1) / layout.planeY);
  const y = Math.floor((top - 1 - row * layout.planeY) / layout.cell);
  const z = row * layout.columns + column;
  const outside =
    column < 0 ||
    column >= layout.columns ||
    z < 0 ||
    z >= planes ||
    x < 0 ||
    x >= fields.kernelX ||
    y < 0 ||
    y >= fields.kernelY;
  return outside ? undefined : (z * fields.kernelY + y) * fields.kernelX + x;
}

/** "input channel 3, row 0, column 1: −12 (byte 116)". */
export function tapText(data: WeightsData, tap: number): string {
  const { fields, channel, weights } = data;
  const weight = weights[tap] ?? 0;
  return `${tapPlace(fields, tap, channel)}: ${signed(weight)} (byte ${weight + fields.weightZeroPoint})`;
}

interface Props {
  data: WeightsData;
  tap: number;
  setTap(tap: number): void;
  choose(tap: number): void;
}

export function HeatMap({ data, tap, setTap, choose }: Props): JSX.Element {
  const [ref, room] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const id = useId();
  const theme = useThemeTurn();
  const layout = layoutOf(data, Math.max(room, 40));
  const { cell, width, height } = layout;
  useEffect(() => {
    if (canvas.current && room > 0) draw(canvas.current, data, layout);
  }, [data, room, theme]);
  const keyTarget = (key: string): number | undefined => {
    const { kernelX, kernelY } = data.fields;
    const isPoint = kernelX * kernelY === 1;
    const line = isPoint ? layout.columns : kernelX;
    const to = key === "ArrowDown" ? tap + line : key === "ArrowUp" ? tap - line : undefined;
    if (to === undefined) return targetOf(key, tap, data.weights.length);
    return to < 0 || to >= data.weights.length ? tap : to;
  };
  const at = (event: MouseEvent): number | undefined => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return tapAt(data, layout, event.clientX - box.left, event.clientY - box.top);
  };
  const corner = cornerOf(data, layout, tap);
  return (
    <div class="heat-scroll" ref={ref}>
      <div
        class="heat"
        role="listbox"
        aria-label="Weights of the kernel; arrow keys move"
        aria-activedescendant={`${id}-${tap}`}
        tabIndex={0}
        style={{ height: `${height}px` }}
        onKeyDown={(event) => {
          const isChoice = event.key === "Enter" || event.key === " ";
          const to = isChoice ? tap : keyTarget(event.key);
          if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          if (isChoice) choose(tap);
          else setTap(to);
          scrollTo(ref.current, cornerOf(data, layout, to).top, cell);
        }}
        onPointerMove={(event) => {
          const to = at(event);
          if (to !== undefined && to !== tap) setTap(to);
        }}
        onClick={(event) => {
          const to = at(event);
          if (to === undefined) return;
          setTap(to);
          choose(to);
        }}
      >
        <canvas
          ref={canvas}
          aria-hidden="true"
          style={{ width: `${width}px`, height: `${height}px` }}
        />
        <div
          role="option"
          class="heat-cursor"
          id={`${id}-${tap}`}
          key={tap}
          aria-selected="true"
          aria-setsize={data.weights.length}
          aria-posinset={tap + 1}
          aria-label={tapText(data, tap)}
          style={{
            left: `${corner.left}px`,
            top: `${corner.top}px`,
            width: `${cell}px`,
            height: `${cell}px`,
          }}
        />
      </div>
    </div>
  );
}

/** Keeps the current weight in view inside of its box; the page itself does not move. */
function scrollTo(box: HTMLElement | null, top: number, cell: number): void {
  if (!box) return;
  if (top < box.scrollTop) box.scrollTop = top - cell;
  else if (top + cell > box.scrollTop + box.clientHeight)
    box.scrollTop = top + 2 * cell - box.clientHeight;
}

function draw(canvas: HTMLCanvasElement, data: WeightsData, layout: Layout): void {
  const { cell, width, height } = layout;
  const sharp = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(sharp, sharp);
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const [above, below, line] = [colour("--above"), colour("--below"), colour("--line")];
  const largest = data.weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1);
  const inner = cell - 2;
  context.lineWidth = cell >= 14 ? 2 : 1.25;
  for (const [tap, weight] of data.weights.entries()) {
    const { left, top } = cornerOf(data, layout, tap);
    context.fillStyle = line;
    context.fillRect(left, top, cell - 1, cell - 1);
    if (weight === 0) continue;
    // Area is in proportion to the value; the smallest one is still seen.
    const side = Math.max(2, inner * Math.sqrt(Math.abs(weight) / largest));
    const [x, y] = [left + (cell - 1 - side) / 2, top + (cell - 1 - side) / 2];
    context.fillStyle = above;
    context.strokeStyle = below;
    const edge = context.lineWidth;
    if (weight > 0 || side < 2 * edge + 1) {
      if (weight < 0) context.fillStyle = below;
      context.fillRect(x, y, side, side);
    } else context.strokeRect(x + edge / 2, y + edge / 2, side - edge, side - edge);
  }
}
