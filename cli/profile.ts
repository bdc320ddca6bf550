// Times of single jobs, with the operators that they belong to.
// SPDX-License-Identifier: MIT
import type { Executable, JobProfile, SubmitResult } from "../core-as/index.ts";
import { aboutTheChip } from "./evidence.ts";
import { table } from "./terminal.ts";

interface NamedJob extends JobProfile {
  kind: string;
  op: string;
  /** TFLite operator that the job belongs to. */
  sourceOp: number;
  operator: string;
}

/** The jobs of a profile with what they do; null when the transport reports none. */
export function profileJson(executable: Executable, { jobs }: SubmitResult): NamedJob[] | null {
  if (jobs === undefined) return null;
  return jobs.map((profile) => {
    const job = executable.partitions[profile.partition]?.jobs[profile.job];
    const { kind = "?", op = "?", sourceOp = -1 } = job ?? {};
    const operator = executable.graph.ops[sourceOp]?.kind ?? "?";
    return { ...profile, kind, op, sourceOp, operator };
  });
}

export function profileText(executable: Executable, result: SubmitResult): string {
  const jobs = profileJson(executable, result);
  if (jobs === null) return "no profile: this transport does not tell the time of single jobs";
  const counters = (job: JobProfile): string =>
    Object.entries(job.counters)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  const rows = jobs.map((job) => [
    `${job.partition}.${job.job}`,
    `${job.kind} ${job.op}`,
    `#${job.sourceOp} ${job.operator}`,
    `${job.milliseconds.toFixed(3)} ms`,
    counters(job),
  ]);
  const { evidence } = result;
  return (
    `${table(["job", "does", "operator", "submit to fence", "counters"], rows, ["left", "left", "left", "right"])}\n` +
    `${jobs.length} jobs, each a submit of its own; times are ${evidence}${aboutTheChip(evidence)}`
  );
}
