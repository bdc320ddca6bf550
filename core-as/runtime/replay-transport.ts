// Answers from a recording: the same submits get the same results, without whatever computed them.
// SPDX-License-Identifier: MIT
import { reviveError, TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { ChipIdentity } from "../hw/chips.ts";
import { sha256Hex } from "../executable/bytes.ts";
import { throwIfAborted, withLimits } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { Lifetime } from "./lifetime.ts";
import { executableDigest, requireDigests } from "./recording/digest.ts";
import { isError, type RecordedError, type RecordedRun } from "./recording/outcome.ts";
import { readRecording, type Recording } from "./recording/reader.ts";
import { checkInputs } from "./tensor-info.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

export interface ReplayTransport extends Transport {
  /** Name of the transport that was recorded. */
  readonly recordedTransport: string;
  /** SHA-256 of the executables' files that can be loaded, hexadecimal. */
  readonly executables: readonly string[];
  /** Number of recorded runs. */
  readonly runs: number;
}

/**
 * Opens a recording of createRecordTransport. Runs are found by executable, inputs and `profile`, in any order; the same run
 * recorded several times is answered in the order of the recording, then with the last answer. Evidence and times are as recorded.
 * What a caller did to a recorded run (abort, close) is not replayed; its time-outs are, to callers with no longer a limit.
 * @param recording must not change while the transport is in use
 * @throws TypeError when it is not a Uint8Array
 * @throws TransportError TW_IO_RECORD with the byte offset when it is damaged
 */
export async function createReplayTransport(recording: Uint8Array): Promise<ReplayTransport> {
  requireDigests();
  return new Replayer(await readRecording(recording));
}

/** What callers do to runs, or do wrong: nothing that an answer could depend on. */
const CALLERS_CODES: readonly string[] = ["TW_IO_ABORTED", "TW_IO_CLOSED", "TW_IO_INPUT"];

class Replayer implements ReplayTransport {
  readonly name = "replay";
  readonly chip: ChipIdentity;
  readonly recordedTransport: string;
  readonly executables: readonly string[];
  readonly runs: number;
  private readonly lifetime = new Lifetime("the replay");
  readonly disconnected = this.lifetime.disconnected;
  private readonly tapes = new Map<string, Tape>();

  constructor(recording: Recording) {
    this.chip = recording.chip;
    this.recordedTransport = recording.transport;
    this.runs = recording.runs.length;
    const tapeOf = (executable: string): Tape => {
      const tape = this.tapes.get(executable) ?? new Tape(executable, recording);
      this.tapes.set(executable, tape);
      return tape;
    };
    for (const { executable, error } of recording.loads) tapeOf(executable).addLoad(error);
    for (const run of recording.runs) tapeOf(run.executable).addRun(run);
    this.executables = [...this.tapes.values()]
      .filter((t) => t.isLoadable)
      .map((t) => t.executable);
  }

  async load(
    executable: Executable,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(signal, "loading");
    this.lifetime.check();
    checkChip(executable, this.chip);
    const digest = await executableDigest(executable);
    throwIfAborted(signal, "loading");
    this.lifetime.check();
    const tape = this.tapes.get(digest);
    if (tape === undefined) throw this.unknownExecutable(digest);
    tape.throwLoadError();

    let released = false;
    const check = (): void => {
      this.lifetime.check();
      if (released) throw new TransportError("TW_IO_CLOSED", "the executable was released");
    };
    const answer = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions,
    ): Promise<SubmitResult> => {
      const digests = await Promise.all(inputs.map((bytes) => sha256Hex(bytes)));
      check();
      return tape.answer(digests, options);
    };
    const submit = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(options.signal, "the inference");
      check();
      checkInputs(executable.graph, inputs);
      return withLimits(answer(inputs, options), { signal: options.signal }, "the inference");
    };
    const release = async (): Promise<void> => {
      released = true;
    };
    return { submit, release };
  }

  async close(): Promise<void> {
    this.lifetime.close();
  }

  private unknownExecutable(digest: string): TransportError {
    const known = this.executables.map(short);
    const listed = known.slice(0, 3).join(", ") + (known.length > 3 ? ", …" : "");
    return new TransportError(
      "TW_IO_RECORD",
      `the recording has no executable ${short(digest)}; it has ${known.length === 0 ? "none" : listed}: ` +
        "use the same model, options and version of Tilewright as for the recording",
    );
  }
}

