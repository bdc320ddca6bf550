// What each job keeps on the chip: ranges of SRAM for coefficients and for tiles of the image.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { bytesText, grouped } from "../shell/format.ts";
import { Chart } from "./chart.tsx";
import type { PartitionMemory, SramRange, SramRow } from "./memory-data.ts";
import { columnWidth, jobStep, LEFT, RIGHT } from "./memory-map.tsx";
import { AsTable, Legend, patternOf, Patterns, useSvgId, useWidth } from "./parts.tsx";

const TOP = 10;
const BOTTOM = 24;
const HEIGHT = 220;

const MARKS = [
  { kind: "compute", text: "coefficients" },
  { kind: "memory", text: "tiles of the image" },
];

const rangeText = (range: SramRange | null, what: string): string =>
  range === null
    ? `${what} not cached`
    : `${what} ${range.mode.toLowerCase()}: ${grouped(range.end - range.start)} bytes at ${grouped(range.start)}`;

export function sramText({ kind, op, sourceOp, image, kernels }: SramRow, job: number): string {
  const head = `job ${job} ${kind} ${op} of #${sourceOp}`;
  if (kind === "TP") return `${head}: TP jobs keep nothing on the chip`;
  return `${head}: ${rangeText(kernels, "coefficients")}; ${rangeText(image, "image")}`;
}

interface Props {
  memory: PartitionMemory;
  sramBytes: number;
  job: number;
  setJob(job: number): void;
  choose(job: number): void;
}

export function SramChart({ memory, sramBytes, job, setJob, choose }: Props): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { sram, jobs } = memory;
  const column = columnWidth(jobs, width);
  const cached = sram.some(({ image, kernels }) => image ?? kernels);
  const used = Math.max(1, ...sram.flatMap((row) => [row.image?.end ?? 0, row.kernels?.end ?? 0]));
  // What fills a small part of the chip's memory is shown in a part of it.
  const isSmall = cached && used * 4 < sramBytes;
  const top = isSmall ? 2 ** Math.ceil(Math.log2(used)) : Math.max(sramBytes, used);
  return (
    <>
      <Legend marks={MARKS} />
      <div class="chart-scroll sram-scroll" ref={ref}>
        {width > 0 && (
          <Chart
            label="On-chip memory by job"
            width={width}
            height={HEIGHT}
            count={jobs}
            active={job}
            setActive={setJob}
            choose={choose}
            nameOf={(index) => sramText(sram[index]!, index)}
            itemAt={(x) => {
              const at = Math.floor((x - LEFT) / column) - 1;
              return at >= 0 && at < jobs ? at : undefined;
            }}
            cursor={
              <rect
                class="cursor-box"
                x={LEFT + (job + 1) * column - 1}
                y={TOP - 1}
                width={column + 2}
                height={HEIGHT - TOP - BOTTOM + 2}
              />
            }
          >
            <SramAxes top={top} jobs={jobs} width={width} />
            <SramBars sram={sram} column={column} top={top} />
          </Chart>
        )}
      </div>
      {top < sramBytes && (
        <p class="muted small-text">
          The axis ends at {bytesText(top)} of {bytesText(sramBytes)}; nothing lies above.
        </p>
      )}
      <p class="chart-line">{sram[job] ? sramText(sram[job], job) : ""}</p>
      {!cached && (
        <p class="muted small-text">No job of this executable caches anything on the chip.</p>
      )}
      <AsTable
        caption="On-chip memory"
        head={["Job", "Does", "Coefficients", ">Bytes", "Image", ">Bytes "]}
        rows={() =>
          sram.map(({ kind, op, image, kernels }, i) => [
            `${kind} ${i}`,
            op,
            kernels
              ? `${kernels.mode.toLowerCase()}, ${grouped(kernels.start)} to ${grouped(kernels.end)}`
              : "–",
            kernels ? grouped(kernels.end - kernels.start) : "0",
            image
              ? `${image.mode.toLowerCase()}, ${grouped(image.start)} to ${grouped(image.end)}`
              : "–",
            image ? grouped(image.end - image.start) : "0",
          ])
        }
      />
    </>
  );
}

function SramAxes({ top, jobs, width }: { top: number; jobs: number; width: number }): JSX.Element {
  const step = jobStep(jobs, width);
  const column = columnWidth(jobs, width);
  return (
    <>
      {[0, 1, 2, 3, 4].map((i) => {
        const y = HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * i) / 4;
        return (
          <g key={i}>
            <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y} y2={y} />
            <text class="axis" x={LEFT - 6} y={y + 4} text-anchor="end">
              {bytesText((top * i) / 4)}
            </text>
          </g>
        );
      })}
      {Array.from({ length: Math.ceil(jobs / step) }, (_, i) => (
        <text
          class="axis"
          key={i}
          x={LEFT + (i * step + 1.5) * column}
          y={HEIGHT - 8}
          text-anchor="middle"
        >
          {i * step}
        </text>
      ))}
      <text class="axis" x={LEFT - 6} y={HEIGHT - 8} text-anchor="end">
        job
      </text>
    </>
  );
}

function SramBars({
  sram,
  column,
  top,
}: {
  sram: readonly SramRow[];
  column: number;
  top: number;
}): JSX.Element {
  const id = useSvgId();
  return useMemo(() => {
    const scale = (HEIGHT - TOP - BOTTOM) / top;
    const bar = (job: number, { start, end }: SramRange) => ({
      x: LEFT + (job + 1) * column + (column > 4 ? 1 : 0),
      y: HEIGHT - BOTTOM - end * scale,
      width: Math.max(column - (column > 4 ? 2 : 0), 0.5),
      height: Math.max((end - start) * scale, 1),
    });
    return (
      <>
        <Patterns id={id} />
        {sram.map(({ image, kernels }, job) => (
          <g key={job}>
            {kernels && <rect {...bar(job, kernels)} class="mark compute" />}
            {image && <rect {...bar(job, image)} class="mark memory" />}
            {image && <rect {...bar(job, image)} fill={patternOf("memory", id)} />}
          </g>
        ))}
      </>
    );
  }, [sram, column, top, id]);
}
