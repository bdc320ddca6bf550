// Jobs that may still run when later ones begin, by their sequence tags (spec/hardware.md 4): what they read and write, so that
// two that touch the same bytes are found. Jobs are computed in the order in which they begin, whatever their tags.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { arenaAlloc } from "../arena";
import { noteFault } from "../fault";
import { failLimit, simFail } from "./faults";

/** Tags have five bits; 0 is no tag. */
const TAGS: u32 = 32;
/** Ranges of bytes that one job may touch: three for each descriptor of the most TP cores, with room. */
const SPANS_MAX: u32 = 64;

@unmanaged
class Span {
  from: u64;
  /** Behind the last byte. */
  to: u64;
  writes: bool;
}

const SPAN: usize = 24;
/** Spans of the job that begins now lie where those of tag 0 would. */
const CURRENT: u32 = 0;

let table: usize = 0;
/** Of each tag: spans, and the number of its job. */
const counts = memory.data(<i32>TAGS * 4);
const numbers = memory.data(<i32>TAGS * 4);
/** A bit for each tag whose job may still run. */
let running: u32 = 0;

function spanAt(tag: u32, index: u32): Span {
  return changetype<Span>(table + <usize>(tag * SPANS_MAX + index) * SPAN);
}

function countOf(tag: u32): u32 {
  return load<u32>(counts + ((<usize>tag) << 2));
}

/** Makes room; called when a simulator starts over. */
export function resetOverlap(): Status {
  table = arenaAlloc(<usize>(TAGS * SPANS_MAX) * SPAN);
  return table == 0 ? Status.NO_MEMORY : Status.OK;
}

/** Nothing runs any more: a stream begins. */
export function forgetRunning(): void {
  running = 0;
  startSpans();
}

/** A job begins. */
export function startSpans(): void {
  store<u32>(counts, 0);
}

/** True while some job may still run. */
export function anyRunning(): bool {
  return running != 0;
}

/** True while the job with this tag may still run. */
export function isRunning(tag: u32): bool {
  return (running & (1 << tag)) != 0;
}

/** The job that began last goes on while others begin; its tag must not be in use. */
export function keepRunning(tag: u32, number: i32): void {
  const count = countOf(CURRENT);
  memory.copy(
    changetype<usize>(spanAt(tag, 0)),
    changetype<usize>(spanAt(CURRENT, 0)),
    <usize>count * SPAN,
  );
  store<u32>(counts + ((<usize>tag) << 2), count);
  store<i32>(numbers + ((<usize>tag) << 2), number);
  running |= 1 << tag;
}

/** The stream waited for the job with this tag. */
export function endRunning(tag: u32): void {
  running &= ~(1 << tag);
}

/** False when there are too many of them and none to widen. */
function keepSpan(from: u64, to: u64, writes: bool): bool {
  const count = countOf(CURRENT);
  for (let i: u32 = 0; i < count; i++) {
    const span = spanAt(CURRENT, i);
    const within = span.from <= from && to <= span.to;
    if (span.writes != writes || !(within || count == SPANS_MAX)) continue;
    span.from = min(span.from, from);
    span.to = max(span.to, to);
    return true;
  }
  if (count == SPANS_MAX) return false;
  const span = spanAt(CURRENT, count);
  span.from = from;
  span.to = to;
  span.writes = writes;
  store<u32>(counts, count + 1);
  return true;
}

/**
 * Notes that the job which begins now touches the bytes from..to-1.
 * @returns SIM_OVERLAP when a job that may still run touches some of them and one of the two writes
 */
export function touchSpan(from: u64, to: u64, writes: bool): Status {
  if (from >= to) return Status.OK;
  if (!keepSpan(from, to, writes)) return failLimit(SPANS_MAX);
  for (let tag: u32 = 1; running >> tag != 0; tag++) {
    if (!isRunning(tag)) continue;
    for (let i: u32 = 0; i < countOf(tag); i++) {
      const other = spanAt(tag, i);
      if (to <= other.from || other.to <= from || !(writes || other.writes)) continue;
      noteFault(Fault.ADDRESS, <i32>max(from, other.from));
      noteFault(Fault.VALUE, load<i32>(numbers + ((<usize>tag) << 2)));
      return simFail(Status.SIM_OVERLAP);
    }
  }
  return Status.OK;
}
