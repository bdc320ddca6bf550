// Bytes that are alive during each job, on a canvas by uPlot; loaded when it is first shown.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { bytesText, grouped } from "../shell/format.ts";
import type { PartitionMemory } from "./memory-data.ts";
import { labelledJobs, LEFT, RIGHT } from "./job-axes.tsx";
import { momentText } from "./memory-map.tsx";
import { AsTable, useThemeTurn, useWidth } from "./parts.tsx";

const HEIGHT = 130;

export function LiveChart({ memory, job }: { memory: PartitionMemory; job: number }): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>();
  const theme = useThemeTurn();
  const plot = useRef<uPlot>();
  /** The job may change while uPlot is loaded. */
  const latest = useRef(job);
  latest.current = job;
  const { live, jobs, bytes } = memory;
  useEffect(() => {
    const place = ref.current;
    if (!place || width === 0) return undefined;
    let wanted = true;
    void import("uplot").then(({ default: Plot }) => {
      if (!wanted) return;
      plot.current = new Plot(optionsOf(Plot, memory, width, place), dataOf(memory), place);
      point(plot.current, latest.current);
    });
    return () => {
      wanted = false;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [ref, memory, width, theme]);
  useEffect(() => point(plot.current, job), [job]);
  const now = live[job + 1] ?? 0;
  return (
    <>
      <h3>Bytes alive</h3>
      <div
        class="live-chart"
        ref={ref}
        role="img"
        aria-label={`Bytes alive by job: at most ${bytesText(memory.peak.bytes)}, ${momentText(memory.peak.moment - 1, jobs)}`}
      />
      <p class="chart-line">
        {momentText(job, jobs)}: {grouped(now)} of {grouped(bytes)} bytes hold something
      </p>
      <AsTable
        caption="Bytes alive"
        head={["Moment", ">Bytes"]}
        rows={() => live.map((count, moment) => [momentText(moment - 1, jobs), grouped(count)])}
      />
    </>
  );
}

/** Moments -1 (before the first job) to jobs (after the last one). */
const dataOf = ({ live }: PartitionMemory): uPlot.AlignedData => [
  [...live.map((_, moment) => moment - 1), live.length - 1],
  // The last step needs an end.
  [...live, live.at(-1)!],
];

function optionsOf(
  Plot: typeof uPlot,
  { live, bytes, jobs }: PartitionMemory,
  width: number,
  place: HTMLElement,
): uPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, RIGHT, 0, 0],
    legend: { show: false },
    cursor: { x: true, y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, range: [-1, live.length - 1] },
      y: { range: [0, Math.max(bytes, 1)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 2,
        grid: { show: false },
        // As in the map above: in the middle of a job.
        splits: () => labelledJobs(jobs, width).map((job) => job + 0.5),
        values: (_, ticks) => ticks.map((tick) => String(tick - 0.5)),
      },
      {
        ...axis,
        size: LEFT,
        gap: 6,
        splits: [0, bytes / 2, bytes],
        values: (_, ticks) => ticks.map((tick) => bytesText(Math.round(tick))),
      },
    ],
    series: [
      {},
      {
        stroke: colour("--accent"),
        fill: colour("--npu-soft"),
        width: 1.5,
        paths: Plot.paths.stepped!({ align: 1 }),
        points: { show: false },
      },
    ],
  };
}

/** Moves the cursor to the middle of a job. */
function point(plot: uPlot | undefined, job: number): void {
  plot?.setCursor({ left: plot.valToPos(job + 0.5, "x"), top: 0 });
}
