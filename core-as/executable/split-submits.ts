// A partition's command stream as several submits, where it is longer than a kernel takes at once (spec/uapi.md, field.md).
// SPDX-License-Identifier: MIT
import { streamJobs } from "./stream-jobs.ts";

/** Bytes of stream that the kernel takes in one submit, and as many buffers and relocations. */
export const SUBMIT_LIMIT = 128 * 1024;

/** Bytes that every part leaves for a job of one TP descriptor that the transport may add. */
const RESERVED = 48;

/** Some jobs of a partition as a submit of their own. */
export interface SubmitPart {
  stream: Uint32Array;
  /** Jobs first..last-1 of the partition. */
  first: number;
  last: number;
}

/**
 * Cuts a stream between jobs, where none of those before still runs, into as few streams as fit the limit. Each has the zero words
 * before the first job and the closing words behind the last one. Run one after the other, the parts do what the stream does.
 * A stream that fits is one part, whatever it holds. So is one that cannot be cut: the submit is refused then, with its size.
 * Buffers need no limit of their own: a job mentions fewer than its words have bytes.
 * @param stream words of a submit, addresses included
 * @param jobs number of the partition's jobs
 * @param limit bytes of one stream
 * @param reserved bytes that each of several parts stays below the limit
 * @throws ExecutableError TW_EXE_DAMAGED, with the word, when a longer stream holds anything but jobs
 */
export function splitSubmits(
  stream: Uint32Array,
  jobs: number,
  limit = SUBMIT_LIMIT,
  reserved = RESERVED,
): SubmitPart[] {
  const whole = [{ stream, first: 0, last: jobs }];
  if (stream.length * 4 <= limit) return whole;
  const found = streamJobs(stream);
  if (found.jobs.length !== jobs || jobs < 2) return whole;
  const opening = stream.subarray(0, found.jobs[0]!.start);
  const closing = stream.subarray(found.end);
  const room = (limit - reserved) / 4 - opening.length - closing.length;
  const startOf = (job: number): number => found.jobs[job]?.start ?? found.end;
  const parts: SubmitPart[] = [];
  const add = (first: number, last: number): void => {
    const words = stream.subarray(startOf(first), startOf(last));
    const part = new Uint32Array(opening.length + words.length + closing.length);
    part.set(opening);
    part.set(words, opening.length);
    part.set(closing, opening.length + words.length);
    parts.push({ stream: part, first, last });
  };
  let first = 0;
  let cut = 0;
  let running = 0;
  for (let job = 0; job < jobs; job++) {
    running = Math.max(running, found.jobs[job]!.until);
    if (running > job) continue;
    // Up to here it can be cut; if that is too much, the last place before it is where to.
    if (startOf(job + 1) - startOf(first) > room && cut > first) {
      add(first, cut);
      first = cut;
    }
    cut = job + 1;
  }
  add(first, jobs);
  return parts;
}
