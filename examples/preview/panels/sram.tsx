// What each job keeps on the chip: ranges of SRAM for coefficients and for tiles of the image.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { bytesText, grouped } from "../shell/format.ts";
import { Chart } from "./chart.tsx";
import { columnWidth, JobAxes, LEFT } from "./job-axes.tsx";
import type { PartitionMemory, SramRange, SramRow } from "./memory-data.ts";
import { AsTable, Legend, patternOf, Patterns, useSvgId, useWidth } from "./parts.tsx";

const FRAME = { top: 10, bottom: 24, height: 220 };

const MARKS = [
  { kind: "compute", text: "coefficients" },
  { kind: "memory", text: "tiles of the image" },
];

const rangeText = (range: SramRange | null, what: string): string =>
  range === null
    ? `${what} not cached`
    : `${what} ${range.mode.toLowerCase()}: ${grouped(range.end - range.start)} bytes at ${grouped(range.start)}`;

function sramText({ kind, op, sourceOp, image, kernels }: SramRow, job: number): string {
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
            height={FRAME.height}
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
                y={FRAME.top - 1}
                width={column + 2}
                height={FRAME.height - FRAME.top - FRAME.bottom + 2}
              />
            }
          >
            <JobAxes bytes={top} jobs={jobs} width={width} frame={FRAME} />
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
        head={["Job", "Does", "Coefficients", ">Bytes", "Image", ">Bytes"]}
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
    const scale = (FRAME.height - FRAME.top - FRAME.bottom) / top;
    const bar = (job: number, { start, end }: SramRange) => ({
      x: LEFT + (job + 1) * column + (column > 4 ? 1 : 0),
      y: FRAME.height - FRAME.bottom - end * scale,
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
