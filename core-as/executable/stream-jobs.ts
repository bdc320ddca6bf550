// The jobs of a command stream: the words that start each of them, and until when it may run (spec/hardware.md 4, spec/uapi.md 5).
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";

const HEADER_MASK = 0xffff0000;
/** A write of one state: the address in words is in the low half. */
const LOAD_STATE_ONE = 0x08010000;
const STATE = { NN_INST_ADDR: 0x010a0 >> 2, TP_INST_ADDR: 0x010b8 >> 2, JOB_END: 0x010a4 >> 2 };
/** Header of the write that waits for a tag. */
export const WAIT_HEADER = LOAD_STATE_ONE | STATE.JOB_END;
/** Low bits of a descriptor's address. */
const TAG_MASK = 0xff;
/** Tags of TP descriptors that others of the same job follow; 0 is that of serial jobs, whose end the wait shows. */
const NOT_LAST: readonly number[] = [0, 1, 0x1f];

export interface StreamJob {
  /** First word, and the one behind the last descriptor address. */
  start: number;
  end: number;
  /** Tag of the last descriptor; 0 = nothing else runs while the job does. */
  tag: number;
  /** What the stream writes to wait for it; null = it never waits. */
  wait: number | null;
  /** Index of the last job that begins before the stream waits for this one; its own where that is at once. */
  until: number;
}

export interface StreamJobs {
  jobs: StreamJob[];
  /** First word behind all that belongs to jobs. */
  end: number;
}

/**
 * Finds the jobs of a submit's stream.
 * @param stream words; addresses may be missing, tags may not
 * @throws ExecutableError TW_EXE_DAMAGED with the word when it holds other commands
 */
export function streamJobs(stream: ArrayLike<number>): StreamJobs {
  const finder = new Finder();
  for (let at = 0; at < stream.length; at += 2) {
    const word = stream[at]! >>> 0;
    if (word === 0) continue;
    if ((word & HEADER_MASK) >>> 0 !== LOAD_STATE_ONE || at + 1 >= stream.length)
      throw new ExecutableError(
        "TW_EXE_DAMAGED",
        `word ${at} of the command stream, 0x${word.toString(16)}, does not write one state`,
        { wordIndex: at },
      );
    finder.write(at, word & 0xffff, stream[at + 1]! >>> 0);
  }
  return finder.finish();
}

/** Reads a stream write by write. */
class Finder {
  private readonly jobs: StreamJob[] = [];
  private end = 0;
  /** Words that may belong to the next job, or to the next descriptor of the open one. */
  private start: number | null = null;
  /** The job whose last descriptor may not have come yet. */
  private open: StreamJob | null = null;

  write(at: number, state: number, value: number): void {
    if (state === STATE.JOB_END) return this.wait(at, value);
    this.start ??= at;
    const isTp = state === STATE.TP_INST_ADDR;
    if (!isTp && state !== STATE.NN_INST_ADDR) return;
    const tag = value & TAG_MASK;
    const goesOn = this.open !== null && isTp && NOT_LAST.includes(this.open.tag);
    if (goesOn) [this.open!.end, this.open!.tag] = [at + 2, tag];
    else this.begin({ start: this.start, end: at + 2, tag, wait: null, until: 0 });
    // An NN job has one descriptor.
    if (!isTp) this.leave();
    this.start = this.end = at + 2;
  }

  private begin(job: StreamJob): void {
    this.jobs.push(job);
    this.open = job;
  }

  /** No descriptor of the open job follows. */
  private leave(): void {
    this.open = null;
  }

  /** The newest job with the tag ends; 0 is a wait for the newest job, whatever its tag. */
  private wait(at: number, tag: number): void {
    const newest = this.jobs.length - 1;
    let index = tag === 0 ? newest : this.jobs.findLastIndex((job) => job.tag === tag);
    if (index >= 0 && this.jobs[index]!.wait !== null) index = -1;
    this.leave();
    if (newest >= 0) this.start = at + 2;
    if (index < 0) return;
    this.end = at + 2;
    Object.assign(this.jobs[index]!, { wait: tag, until: newest });
  }

  finish(): StreamJobs {
    const last = this.jobs.length - 1;
    for (const job of this.jobs) if (job.wait === null) job.until = last;
    return { jobs: this.jobs, end: this.end };
  }
}
