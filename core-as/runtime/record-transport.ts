// Wraps a transport and writes down everything that goes in and comes out, for createReplayTransport.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { ChipIdentity } from "../hw/chips.ts";
import { sha256Hex } from "../executable/bytes.ts";
import { throwIfAborted } from "./abort.ts";
import { Lifetime } from "./lifetime.ts";
import { executableDigest, requireDigests } from "./recording/digest.ts";
import { DEFAULT_MAX_BYTES, END_BYTES } from "./recording/format.ts";
import {
  recordError,
  type RecordedAnswer,
  type RecordedLoad,
  type RecordedRun,
} from "./recording/outcome.ts";
import { RecordingWriter } from "./recording/writer.ts";
import { checkInputs, outputInfos } from "./tensor-info.ts";
import type {
  DisconnectReason,
  LoadedExecutable,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "./transport.ts";

/** Takes the chunks of a recording, in order and one at a time; a promise holds back the runs that wait for it. */
export type RecordSink = (chunk: Uint8Array) => void | Promise<void>;

/** What a recording may hold and where it goes. */
export interface RecordOptions {
  /** Largest number of bytes that the sink is given; default 1 GiB. A run that would not fit is refused before it starts. */
  maxBytes?: number;
}

export interface RecordTransport extends Transport {
  /** Bytes and runs that were recorded so far. */
  readonly recorded: { bytes: number; runs: number };
}

/**
 * Records loads and runs of a transport; docs/formats.md describes the bytes. The recording is complete when `close()` has
 * resolved, which also closes `inner`. Equal tensors are stored once.
 *
 * A run's answer is returned once the sink has taken it. When the sink throws or the limit is reached, runs throw TW_IO_RECORD.
 * @param inner must not be used besides; its name, chip and errors are this transport's
 * @throws TransportError TW_IO_RECORD where the host has no Web Cryptography
 */
export function createRecordTransport(
  inner: Transport,
  sink: RecordSink,
  options: RecordOptions = {},
): RecordTransport {
  requireDigests();
  return new Recorder(inner, new SinkWriter(inner, sink, options.maxBytes ?? DEFAULT_MAX_BYTES));
}

class Recorder implements RecordTransport {
  private readonly lifetime = new Lifetime("the recorded transport");
  /** Calls whose outcome is not written yet; closing waits for them. */
  private readonly pending = new Set<Promise<unknown>>();
  private closing: Promise<void> | null = null;

  constructor(
    private readonly inner: Transport,
    private readonly writer: SinkWriter,
  ) {}

  get name(): string {
    return this.inner.name;
  }

  get chip(): ChipIdentity {
    return this.inner.chip;
  }

  get disconnected(): Promise<DisconnectReason> {
    return this.inner.disconnected;
  }

  get recorded(): { bytes: number; runs: number } {
    const { bytes, runs } = this.writer;
    return { bytes, runs };
  }

  load(executable: Executable, options: { signal?: AbortSignal } = {}): Promise<LoadedExecutable> {
    return this.tracked(this.loadRecorded(executable, options));
  }

  close(): Promise<void> {
    return (this.closing ??= this.finish());
  }

  private async loadRecorded(
    executable: Executable,
    options: { signal?: AbortSignal },
  ): Promise<LoadedExecutable> {
    throwIfAborted(options.signal, "loading");
    this.lifetime.check();
    const digest = await executableDigest(executable);
    const room = this.writer.reserve(TEXT_BYTES);
    let loaded: LoadedExecutable;
    try {
      loaded = await this.inner.load(executable, options);
    } catch (error) {
      await this.writer.load({ executable: digest, error: recordError(error) }, room);
      throw error;
    }
    try {
      await this.writer.load({ executable: digest, error: null }, room);
    } catch (error) {
      await loaded.release();
      throw error;
    }
    return {
      submit: (inputs, submitOptions = {}) =>
        this.submit(executable, digest, loaded, inputs, submitOptions),
      release: () => loaded.release(),
    };
  }

  private async submit(
    executable: Executable,
    digest: string,
    loaded: LoadedExecutable,
    inputs: readonly Uint8Array[],
    options: SubmitOptions,
  ): Promise<SubmitResult> {
    throwIfAborted(options.signal, "the inference");
    this.lifetime.check();
    checkInputs(executable.graph, inputs);
    const room = this.writer.reserve(roomFor(executable, inputs, options));
    // The caller may change its inputs as soon as it is told of an abort, which may be before they are written.
    const copies = inputs.map((bytes) => bytes.slice());
    const start = performance.now();
    const run: RunSoFar = {
      executable: digest,
      profile: options.profile === true,
      timeoutMs: Number.isFinite(options.timeoutMs) ? options.timeoutMs! : null,
    };
    const finish = (outcome: RunOutcome): Promise<void> =>
      this.tracked(this.writer.run(run, copies, performance.now() - start, outcome, room));
    let result: SubmitResult;
    try {
      result = await this.tracked(loaded.submit(inputs, options));
    } catch (error) {
      // An abort is told at once; a sink that fails is told by the next run.
      const written = finish({ error });
      if (options.signal?.aborted === true) written.catch(() => {});
      else await written;
      throw error;
    }
    await finish({ result });
    return result;
  }

  private tracked<T>(work: Promise<T>): Promise<T> {
    const done = work.then(
      () => {},
      () => {},
    );
    this.pending.add(done);
    void done.then(() => this.pending.delete(done));
    return work;
  }

  private async finish(): Promise<void> {
    this.lifetime.close();
    await this.inner.close();
    while (this.pending.size > 0) await Promise.all(this.pending);
    await this.writer.end();
  }
}

/** Room for an error's message and what else a record holds beside tensors. */
const TEXT_BYTES = 4096;

/** Bytes of a run's records, at most: all tensors new, and more than enough for times, counters and a message. */
function roomFor(
  { graph, steps, partitions }: Executable,
  inputs: readonly Uint8Array[],
  { profile }: SubmitOptions,
): number {
  const tensors = [
    ...inputs.map(({ length }) => length),
    ...outputInfos(graph).map((t) => t.bytes),
  ];
  const jobs = profile === true ? partitions.reduce((sum, p) => sum + p.jobs.length, 0) : 0;
  return tensors.reduce(
    (sum, bytes) => sum + bytes + 64,
    TEXT_BYTES + 16 * steps.length + 2048 * jobs,
  );
}

type RunSoFar = Pick<RecordedRun, "executable" | "profile" | "timeoutMs">;
type RunOutcome = { result: SubmitResult } | { error: unknown };

function answerOf(result: SubmitResult, outputs: readonly number[]): RecordedAnswer {
  const { evidence, timings, milliseconds = null, jobs = null } = result;
  return { outputs, evidence, timings, milliseconds, jobs };
}

/** Writes records into a sink, one after the other, within a limit of bytes. */
class SinkWriter {
  bytes = 0;
  runs = 0;
  private reserved = 0;
  private readonly writer = new RecordingWriter();
  /** Numbers of contents by digest. */
  private readonly blobs = new Map<string, number>();
  /** Settles when the sink has taken everything so far. */
  private turn: Promise<void>;
  private failure: TransportError | null = null;

  constructor(
    inner: Transport,
    private readonly sink: RecordSink,
    private readonly maxBytes: number,
  ) {
    this.turn = Promise.resolve();
    this.emit([this.writer.begin(inner.name, inner.chip)]).catch(() => {});
  }

  /**
   * Keeps bytes free for a run that is about to start.
   * @returns the number of bytes, for `run` to give back
   * @throws TransportError TW_IO_RECORD when the sink failed before, or the limit is reached
   */
  reserve(more: number): number {
    if (this.failure !== null) throw this.failure;
    const wanted = this.bytes + this.reserved + more + END_BYTES;
    if (wanted > this.maxBytes)
      throw new TransportError(
        "TW_IO_RECORD",
        `the recording has ${this.bytes} bytes, and another run needs up to ${more}; its limit is ${this.maxBytes}: ` +
          "raise maxBytes, or close it and begin another one",
      );
    this.reserved += more;
    return more;
  }

  load(load: RecordedLoad, room: number): Promise<void> {
    this.reserved -= room;
    return this.emit([this.writer.load(load)]);
  }

  async run(
    run: RunSoFar,
    inputs: readonly Uint8Array[],
    milliseconds: number,
    outcome: RunOutcome,
    room: number,
  ): Promise<void> {
    const outputs = "result" in outcome ? outcome.result.outputs : [];
    const contents = [...inputs, ...outputs];
    const digests = await Promise.all(contents.map((bytes) => sha256Hex(bytes)));
    // From here on nothing is awaited, so that records have the order of their numbers.
    this.reserved -= room;
    const chunks: Uint8Array[] = [];
    const numbers = digests.map((digest, i) => this.store(digest, contents[i]!, chunks));
    const recorded: RecordedRun = {
      ...run,
      inputs: numbers.slice(0, inputs.length),
      milliseconds,
      outcome:
        "error" in outcome
          ? recordError(outcome.error)
          : answerOf(outcome.result, numbers.slice(inputs.length)),
    };
    this.runs++;
    chunks.push(this.writer.run(recorded));
    await this.emit(chunks);
  }

  end(): Promise<void> {
    return this.emit([this.writer.end()], 0);
  }

  private store(digest: string, bytes: Uint8Array, chunks: Uint8Array[]): number {
    const known = this.blobs.get(digest);
    if (known !== undefined) return known;
    chunks.push(this.writer.blob(digest, bytes));
    const number = this.blobs.size;
    this.blobs.set(digest, number);
    return number;
  }

  /** Gives chunks to the sink after those before them. */
  private emit(chunks: readonly Uint8Array[], reserve = END_BYTES): Promise<void> {
    const more = chunks.reduce((sum, { length }) => sum + length, 0);
    if (this.failure === null && this.bytes + more + reserve > this.maxBytes)
      this.failure = new TransportError(
        "TW_IO_RECORD",
        `the recording would exceed its limit of ${this.maxBytes} bytes and ends incomplete; raise maxBytes`,
      );
    if (this.failure !== null) return Promise.reject(this.failure);
    this.bytes += more;
    this.turn = this.turn.then(async () => {
      try {
        for (const chunk of chunks) await this.sink(chunk);
      } catch (cause) {
        this.failure ??= new TransportError(
          "TW_IO_RECORD",
          `the recording could not be written: ${cause instanceof Error ? cause.message : String(cause)}`,
          {},
          cause,
        );
      }
      if (this.failure !== null) throw this.failure;
    });
    const written = this.turn;
    this.turn = written.catch(() => {});
    return written;
  }
}
