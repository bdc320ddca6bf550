// What a compilation did and why: placement, jobs, totals, warnings. Plain JSON values only.
// SPDX-License-Identifier: MIT
import type { Executable, LayerBound, Placement } from "../executable/executable.ts";
import { chipByIdentity } from "../hw/chips.ts";
import type { Model } from "../ir/graph.ts";
import { countMacs } from "../ir/macs.ts";
import { systemOf, type System } from "../hw/systems.ts";
import type { JobProfile } from "../runtime/transport.ts";
import { memoryMap } from "./memory-map.ts";
import { multipliersOf } from "../cost/nn-cost.ts";
import { lastMoments, overlaps, priceExecutable } from "./price.ts";
import type { AgainstReport } from "./report-against.ts";
import { boundText, methodText, ONE_MULTIPLIER } from "./report-accuracy.ts";
import { addedMs, predictedWith, predictJobs, whatWouldHelp, type WhatIf } from "./report-cost.ts";
import { reportJobs, type JobReport } from "./report-jobs.ts";

export type { AgainstReport } from "./report-against.ts";
export type { JobPrediction, WhatIf } from "./report-cost.ts";
export type { CoefficientReport, JobReport, NnReport, Size3 } from "./report-jobs.ts";

/** A placement with the amount of arithmetic behind it. */
export interface OperatorReport extends Placement {
  /** Name of the operator's first output. */
  output: string;
  /** Multiply-accumulates of one inference. */
  macs: number;
  /** Jobs that compute it; 0 on the CPU and where nothing has to be done. */
  jobs: number;
  /** Predicted time of these jobs; null on the CPU, where nothing is predicted, and for a chip that is not known. */
  predictedMs: number | null;
  /** Their share of the predicted time, 0..1. */
  share: number | null;
}

/** A layer with a scale for each channel, with its method and its bounds in words. */
export interface LayerReport extends LayerBound {
  method: string;
  meaning: string;
}

/** Sums over a compilation. */
export interface ReportTotals {
  /** Operators of the graph. */
  operators: number;
  /** Operators that the NPU computes. */
  operatorsOnNpu: number;
  /** Submits of one inference. */
  partitions: number;
  /** NPU jobs of one inference. */
  jobs: number;
  /** Bytes of all coefficient streams with their headers. */
  coefficientBytes: number;
  /** Bytes of all tensor buffers of the partition that has most: partitions take turns. */
  peakTensorBytes: number;
  /** Bytes of all tensors of all partitions, each counted once: what they would take without sharing memory. */
  tensorBytes: number;
  /** Tensor buffers of all partitions as a share of tensorBytes; 1 = no memory is shared. */
  reuse: number;
  /** Multiply-accumulates of one inference. */
  macs: number;
  /** Those that the NPU does. */
  macsOnNpu: number;
  /** Those that the CPU does. */
  macsOnCpu: number;
  /** Share of the multiply-accumulates that the NPU does, 0..1; 1 for a model without any. */
  npuMacShare: number;
  /** Predicted time of all NPU jobs of one inference; null for a chip that is not known. */
  predictedMs: number | null;
  /** The same with 0 and with 20 microseconds a job. */
  predictedRangeMs: [number, number] | null;
  /** Milliseconds of jobs that pass while others run (experimental overlap); not part of predictedMs. */
  hiddenMs: number;
  /** Predicted cycles of all jobs, each that of its slowest core. */
  cycles: number;
  /** Predicted bytes from and to DRAM. */
  dramBytes: number;
  /** Predicted bytes from DRAM: inputs and coefficients. */
  dramReadBytes: number;
  /** Predicted bytes to DRAM. */
  dramWrittenBytes: number;
  /** Bytes that on-chip caches keep from being read again. */
  cachedBytes: number;
  /** Multiply-accumulates of the model as a share of what the multipliers could do in the predicted cycles. */
  utilisation: number;
}

/** What a compilation did and why; plain JSON values only. */
export interface CompileReport {
  /** The model that was compiled. */
  model: {
    name: string;
    description: string;
    sha256: string;
    /** Subgraphs of the file that were not compiled, by name. */
    otherSubgraphs: string[];
  };
  /** The chip that it was compiled for. */
  target: {
    name: string;
    part: string;
    /** What is known about this chip. */
    evidence: string;
    nnCoreVersion: number;
    nnCores: number;
    tpCores: number;
  };
  /** Mode of the compilation. */
  mode: Executable["mode"];
  /** Version of Tilewright that compiled. */
  producer: string;
  /** Figures behind every prediction, and their calibration's error. */
  system: System;
  /** Operators in graph order. */
  operators: OperatorReport[];
  /** How near layers with a scale for each channel come to TFLite; empty without any on the NPU. */
  accuracies: LayerReport[];
  /** Why channels have to share multipliers; null when none do. */
  accuracyNote: string | null;
  /** Jobs in the order in which they are submitted. */
  jobs: JobReport[];
  /** Sums over operators and jobs. */
  totals: ReportTotals;
  /** What predicted time would go down to if something were free, most first. */
  whatIfs: WhatIf[];
  /** Another compilation of the model, priced by the same figures. */
  against?: AgainstReport;
  /** Sentences: quirks that are reproduced, bytes that are not defined, parts of the model that are left out. */
  warnings: string[];
}

