// What threads that simulate in step share: a few words to meet by, the inputs of a run, and two places for parts of outputs.
// SPDX-License-Identifier: MIT
import type { SimExchange } from "../../core.ts";

/** Words of the shared memory. */
const enum Word {
  /** Threads that have come to the meeting. */
  ARRIVED,
  /** Meetings that are over. */
  MEETINGS,
  /** Runs that were asked for. */
  RUNS,
  /** Partition of the run, or QUIT. */
  PARTITION,
  COUNT = 16,
}

const QUIT = -1;
/** How long a thread looks before it goes to sleep: waking it up, and on another core, takes longer than most jobs. */
const SPIN_MS = 2;
const LOOKS = 256;
/** Sizes of a mailbox and who uses it; crosses to the threads. */
export interface MailboxShape {
  memory: SharedArrayBuffer;
  threads: number;
  /** Bytes of the inputs of a run, at most. */
  inputBytes: number;
  /** Bytes of a job's output, at most. */
  outputBytes: number;
  /** Milliseconds without an answer after which a thread is lost. */
  patienceMs: number;
}

/** A thread did not come to a meeting. */
export class ThreadLostError extends Error {
  override readonly name = "ThreadLostError";
}

/** True where threads can share memory and this one may wait: not in a page's own thread, nor where pages are not isolated. */
export function canShare(): boolean {
  if (typeof SharedArrayBuffer === "undefined") return false;
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

const align = (bytes: number): number => (bytes + 63) & ~63;

export function makeMailbox(sizes: Omit<MailboxShape, "memory">): MailboxShape {
  const bytes = Word.COUNT * 4 + align(sizes.inputBytes) + 2 * align(sizes.outputBytes);
  return { ...sizes, memory: new SharedArrayBuffer(bytes) };
}

/** One thread's end of a mailbox. All threads make the same calls in the same order. */
export class Mailbox implements SimExchange {
  private readonly words: Int32Array;
  private readonly inputs: Uint8Array;
  /** Used in turns: one may still be read while the next job's parts are written. */
  private readonly places: readonly [Uint8Array, Uint8Array];
  private turn = 0;
  private runs = 0;
  /** Parts of outputs that this thread has given away. */
  published = 0;

  constructor(private readonly shape: MailboxShape) {
    const { memory, inputBytes, outputBytes } = shape;
    const inputsAt = Word.COUNT * 4;
    const placesAt = inputsAt + align(inputBytes);
    this.words = new Int32Array(memory, 0, Word.COUNT);
    this.inputs = new Uint8Array(memory, inputsAt, inputBytes);
    this.places = [
      new Uint8Array(memory, placesAt, outputBytes),
      new Uint8Array(memory, placesAt + align(outputBytes), outputBytes),
    ];
  }

  publish(at: number, bytes: Uint8Array): void {
    this.published++;
    this.places[this.turn as 0 | 1].set(bytes, at);
  }

  collect(at: number, bytes: Uint8Array): void {
    bytes.set(this.places[this.turn === 0 ? 1 : 0].subarray(at, at + bytes.length));
  }

  /** @throws ThreadLostError */
  meet(): void {
    const { words } = this;
    this.turn = 1 - this.turn;
    const meeting = Atomics.load(words, Word.MEETINGS);
    if (Atomics.add(words, Word.ARRIVED, 1) + 1 === this.shape.threads) {
      Atomics.store(words, Word.ARRIVED, 0);
      Atomics.add(words, Word.MEETINGS, 1);
      Atomics.notify(words, Word.MEETINGS);
      return;
    }
    const { patienceMs } = this.shape;
    if (!this.awaitChange(Word.MEETINGS, meeting, patienceMs))
      throw new ThreadLostError(`a thread of the simulator did not answer for ${patienceMs} ms`);
  }

  /** First thread: starts a run on all others. */
  start(partition: number, inputs: readonly Uint8Array[]): void {
    let at = 0;
    for (const bytes of inputs) {
      this.inputs.set(bytes, at);
      at += bytes.length;
    }
    this.call(partition);
    this.begin();
  }

  /** First thread: ends all others. */
  quit(): void {
    this.call(QUIT);
  }

  /** Other threads: waits for the next run; null = there will be none. The inputs are copies. */
  next(
    sizesOf: (partition: number) => readonly number[],
  ): { partition: number; inputs: Uint8Array[] } | null {
    this.awaitChange(Word.RUNS, this.runs, Infinity);
    this.runs = Atomics.load(this.words, Word.RUNS);
    const partition = Atomics.load(this.words, Word.PARTITION);
    if (partition === QUIT) return null;
    let at = 0;
    const inputs = sizesOf(partition).map((bytes) => this.inputs.slice(at, (at += bytes)));
    this.begin();
    return { partition, inputs };
  }

  /** All have read the inputs; both places are free. */
  private begin(): void {
    this.meet();
    this.turn = 0;
  }

  private call(partition: number): void {
    Atomics.store(this.words, Word.PARTITION, partition);
    Atomics.add(this.words, Word.RUNS, 1);
    Atomics.notify(this.words, Word.RUNS);
  }

  /** Waits until a word has another value; false when it keeps it for too long. */
  private awaitChange(word: Word, value: number, patienceMs: number): boolean {
    const { words } = this;
    for (const start = performance.now(); performance.now() - start < SPIN_MS;)
      for (let i = 0; i < LOOKS; i++) if (Atomics.load(words, word) !== value) return true;
    while (Atomics.load(words, word) === value)
      if (Atomics.wait(words, word, value, patienceMs) === "timed-out") return false;
    return true;
  }
}
