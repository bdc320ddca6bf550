// Boxes of tensors: jobs from left to right, addresses from bottom to top.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { MemoryRow } from "../../../core-as/index.ts";
import { bytesText, endOf, grouped } from "../shell/format.ts";
import { Chart } from "./chart.tsx";
import { columnWidth, JobAxes, LEFT } from "./job-axes.tsx";
import type { PartitionMemory } from "./memory-data.ts";
import { AsTable, useWidth } from "./parts.tsx";

const FRAME = { top: 22, bottom: 24, height: 380 };
/** Colours of boxes; neighbours in the list differ. */
const FILLS = 7;
const FONT = 11;
const LETTER = 6;

/** A moment of a row: -1 = before the first job, jobs = after the last one. */
export const momentText = (time: number, jobs: number): string =>
  time < 0 ? "before the first job" : time >= jobs ? "after the last job" : `job ${time}`;

const rowText = ({ label, bytes, offset, firstJob, lastJob }: MemoryRow, jobs: number): string =>
  `${label}: ${grouped(bytes)} bytes at ${grouped(offset)}, ${momentText(firstJob, jobs)} to ${momentText(lastJob, jobs)}`;

interface Props {
  memory: PartitionMemory;
  job: number;
  setJob(job: number): void;
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function MapChart({ memory, job, setJob }: Props): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { rows, jobs, peak } = memory;
  const [active, setActive] = useState(() =>
    Math.max(
      0,
      rows.findIndex((r) => r.firstJob === job),
    ),
  );
  const boxes = useMemo(() => boxesOf(memory, width), [memory, width]);
  const row = rows[active];
  const column = columnWidth(jobs, width);
  const xOf = (moment: number): number => LEFT + moment * column;
  const point = (index: number): void => {
    setActive(index);
    const { firstJob } = rows[index]!;
    setJob(Math.max(0, firstJob));
  };
  return (
    <>
      <div class="chart-scroll map-scroll" ref={ref}>
        {width > 0 && (
          <Chart
            label="Places of tensors in memory over the jobs"
            width={width}
            height={FRAME.height}
            count={rows.length}
            active={active}
            setActive={point}
            nameOf={(index) => rowText(rows[index]!, jobs)}
            itemAt={(x, y) => boxAt(boxes, x, y)}
            cursor={row && boxes[active] && <rect class="cursor-box" {...boxes[active]} />}
          >
            <JobAxes bytes={topOf(memory)} jobs={jobs} width={width} frame={FRAME} />
            <MapBoxes rows={rows} boxes={boxes} />
            <rect
              class="job-column"
              x={xOf(job + 1)}
              y={FRAME.top}
              width={Math.max(column, 1)}
              height={FRAME.height - FRAME.top - FRAME.bottom}
            />
            <Peak x={xOf(peak.moment) + column / 2} bytes={peak.bytes} width={width} />
          </Chart>
        )}
      </div>
      <p class="chart-line">{row ? rowText(row, jobs) : ""}</p>
      <AsTable
        caption="Tensors in memory"
        head={["Tensor", ">Buffer", ">Address", ">Bytes", "From", "To"]}
        rows={() =>
          rows.map((r) => [
            r.label,
            r.buffer,
            grouped(r.offset),
            grouped(r.bytes),
            momentText(r.firstJob, jobs),
            momentText(r.lastJob, jobs),
          ])
        }
      />
    </>
  );
}

/** Packed rows may reach over the last buffer's end only in a damaged executable; they are drawn all the same. */
const topOf = ({ bytes, rows }: PartitionMemory): number =>
  rows.reduce((top, { offset, bytes: size }) => Math.max(top, offset + size), Math.max(bytes, 1));

function boxesOf(memory: PartitionMemory, width: number): Box[] {
  const column = columnWidth(memory.jobs, width);
  const scale = (FRAME.height - FRAME.top - FRAME.bottom) / topOf(memory);
  return memory.rows.map(({ offset, bytes, firstJob, lastJob }) => ({
    x: LEFT + (firstJob + 1) * column,
    y: FRAME.height - FRAME.bottom - (offset + bytes) * scale,
    width: Math.max((lastJob - firstJob + 1) * column, 1),
    height: Math.max(bytes * scale, 1),
  }));
}

/** The smallest box at a place, or near it: thin ones are hard to hit. */
function boxAt(boxes: readonly Box[], x: number, y: number): number | undefined {
  let best: number | undefined;
  let least = Infinity;
  for (const [index, box] of boxes.entries()) {
    const away =
      Math.max(box.x - x, x - box.x - box.width, 0) +
      Math.max(box.y - y, y - box.y - box.height, 0);
    const rank = away * 1e6 + box.width * box.height;
    if (away <= 4 && rank < least) [best, least] = [index, rank];
  }
  return best;
}

function MapBoxes({
  rows,
  boxes,
}: {
  rows: readonly MemoryRow[];
  boxes: readonly Box[];
}): JSX.Element {
  return useMemo(
    () => (
      <>
        {rows.map(({ label }, i) => {
          const box = boxes[i]!;
          return (
            <g key={i}>
              <rect
                class={`tensor-box tensor-${i % FILLS}${box.width > 4 && box.height > 4 ? " outlined" : ""}`}
                {...box}
              />
              <BoxLabel label={label} box={box} />
            </g>
          );
        })}
      </>
    ),
    [rows, boxes],
  );
}

/** The label lies along the longer side; nothing where it would not be read. */
function BoxLabel({ label, box }: { label: string; box: Box }): JSX.Element | null {
  const upright = box.height > box.width;
  const [along, across] = upright ? [box.height, box.width] : [box.width, box.height];
  const letters = Math.floor((along - 8) / LETTER);
  if (across < FONT + 3 || letters < 4) return null;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return (
    <text
      class="tensor-label"
      x={x}
      y={y + 4}
      text-anchor="middle"
      transform={upright ? `rotate(-90 ${x} ${y})` : undefined}
    >
      {endOf(label, letters)}
    </text>
  );
}

function Peak({ x, bytes, width }: { x: number; bytes: number; width: number }): JSX.Element {
  const text = `peak: ${bytesText(bytes)}`;
  const left = x < width / 2;
  return (
    <>
      <line class="peak-line" x1={x} x2={x} y1={FRAME.top - 6} y2={FRAME.height - FRAME.bottom} />
      <path class="peak-mark" d={`M${x} ${FRAME.top} l-5 -8 h10 z`} />
      <text
        class="peak-text"
        x={left ? x + 9 : x - 9}
        y={FRAME.top - 8}
        text-anchor={left ? "start" : "end"}
      >
        {text}
      </text>
    </>
  );
}
