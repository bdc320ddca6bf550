// One submit a job: cuts a partition's command stream, for profiles (spec/uapi.md 5).
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";

const HEADER_MASK = 0xffff0000;
/** A write of one state: the address in words is in the low half. */
const LOAD_STATE_ONE = 0x08010000;
const STATE = { NN_INST_ADDR: 0x010a0 >> 2, TP_INST_ADDR: 0x010b8 >> 2, JOB_END: 0x010a4 >> 2 };

interface JobWords {
  start: number;
  end: number;
}

/**
 * Cuts a stream into one stream a job, each with the zero words before the first job and the closing words behind the
 * last one, so that each is a complete submit. A job ends with the write of state 0x10A4 behind its last descriptor
 * address. Run one after the other, the pieces do what the stream does.
 * @param stream words of a submit, addresses included
 * @param count jobs that it must hold
 * @throws ExecutableError TW_EXE_DAMAGED, with the word, when it holds other commands or another number of jobs
 */
export function splitJobs(stream: Uint32Array, count: number): Uint32Array[] {
  const jobs = findJobs(stream);
  if (jobs.length !== count)
    throw new ExecutableError(
      "TW_EXE_DAMAGED",
      `the command stream starts ${jobs.length} jobs, its partition has ${count}`,
    );
  if (count === 0) return [];
  const opening = stream.subarray(0, jobs[0]!.start);
  const closing = stream.subarray(jobs.at(-1)!.end);
  return jobs.map(({ start, end }) => {
    const piece = new Uint32Array(opening.length + (end - start) + closing.length);
    piece.set(opening);
    piece.set(stream.subarray(start, end), opening.length);
    piece.set(closing, opening.length + (end - start));
    return piece;
  });
}

/** Word ranges of the jobs, which follow each other without gaps. */
function findJobs(stream: Uint32Array): JobWords[] {
  const jobs: JobWords[] = [];
  let start: number | null = null;
  /** Behind the last descriptor address of a job that has not ended. */
  let started: number | null = null;
  for (let at = 0; at < stream.length; at += 2) {
    const word = stream[at]!;
    if (word === 0) continue;
    if ((word & HEADER_MASK) >>> 0 !== LOAD_STATE_ONE || at + 1 >= stream.length)
      throw new ExecutableError(
        "TW_EXE_DAMAGED",
        `word ${at} of the command stream, 0x${word.toString(16)}, does not write one state`,
        { wordIndex: at },
      );
    start ??= at;
    const state = word & 0xffff;
    if (state === STATE.NN_INST_ADDR || state === STATE.TP_INST_ADDR) started = at + 2;
    else if (state === STATE.JOB_END && started !== null) {
      jobs.push({ start, end: at + 2 });
      start = at + 2;
      started = null;
    }
  }
  if (start !== null && started !== null) jobs.push({ start, end: started });
  return jobs;
}