/** What a report may follow beside the executable. */
export interface ReportOptions {
  /** Figures to predict with; default: those of hw/systems.ts for the chip. */
  system?: System;
  /** Times of jobs that a transport observed, and what they are worth. */
  profile?: { jobs: readonly JobProfile[]; evidence: string };
}

/**
 * Describes a compilation from the executable's bytes.
 * @param model adds what the executable does not keep: description and other subgraphs
 */
export function buildReport(
  executable: Executable,
  model: Pick<Model, "description" | "otherSubgraphs"> | null = null,
  options: ReportOptions = {},
): CompileReport {
  const { graph, chip } = executable;
  const known = chipByIdentity(chip);
  const system = options.system ?? systemOf(chip.name);
  const jobs = jobsOf(executable, system, options.profile);
  const jobsByOp = groupBySource(jobs);
  const operators = executable.placements.map((placement): OperatorReport => {
    const op = graph.ops[placement.op]!;
    const output = graph.tensors[op.outputs[0] ?? -1]?.name ?? "";
    const macs = countMacs(graph, op);
    return { ...placement, output, macs, ...timeOf(placement, jobsByOp, known !== undefined) };
  });
  return {
    model: {
      name: graph.name,
      description: model?.description ?? "",
      sha256: executable.modelSha256,
      otherSubgraphs: model?.otherSubgraphs ?? [],
    },
    target: {
      name: chip.name,
      part: known?.part ?? "unknown",
      evidence: known?.evidence ?? "not in the hardware database",
      nnCoreVersion: known?.nnCoreVersion ?? 0,
      nnCores: known?.nnCores ?? 0,
      tpCores: known?.tpCores ?? 0,
    },
    mode: executable.mode,
    producer: executable.producer,
    system,
    operators,
    accuracies: executable.accuracies.map((layer) => ({
      ...layer,
      method: methodText(layer),
      meaning: boundText(layer),
    })),
    accuracyNote: executable.accuracies.length > 0 ? ONE_MULTIPLIER : null,
    jobs,
    totals: totalsOf(executable, operators, jobs, system),
    whatIfs: whatWouldHelp(operators, jobs, system),
    warnings: [
      ...warningsOf(executable, model?.otherSubgraphs ?? []),
      ...experimentalWarnings(jobs),
    ],
  };
}

function jobsOf(
  executable: Executable,
  system: System,
  profile: ReportOptions["profile"],
): JobReport[] {
  const { graph, chip, partitions } = executable;
  const known = chipByIdentity(chip);
  const predictions = predictJobs(
    priceExecutable(executable, system),
    system,
    lastMoments(executable),
  );
  const jobs = partitions.flatMap((partition, index) =>
    reportJobs(graph, partition, index, known ?? UNKNOWN_CORES),
  );
  return jobs.map((job, i): JobReport => {
    const seen = profile?.jobs.find((o) => o.partition === job.partition && o.job === job.job);
    const observed = seen ? { ms: seen.milliseconds, evidence: profile!.evidence } : null;
    return { ...job, prediction: predictions[i] ?? null, observed };
  });
}

/** Jobs by the operator that they belong to. */
function groupBySource(jobs: readonly JobReport[]): Map<number, JobReport[]> {
  const groups = new Map<number, JobReport[]>();
  for (const job of jobs) {
    const group = groups.get(job.sourceOp);
    if (group) group.push(job);
    else groups.set(job.sourceOp, [job]);
  }
  return groups;
}

function timeOf(
  { op, place }: Placement,
  jobs: ReadonlyMap<number, readonly JobReport[]>,
  priced: boolean,
): Pick<OperatorReport, "jobs" | "predictedMs" | "share"> {
  const own = jobs.get(op) ?? [];
  if (place === "cpu" || !priced) return { jobs: own.length, predictedMs: null, share: null };
  return {
    jobs: own.length,
    predictedMs: sum(own.map(({ prediction }) => (prediction ? addedMs(prediction) : 0))),
    share: sum(own.map(({ prediction }) => prediction?.share ?? 0)),
  };
}

/** Of a chip that this build does not know: descriptors are shown, coefficients are not. */
const UNKNOWN_CORES = { nnCoreVersion: 0 as never, nnCores: 0 };

