// Did the device really write the outputs? The kernel signals the fence of a job that its watchdog killed as if it had ended well.
// SPDX-License-Identifier: MIT
import type { ExecutablePartition, Port } from "../core-as/executable/executable.ts";

/** Bytes of one mark: long enough that an output equals a random mark by chance less than once in 2^63 runs. */
const MARK_BYTES = 8;
/** Shorter outputs would equal a mark by chance now and then. */
const MIN_BYTES = 5;

/** Random bytes put into an output before a submit. */
export interface Mark {
  /** Index of the output port. */
  output: number;
  buffer: number;
  /** In the buffer. */
  offset: number;
  /** In the output. */
  at: number;
  bytes: Uint8Array;
}

/** Outputs of a partition whose bytes can be marked: nothing that the submit reads first may lie there. */
function markable({ buffers, inputs, outputs }: ExecutablePartition): [Port, number][] {
  const overlaps = (a: Port, b: Port): boolean =>
    a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  return outputs
    .map((port, index): [Port, number] => [port, index])
    .filter(
      ([port]) =>
        port.bytes >= MIN_BYTES &&
        buffers[port.buffer]!.contents === null &&
        !inputs.some((input) => overlaps(input, port)),
    );
}

/**
 * Marks for one run of a partition, at the start, in the middle and at the end of its outputs. Outputs that share memory
 * with an input or hold initial bytes, and very short ones, get none.
 */
export function markOutputs(partition: ExecutablePartition): Mark[] {
  return markable(partition).flatMap(([{ buffer, offset, bytes }, output]) => {
    const size = Math.min(MARK_BYTES, bytes);
    const places = new Set([0, (bytes - size) >> 1, bytes - size]);
    return [...places].map((at) => ({
      output,
      buffer,
      offset: offset + at,
      at,
      bytes: crypto.getRandomValues(new Uint8Array(size)),
    }));
  });
}

/** The first mark that is still there after the run, or null: each of its bytes should have been overwritten. */
export function intactMark(marks: readonly Mark[], outputs: readonly Uint8Array[]): Mark | null {
  const isIntact = ({ output, at, bytes }: Mark): boolean =>
    bytes.every((byte, i) => outputs[output]![at + i] === byte);
  return marks.find(isIntact) ?? null;
}
