// Axes of charts with a column for each job: bytes upwards, jobs to the right.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { bytesText } from "../shell/format.ts";

export const LEFT = 62;
export const RIGHT = 12;

/** Height of a chart, and what of it lies above and below its columns. */
interface Frame {
  top: number;
  bottom: number;
  height: number;
}

/** Width of a job; the host has a column before the first and one behind the last job. */
export const columnWidth = (jobs: number, width: number): number =>
  (width - LEFT - RIGHT) / (jobs + 2);

/** Every how many jobs a label has room. */
function jobStep(jobs: number, width: number): number {
  const least = 30 / Math.max(columnWidth(jobs, width), 0.01);
  return [1, 2, 5, 10, 20, 50, 100, 200, 500].find((step) => step >= least) ?? 1000;
}

/** Jobs that have a label on the axis. */
export function labelledJobs(jobs: number, width: number): number[] {
  const step = jobStep(jobs, width);
  return Array.from({ length: Math.ceil(jobs / step) }, (_, i) => i * step);
}

/** @param bytes at the upper end of the axis */
export function JobAxes({
  bytes,
  jobs,
  width,
  frame: { top, bottom, height },
}: {
  bytes: number;
  jobs: number;
  width: number;
  frame: Frame;
}): JSX.Element {
  const column = columnWidth(jobs, width);
  return (
    <>
      {[0, 1, 2, 3, 4].map((i) => {
        const y = height - bottom - ((height - top - bottom) * i) / 4;
        return (
          <g key={i}>
            <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y} y2={y} />
            <text class="axis" x={LEFT - 6} y={y + 4} text-anchor="end">
              {bytesText(Math.round((bytes * i) / 4))}
            </text>
          </g>
        );
      })}
      {labelledJobs(jobs, width).map((job) => (
        <text
          class="axis"
          key={job}
          x={LEFT + (job + 1.5) * column}
          y={height - 8}
          text-anchor="middle"
        >
          {job}
        </text>
      ))}
      <text class="axis" x={LEFT - 6} y={height - 8} text-anchor="end">
        job
      </text>
    </>
  );
}
