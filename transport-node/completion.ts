// Did the device really write the outputs? The kernel signals the fence of a job that its watchdog killed as if it had ended well.
// SPDX-License-Identifier: MIT
import type { ExecutablePartition, Port } from "../core-as/executable/executable.ts";

/** Bytes of one mark: long enough that an output equals a random mark by chance less than once in 2^60 runs. */
const MARK_BYTES = 8;
/** Shorter pieces would equal a mark by chance now and then. */
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

interface Span {
  start: number;
  end: number;
}

/**
 * Marks for one run of a partition, at the start, in the middle and at the end of its outputs. Bytes that belong to an
 * input, too, and outputs in buffers with initial bytes get none, because the submit reads them first; very short ones
 * neither. Memory is shared over time, so a mark may also fall to a job before the one that writes the output: marks
 * find submits of which nothing or little ran, not every one.
 */
export function markOutputs({ buffers, inputs, outputs }: ExecutablePartition): Mark[] {
  return outputs.flatMap((port, output) => {
    const { buffer, offset } = port;
    if (buffers[buffer]!.contents !== null) return [];
    const pieces = withoutInputs(port, inputs).filter(({ start, end }) => end - start >= MIN_BYTES);
    const places = pieces.flatMap(({ start, end }) => {
      const size = Math.min(MARK_BYTES, end - start);
      const starts = new Set([start, start + ((end - start - size) >> 1), end - size]);
      return [...starts].map((start): Span => ({ start, end: start + size }));
    });
    return places.map(({ start, end }) => ({
      output,
      buffer,
      offset: start,
      at: start - offset,
      bytes: crypto.getRandomValues(new Uint8Array(end - start)),
    }));
  });
}

/** The pieces of an output that no input shares, as places in its buffer. */
function withoutInputs(port: Port, inputs: readonly Port[]): Span[] {
  let pieces: Span[] = [{ start: port.offset, end: port.offset + port.bytes }];
  for (const { buffer, offset, bytes } of inputs)
    if (buffer === port.buffer)
      pieces = pieces.flatMap(({ start, end }) => [
        { start, end: Math.min(end, offset) },
        { start: Math.max(start, offset + bytes), end },
      ]);
  return pieces.filter(({ start, end }) => start < end);
}

/** The first mark that is still there after the run, or null: each of them should have been overwritten. */
export function intactMark(marks: readonly Mark[], outputs: readonly Uint8Array[]): Mark | null {
  const isIntact = ({ output, at, bytes }: Mark): boolean =>
    bytes.every((byte, i) => outputs[output]![at + i] === byte);
  return marks.find(isIntact) ?? null;
}
