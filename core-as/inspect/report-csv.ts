// The report's jobs as a table for spreadsheets: one row a job, comma-separated (RFC 4180).
// SPDX-License-Identifier: MIT
import type { JobReport, Size3 } from "./report-jobs.ts";
import type { CompileReport } from "./report.ts";

type Value = string | number | null;
type Column = readonly [name: string, value: (job: JobReport) => Value];

const shape = (size: Size3 | null): Value => size && `${size.x}x${size.y}x${size.z}`;
const digits = (value: number | undefined, places: number): Value =>
  value === undefined ? null : Number(value.toFixed(places));

const COLUMNS: readonly Column[] = [
  ["job", ({ partition, job }) => `${partition}.${job}`],
  ["unit", ({ kind }) => kind],
  ["does", ({ op }) => op],
  ["operator", ({ sourceOp }) => sourceOp],
  ["operator_name", ({ sourceName }) => sourceName],
  ["tensor", ({ sourceTensor }) => sourceTensor],
  ["input", ({ input }) => shape(input)],
  ["output", ({ output }) => shape(output)],
  ["kernel", ({ nn }) => shape(nn?.kernel ?? null)],
  ["tile", ({ nn }) => nn && `${nn.tile.x}x${nn.tile.y}`],
  ["superblocks", ({ nn }) => nn?.coefficients?.superblocks ?? null],
  ["kernels_per_core", ({ nn }) => nn?.coefficients?.kernelsPerCore ?? null],
  ["coefficient_bytes", ({ nn }) => nn?.coefficients?.bytes ?? null],
  ["bits_per_weight", ({ nn }) => digits(nn?.coefficients?.bitsPerWeight, 3)],
  ["image_cache_bytes", ({ nn }) => nn?.imageCacheBytes ?? null],
  ["kernel_cache_bytes", ({ nn }) => nn?.kernelCacheBytes ?? null],
  ["cycles", ({ prediction }) => prediction?.cycles ?? null],
  ["multiplier_utilisation", ({ prediction }) => digits(prediction?.utilisation, 4)],
  ["dram_bytes", ({ prediction }) => prediction?.dramBytes ?? null],
  ["predicted_compute_ms", ({ prediction }) => digits(prediction?.computeMs, 6)],
  ["predicted_memory_ms", ({ prediction }) => digits(prediction?.memoryMs, 6)],
  ["predicted_ms", ({ prediction }) => digits(prediction?.ms, 6)],
  ["bound", ({ prediction }) => prediction?.bound ?? null],
  ["share", ({ prediction }) => digits(prediction?.share, 4)],
  ["predicted_start_ms", ({ prediction }) => digits(prediction?.startMs, 6)],
  ["predicted_hidden_ms", ({ prediction }) => digits(prediction?.hiddenMs, 6)],
  ["observed_ms", ({ observed }) => digits(observed?.ms, 6)],
  ["observed_evidence", ({ observed }) => observed?.evidence ?? null],
];

/** All jobs; times are predictions unless their column says otherwise. */
export function reportCsv(report: CompileReport): string {
  const rows = [COLUMNS.map(([name]) => name), ...report.jobs.map(cellsOf)];
  return rows.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

const cellsOf = (job: JobReport): Value[] => COLUMNS.map(([, value]) => value(job));

/** A model's names are anybody's: what a spreadsheet would take for a formula becomes text. */
function quoted(value: Value): string {
  if (typeof value !== "string") return value === null ? "" : String(value);
  const plain = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
