// Threads that simulate one executable in step. Each has a simulator of its own with the whole memory map, runs every submit, and
// computes some channels of each large job; what it computed it gives to the others through shared memory.
// SPDX-License-Identifier: MIT
import { CoreBugError, NpuError } from "../../errors.ts";
import type { Executable, ExecutablePartition } from "../../executable/executable.ts";
import type { PartitionExecutor, PartitionRunOptions } from "../runner.ts";
import { SimulatedPartitions } from "../simulated-partitions.ts";
import { Simulator, type SimulatorOptions } from "../simulator.ts";
import { Worth } from "./worth.ts";
import { canShare, Mailbox, makeMailbox, ThreadLostError, type MailboxShape } from "./mailbox.ts";

/** A started thread in which `serveSimThread` listens. */
export interface SimThread {
  /** Sends it a message; shared memory in it stays shared. */
  postMessage(message: unknown): void;
  /** Resolves with its first message; rejects when it fails before. */
  readonly ready: Promise<unknown>;
  /** Ends it at once. */
  terminate(): void;
}

/** How many threads, and how one is started. */
export interface SimThreads {
  /** 1 to 64, the calling one included. */
  count: number;
  /** Starts one that runs the package's thread program. */
  start(): SimThread;
  /** A thread that does not answer for so long is lost, and the first one goes on alone. Default 20 000. */
  patienceMs?: number;
}

type TeamOptions = Omit<SimulatorOptions, "exchange">;

/** The first message to a thread. */
interface Assignment {
  shape: MailboxShape;
  /** Which of the threads it is, from 1 on. */
  index: number;
  options: TeamOptions;
  partitions: ExecutablePartition[];
}

const MAX_THREADS = 64;
/** Nobody computes a part of one job for so long. */
const PATIENCE_MS = 20_000;

/**
 * Starts the threads of an executable.
 * @returns undefined when one thread does all: none was asked for, nothing runs on the NPU, memory cannot be shared, or no thread starts
 * @throws RangeError when the number of threads is not 1 to 64
 */
export async function startTeam(
  { partitions }: Executable,
  options: TeamOptions,
  { count, start, patienceMs = PATIENCE_MS }: SimThreads,
): Promise<ThreadTeam | undefined> {
  if (!(Number.isInteger(count) && count >= 1 && count <= MAX_THREADS))
    throw new RangeError(`${count} threads are not 1 to ${MAX_THREADS}`);
  if (count === 1 || partitions.length === 0 || !canShare()) return undefined;
  const shape = makeMailbox({ threads: count, patienceMs, ...sizesOf(partitions) });
  const threads: SimThread[] = [];
  try {
    for (let index = 1; index < count; index++) {
      const thread = start();
      threads.push(thread);
      thread.postMessage({ shape, index, options, partitions } satisfies Assignment);
    }
    const mailbox = new Mailbox(shape);
    const [simulator] = await Promise.all([
      Simulator.create({ ...options, exchange: mailbox }),
      ...threads.map(({ ready }) => ready),
    ]);
    const local = new SimulatedPartitions(simulator, { partitions });
    return new ThreadTeam(simulator, local, mailbox, threads);
  } catch (error) {
    for (const thread of threads) thread.terminate();
    if (error instanceof NpuError) throw error;
    return undefined;
  }
}

function sizesOf(
  partitions: readonly ExecutablePartition[],
): Pick<MailboxShape, "inputBytes" | "outputBytes"> {
  const outputs = partitions.flatMap(({ buffers }) =>
    buffers.filter(({ role }) => role === "tensor").map(({ bytes }) => bytes),
  );
  return {
    inputBytes: Math.max(...partitions.map((partition) => sum(inputSizes(partition)))),
    outputBytes: Math.max(0, ...outputs),
  };
}

const inputSizes = ({ inputs }: ExecutablePartition): number[] => inputs.map(({ bytes }) => bytes);
const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** The first of the threads, and the end of all of them that a runner sees. */
export class ThreadTeam implements PartitionExecutor {
  readonly profiles = true;
  private threads: readonly SimThread[];
  /** By partition; null: none of its jobs is worth an exchange. */
  private readonly worth = new Map<number, Worth | null>();

  constructor(
    private readonly simulator: Simulator,
    private readonly local: SimulatedPartitions,
    private readonly mailbox: Mailbox,
    threads: readonly SimThread[],
  ) {
    this.threads = threads;
  }

  run(index: number, inputs: readonly Uint8Array[], options: PartitionRunOptions): Uint8Array[] {
    // Times of single jobs are those of one thread.
    if (this.threads.length === 0 || options.profile === true)
      return this.runAlone(index, inputs, options);
    if (!this.worth.has(index)) this.worth.set(index, new Worth());
    const worth = this.worth.get(index)!;
    if (worth === null) return this.runAlone(index, inputs, options);
    const start = performance.now();
    const { published } = this.mailbox;
    const { together } = worth;
    const outputs = together
      ? this.runTogether(index, inputs, options)
      : this.runAlone(index, inputs, options);
    if (together && this.mailbox.published === published) this.worth.set(index, null);
    worth.note(performance.now() - start);
    return outputs;
  }

  private runTogether(
    index: number,
    inputs: readonly Uint8Array[],
    options: PartitionRunOptions,
  ): Uint8Array[] {
    this.simulator.share(0, this.threads.length + 1);
    try {
      this.mailbox.start(index, inputs);
      return this.local.run(index, inputs, options);
    } catch (error) {
      if (!isLoss(error)) throw error;
      this.end();
      return this.runAlone(index, inputs, options);
    }
  }

  /** Ends the threads; this one can go on alone. */
  end(): void {
    if (this.threads.length === 0) return;
    this.mailbox.quit();
    for (const thread of this.threads) thread.terminate();
    this.threads = [];
  }

  private runAlone(
    index: number,
    inputs: readonly Uint8Array[],
    options: PartitionRunOptions,
  ): Uint8Array[] {
    this.simulator.share(0, 1);
    return this.local.run(index, inputs, options);
  }
}

/** An exception that came through the WASM core has it as its cause. */
const isLoss = (error: unknown): boolean =>
  error instanceof ThreadLostError ||
  (error instanceof CoreBugError && error.cause instanceof ThreadLostError);

/**
 * In a thread: takes its assignment, says that it is ready, and runs until it is told to quit.
 * @param message the first that it gets
 * @param post sends a message to the thread that started it
 */
export async function serveSimThread(
  message: unknown,
  post: (message: unknown) => void,
): Promise<void> {
  const { shape, index, options, partitions } = message as Assignment;
  const mailbox = new Mailbox(shape);
  const simulator = await Simulator.create({ ...options, exchange: mailbox });
  const local = new SimulatedPartitions(simulator, { partitions });
  simulator.share(index, shape.threads);
  post("ready");
  const sizes = (partition: number): number[] => inputSizes(partitions[partition]!);
  const alone = { deadline: Infinity, onJob: () => {} };
  for (;;) {
    const run = mailbox.next(sizes);
    if (run === null) return;
    try {
      local.run(run.partition, run.inputs, alone);
    } catch (error) {
      // All threads meet the same fault; the first one reports it.
      if (!(error instanceof NpuError) || isLoss(error)) throw error;
    }
  }
}
