// Table of all jobs: what each does, in which sizes, and what it costs.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { CompileReport, JobReport } from "../../../core-as/index.ts";
import type { Selection } from "../panel-types.ts";
import { bytesText, grouped, msText, percentText, plural } from "../shell/format.ts";
import type { TableProps } from "./operators.tsx";
import { DataTable, TextFilter, ShareBar, type Column } from "./table.tsx";

type Size = JobReport["output"];
type Nn = NonNullable<JobReport["nn"]>;

export const jobName = ({ partition, job }: JobReport): string => `${partition}.${job}`;

export const jobSelection = ({ partition, job, sourceOp }: JobReport): Selection => ({
  op: sourceOp,
  partition,
  job,
});

export const sizeText = (size: Size): string => (size ? `${size.x}×${size.y}×${size.z}` : "–");

const volume = (size: Size): number | null => (size ? size.x * size.y * size.z : null);

/** "partial 12.0 KiB", or "off". */
export function cacheText(mode: string, bytes: number): string {
  return bytes === 0 ? "off" : `${mode.toLowerCase()} ${bytesText(bytes)}`;
}

export const unitText = ({ kind, descriptors }: JobReport): string =>
  descriptors > 1 ? `${kind} ×${descriptors}` : kind;

/** A column for NN jobs only. */
function nnColumn(
  id: string,
  title: string,
  value: (nn: Nn) => number | string | null,
  text: (nn: Nn) => string = (nn) => String(value(nn) ?? "–"),
): Column<JobReport> {
  return {
    id,
    title,
    numeric: true,
    value: ({ nn }) => (nn ? value(nn) : null),
    cell: ({ nn }) => (nn ? text(nn) : "–"),
  };
}

type Prediction = NonNullable<JobReport["prediction"]>;

function costColumn(
  id: string,
  title: string,
  value: (prediction: Prediction) => number,
  text: (value: number) => string,
): Column<JobReport> {
  return {
    id,
    title,
    numeric: true,
    value: ({ prediction }) => (prediction ? value(prediction) : null),
    cell: ({ prediction }) => (prediction ? text(value(prediction)) : "–"),
  };
}

function columnsOf({ jobs }: CompileReport, select: TableProps["select"]): Column<JobReport>[] {
  const most = Math.max(0, ...jobs.map(({ prediction }) => prediction?.share ?? 0));
  return [
    {
      id: "job",
      title: "Job",
      value: ({ partition, job }) => partition * 1e6 + job,
      cell: (job) => (
        <button
          type="button"
          class="link number"
          onClick={(event) => (event.stopPropagation(), select(jobSelection(job)))}
        >
          {jobName(job)}
        </button>
      ),
    },
    { id: "unit", title: "Unit", value: unitText },
    { id: "does", title: "Does", value: ({ op }) => op },
    {
      id: "for",
      title: "For",
      value: ({ sourceOp }) => sourceOp,
      cell: ({ sourceOp, sourceName }) => `#${sourceOp} ${sourceName}`,
    },
    costColumn("time", "Predicted", ({ ms }) => ms, msText),
    {
      ...costColumn("share", "Share", ({ share }) => share, percentText),
      cell: ({ prediction }) =>
        prediction ? (
          <ShareBar
            share={most === 0 ? 0 : prediction.share / most}
            text={percentText(prediction.share)}
          />
        ) : (
          "–"
        ),
    },
    {
      id: "bound",
      title: "Bound by",
      value: ({ prediction }) => prediction?.bound ?? null,
      cell: ({ prediction }) => prediction?.bound ?? "–",
    },
    {
      id: "in",
      title: "In",
      numeric: true,
      value: ({ input }) => volume(input),
      cell: ({ input }) => sizeText(input),
    },
    {
      id: "out",
      title: "Out",
      numeric: true,
      value: ({ output }) => volume(output),
      cell: ({ output }) => sizeText(output),
    },
    nnColumn(
      "kernel",
      "Kernel",
      ({ kernel }) => volume(kernel),
      ({ kernel }) => sizeText(kernel),
    ),
    nnColumn(
      "tile",
      "Tile",
      ({ tile }) => tile.x * tile.y,
      ({ tile }) => `${tile.x}×${tile.y}`,
    ),
    nnColumn("superblocks", "Superblocks", (nn) => nn.coefficients?.superblocks ?? null),
    nnColumn(
      "image",
      "Image cache",
      (nn) => nn.imageCacheBytes,
      (nn) => cacheText(nn.imageCache, nn.imageCacheBytes),
    ),
    nnColumn(
      "kernels",
      "Kernel cache",
      (nn) => nn.kernelCacheBytes,
      (nn) => cacheText(nn.kernelCache, nn.kernelCacheBytes),
    ),
    nnColumn(
      "coefs",
      "Coefficients",
      (nn) => nn.coefficients?.bytes ?? null,
      (nn) => (nn.coefficients ? bytesText(nn.coefficients.bytes) : "–"),
    ),
    nnColumn(
      "bits",
      "Bits/weight",
      (nn) => nn.coefficients?.bitsPerWeight ?? null,
      (nn) => nn.coefficients?.bitsPerWeight.toFixed(2) ?? "–",
    ),
    costColumn("cycles", "Cycles", ({ cycles }) => cycles, grouped),
    costColumn("dram", "DRAM", ({ dramBytes }) => dramBytes, bytesText),
  ];
}

export function JobsPanel(props: TableProps): JSX.Element {
  const { report, sort, setSort, selection, select } = props;
  const [text, setText] = useState("");
  const [unit, setUnit] = useState("");
  const [bound, setBound] = useState("");
  const columns = useMemo(() => columnsOf(report, select), [report, select]);
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return report.jobs.filter((job) => {
      const words = `${jobName(job)} ${job.op} #${job.sourceOp} ${job.sourceName} ${job.sourceTensor}`;
      return (
        (unit === "" || job.kind === unit) &&
        (bound === "" || job.prediction?.bound === bound) &&
        words.toLowerCase().includes(wanted)
      );
    });
  }, [report, text, unit, bound]);
  return (
    <div class="table-panel">
      <div class="filters" role="search" aria-label="Filter jobs">
        <TextFilter placeholder="Job, operator, tensor" text={text} setText={setText} />
        <label class="field">
          <span>Unit</span>
          <select value={unit} onChange={(event) => setUnit(event.currentTarget.value)}>
            <option value="">any</option>
            <option value="NN">NN cores</option>
            <option value="TP">TP cores</option>
          </select>
        </label>
        <label class="field">
          <span>Bound by</span>
          <select value={bound} onChange={(event) => setBound(event.currentTarget.value)}>
            <option value="">any</option>
            <option value="memory">memory</option>
            <option value="compute">compute</option>
          </select>
        </label>
        <p class="filter-count" role="status">
          {grouped(rows.length)} of {plural(report.jobs.length, "job")}
        </p>
      </div>
      <DataTable
        caption="Jobs"
        columns={columns}
        rows={rows}
        rowKey={jobName}
        sort={sort}
        setSort={setSort}
        isSelected={({ partition, job }) =>
          selection.partition === partition && selection.job === job
        }
        onSelect={(job) => select(jobSelection(job))}
      />
    </div>
  );
}