function totalsOf(
  executable: Executable,
  operators: readonly OperatorReport[],
  jobs: readonly JobReport[],
  system: System,
): ReportTotals {
  const { partitions } = executable;
  const macsAt = (place: string): number =>
    sum(operators.map((operator) => (operator.place === place ? operator.macs : 0)));
  const bytesOf = (partition: (typeof partitions)[number], role: string): number =>
    sum(partition.buffers.map((buffer) => (buffer.role === role ? buffer.bytes : 0)));
  const macsOnNpu = macsAt("npu");
  const macsOnCpu = macsAt("cpu");
  const macs = macsOnNpu + macsOnCpu;
  return {
    operators: operators.length,
    operatorsOnNpu: operators.filter(({ place }) => place === "npu").length,
    partitions: partitions.length,
    jobs: jobs.length,
    coefficientBytes: sum(partitions.map((partition) => bytesOf(partition, "coefficients"))),
    ...memoryOf(executable),
    macs,
    macsOnNpu,
    macsOnCpu,
    npuMacShare: macs === 0 ? 1 : macsOnNpu / macs,
    ...predictedTotals(executable, jobs, macsOnNpu, system),
  };
}

/** Sums of the jobs' predictions. */
function predictedTotals(
  { chip }: Executable,
  jobs: readonly JobReport[],
  macsOnNpu: number,
  system: System,
): Pick<ReportTotals, PredictedMembers> {
  const known = chipByIdentity(chip);
  const predictions = jobs.flatMap(({ prediction }) => (prediction ? [prediction] : []));
  const total = (
    member:
      "hiddenMs" | "cycles" | "inputBytes" | "coefficientBytes" | "outputBytes" | "cachedBytes",
  ): number => sum(predictions.map((prediction) => prediction[member]));
  const ms = sum(predictions.map(addedMs));
  const at = (overheadUs: number): number => predictedWith(jobs, { ...system, overheadUs });
  const cycles = total("cycles");
  const dramReadBytes = total("inputBytes") + total("coefficientBytes");
  const capacity = known ? cycles * multipliersOf(known) : 0;
  return {
    predictedMs: known ? ms : null,
    predictedRangeMs: known ? [at(0), at(20)] : null,
    hiddenMs: total("hiddenMs"),
    cycles,
    dramBytes: dramReadBytes + total("outputBytes"),
    dramReadBytes,
    dramWrittenBytes: total("outputBytes"),
    cachedBytes: total("cachedBytes"),
    utilisation: capacity === 0 ? 0 : macsOnNpu / capacity,
  };
}

type PredictedMembers =
  | "predictedMs"
  | "predictedRangeMs"
  | "hiddenMs"
  | "cycles"
  | "dramBytes"
  | "dramReadBytes"
  | "dramWrittenBytes"
  | "cachedBytes"
  | "utilisation";

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Memory for tensors, with and without sharing it. */
function memoryOf(
  executable: Executable,
): Pick<ReportTotals, "peakTensorBytes" | "tensorBytes" | "reuse"> {
  const maps = executable.partitions.map((_, index) => memoryMap(executable, index));
  const buffers = maps.map(({ bytes }) => bytes);
  const tensorBytes = sum(maps.flatMap(({ rows }) => rows.map((row) => row.bytes)));
  return {
    peakTensorBytes: Math.max(0, ...buffers),
    tensorBytes,
    reuse: tensorBytes === 0 ? 1 : sum(buffers) / tensorBytes,
  };
}

/** One sentence for all experimental mechanisms. */
function experimentalWarnings(jobs: readonly JobReport[]): string[] {
  const used = jobs.filter(({ experimental }) => experimental.length > 0);
  if (used.length === 0) return [];
  const names = [...new Set(used.flatMap(({ experimental }) => experimental))].sort();
  return [
    `Experimental: no capture of any driver shows what ${used.length} of ${jobs.length} jobs use (${names.join(", ")}).`,
  ];
}

function warningsOf(executable: Executable, otherSubgraphs: readonly string[]): string[] {
  const { quirks, undefinedJobs, chip } = executable;
  const warnings: string[] = [];
  if (chipByIdentity(chip)?.evidence !== "captured")
    warnings.push(`No bytes of the reference driver for ${chip.name} were ever captured.`);
  if (overlaps(executable))
    warnings.push(
      "Jobs of NN and TP cores may run at the same time, by sequence tags whose meaning is inferred: experimental, never captured in this form.",
    );
  for (const quirk of quirks) {
    const [job, number] = quirk.split(":");
    warnings.push(`Job ${job} computes wrong results, as the reference driver does (${number}).`);
  }
  if (undefinedJobs.length > 0)
    warnings.push(
      `The reference driver reads past its arrays for the coefficients of job ${undefinedJobs.join(", ")}; ` +
        "here they are as if zeros lay there.",
    );
  if (otherSubgraphs.length > 0)
    warnings.push(
      `Further subgraphs were not compiled: ${otherSubgraphs.map((name) => JSON.stringify(name)).join(", ")}.`,
    );
  return warnings;
}
