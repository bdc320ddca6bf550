// One submit a job: cuts a partition's command stream, for profiles (spec/uapi.md 5).
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";
import { streamJobs, WAIT_HEADER } from "./stream-jobs.ts";

/**
 * Cuts a stream into one stream a job, each with the zero words before the first job and the closing words behind the
 * last one, so that each is a complete submit. A job ends with the write of state 0x10A4 that waits for it. Run one after the
 * other, the pieces do what the stream does.
 * @param stream words of a submit, addresses included
 * @param count jobs that it must hold
 * @throws ExecutableError TW_EXE_DAMAGED, with the word, when it holds other commands or another number of jobs
 */
export function splitJobs(stream: Uint32Array, count: number): Uint32Array[] {
  const { jobs, end } = streamJobs(stream);
  if (jobs.length !== count)
    throw new ExecutableError(
      "TW_EXE_DAMAGED",
      `the command stream starts ${jobs.length} jobs, its partition has ${count}`,
    );
  if (count === 0) return [];
  const opening = stream.subarray(0, jobs[0]!.start);
  const closing = stream.subarray(end);
  return jobs.map(({ start, end: behind, wait }) => {
    const waits = wait === null ? [] : [WAIT_HEADER, wait];
    return Uint32Array.of(...opening, ...stream.subarray(start, behind), ...waits, ...closing);
  });
}
