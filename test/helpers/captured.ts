// The captured form of a case as this repository keeps it: words of descriptors and stream, coefficient digests.
// SPDX-License-Identifier: MIT
import type {
  CanonicalCoefficients,
  CanonicalJob,
  CanonicalPartition,
} from "../../core-as/inspect/canonical.ts";

export interface CapturedJob {
  kind: string;
  op: string;
  /** One line of words per descriptor. */
  descriptors: string[];
  coefficients: CanonicalCoefficients | null;
}

export interface CapturedPartition {
  jobs: CapturedJob[];
  stream: string;
  tensors: { symbol: string; bytes: number; role: string; tflite: number[][] }[];
}

export interface CapturedCase {
  cpuOps: string[];
  undefinedJobs: string[];
  partitions: CapturedPartition[];
}

function packJob({ kind, op, descriptors, coefficients }: CanonicalJob): CapturedJob {
  return {
    kind,
    op,
    descriptors: descriptors.map((words) => words.join(" ")),
    coefficients,
  };
}

/** The members of a canonical form (ours or a golden) that compatible mode must reproduce. */
export function packCase(canonical: {
  cpuOps: string[];
  undefinedJobs: string[];
  partitions: CanonicalPartition[];
}): CapturedCase {
  return {
    cpuOps: canonical.cpuOps,
    undefinedJobs: canonical.undefinedJobs,
    partitions: canonical.partitions.map(({ jobs, stream, tensors }) => ({
      jobs: jobs.map(packJob),
      stream: stream.join(" "),
      tensors: tensors.map(({ symbol, bytes, role, tflite }) => ({ symbol, bytes, role, tflite })),
    })),
  };
}
