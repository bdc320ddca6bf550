// What a compilation did and why: placement, jobs, totals, warnings. Plain JSON values only.
// SPDX-License-Identifier: MIT
import type { Executable, Placement } from "../executable/executable.ts";
import { chipByIdentity } from "../hw/chips.ts";
import type { Model } from "../ir/graph.ts";
import { countMacs } from "../ir/macs.ts";
import { memoryMap } from "./memory-map.ts";
import { reportJobs, type JobReport } from "./report-jobs.ts";

export type { CoefficientReport, JobReport, NnReport, Size3 } from "./report-jobs.ts";

/** A placement with the amount of arithmetic behind it. */
export interface OperatorReport extends Placement {
  /** Name of the operator's first output. */
  output: string;
  macs: number;
}

export interface ReportTotals {
  operators: number;
  operatorsOnNpu: number;
  partitions: number;
  jobs: number;
  coefficientBytes: number;
  /** Bytes of all tensor buffers of the partition that has most: partitions take turns. */
  peakTensorBytes: number;
  /** Bytes of all tensors of all partitions, each counted once: what they would take without sharing memory. */
  tensorBytes: number;
  /** Tensor buffers of all partitions as a share of tensorBytes; 1 = no memory is shared. */
  reuse: number;
  macs: number;
  macsOnNpu: number;
  macsOnCpu: number;
  /** Share of the multiply-accumulates that the NPU does, 0..1; 1 for a model without any. */
  npuMacShare: number;
}

export interface CompileReport {
  model: {
    name: string;
    description: string;
    sha256: string;
    /** Subgraphs of the file that were not compiled, by name. */
    otherSubgraphs: string[];
  };
  target: {
    name: string;
    part: string;
    /** What is known about this chip. */
    evidence: string;
    nnCoreVersion: number;
    nnCores: number;
    tpCores: number;
  };
  mode: Executable["mode"];
  producer: string;
  operators: OperatorReport[];
  jobs: JobReport[];
  totals: ReportTotals;
  /** Sentences: quirks that are reproduced, bytes that are not defined, parts of the model that are left out. */
  warnings: string[];
}

/**
 * Describes a compilation from the executable's bytes.
 * @param model adds what the executable does not keep: description and other subgraphs
 */
export function buildReport(
  executable: Executable,
  model: Pick<Model, "description" | "otherSubgraphs"> | null = null,
): CompileReport {
  const { graph, chip, partitions } = executable;
  const known = chipByIdentity(chip);
  const operators = executable.placements.map((placement): OperatorReport => {
    const op = graph.ops[placement.op]!;
    const output = graph.tensors[op.outputs[0] ?? -1]?.name ?? "";
    return { ...placement, output, macs: countMacs(graph, op) };
  });
  const jobs = partitions.flatMap((partition, index) =>
    reportJobs(graph, partition, index, known ?? UNKNOWN_CORES),
  );
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
    operators,
    jobs,
    totals: totalsOf(executable, operators, jobs),
    warnings: warningsOf(executable, model?.otherSubgraphs ?? []),
  };
}

/** Of a chip that this build does not know: descriptors are shown, coefficients are not. */
const UNKNOWN_CORES = { nnCoreVersion: 0 as never, nnCores: 0 };

function totalsOf(
  executable: Executable,
  operators: readonly OperatorReport[],
  jobs: readonly JobReport[],
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
  };
}

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

function warningsOf(
  { quirks, undefinedJobs, chip }: Executable,
  otherSubgraphs: readonly string[],
): string[] {
  const warnings: string[] = [];
  if (chipByIdentity(chip)?.evidence !== "captured")
    warnings.push(`No bytes of the reference driver for ${chip.name} were ever captured.`);
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