const short = (digest: string): string => digest.slice(0, 12);

/** What was recorded of one executable. */
class Tape {
  private loaded = false;
  private loadError: RecordedError | null = null;
  private readonly runs = new Map<string, { run: RecordedRun; used: boolean }[]>();

  constructor(
    readonly executable: string,
    private readonly recording: Recording,
  ) {}

  get isLoadable(): boolean {
    return this.loaded;
  }

  addLoad(error: RecordedError | null): void {
    if (error === null) this.loaded = true;
    else if (!CALLERS_CODES.includes(error.code)) this.loadError ??= error;
  }

  addRun(run: RecordedRun): void {
    const digests = run.inputs.map((blob) => this.recording.blobs[blob]!.digest);
    const key = keyOf(digests, run.profile);
    const runs = this.runs.get(key) ?? [];
    this.runs.set(key, runs);
    runs.push({ run, used: false });
  }

  /** Throws what loading threw, when it never succeeded. */
  throwLoadError(): void {
    if (this.loaded) return;
    if (this.loadError !== null) throw reviveError(this.loadError.message, this.loadError);
    throw new TransportError(
      "TW_IO_RECORD",
      `the recording has the executable ${short(this.executable)} only as one whose loading was stopped; record it anew`,
    );
  }

  /** @throws TransportError TW_IO_RECORD when nothing was recorded for these inputs; the recorded error */
  answer(digests: readonly string[], { profile = false, timeoutMs }: SubmitOptions): SubmitResult {
    const recorded = this.runs.get(keyOf(digests, profile));
    if (recorded === undefined) throw this.unknownRun(digests, profile);
    const fitting = recorded.filter(({ run }) => isReplayed(run, timeoutMs));
    const entry = fitting.find(({ used }) => !used) ?? fitting.at(-1);
    if (entry === undefined)
      throw new TransportError(
        "TW_IO_RECORD",
        "the recording has this run only as one that its caller stopped; record it to its end",
      );
    entry.used = true;
    const { outcome } = entry.run;
    if (isError(outcome)) throw reviveError(outcome.message, outcome);
    const { evidence, timings, milliseconds, jobs } = outcome;
    return {
      outputs: outcome.outputs.map((blob) => this.recording.blobs[blob]!.bytes.slice()),
      evidence,
      timings: timings.map((timing) => ({ ...timing })),
      ...(milliseconds === null ? {} : { milliseconds }),
      ...(jobs === null ? {} : { jobs: jobs.map((job) => ({ ...job })) }),
    };
  }

  /** Says what is different from everything that was recorded. */
  private unknownRun(digests: readonly string[], profile: boolean): TransportError {
    const start = `the recording has no run of the executable ${short(this.executable)} with `;
    const say = (what: string): TransportError => new TransportError("TW_IO_RECORD", start + what);
    if (this.runs.has(keyOf(digests, !profile)))
      return say(`these inputs ${profile ? "and" : "without"} a profile, only the other way round`);
    const known = [...this.runs.values()].map(([first]) =>
      first!.run.inputs.map((blob) => this.recording.blobs[blob]!.digest),
    );
    const strange = digests.findIndex((digest, i) => !known.some((inputs) => inputs[i] === digest));
    if (strange < 0)
      return say(
        "these inputs together, though with each of them: they were recorded in other pairs",
      );
    const others = `${known.length} ${known.length === 1 ? "other" : "others"}`;
    return say(
      `these bytes as input ${strange} (sha256 ${short(digests[strange]!)}), but with ${others}: give a recorded input, or record this one`,
    );
  }
}

/** Digests have one length, so that nothing else makes the same key. */
const keyOf = (digests: readonly string[], profile: boolean): string =>
  `${profile ? "p" : "-"}${digests.join("")}`;

function isReplayed({ outcome, timeoutMs: recorded }: RecordedRun, timeoutMs?: number): boolean {
  if (!isError(outcome)) return true;
  if (outcome.code !== "TW_IO_TIMEOUT") return !CALLERS_CODES.includes(outcome.code);
  return timeoutMs !== undefined && recorded !== null && timeoutMs <= recorded;
}
