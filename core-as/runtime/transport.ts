// What runs executables: the one seam between Tilewright and simulators, devices and boards across the network.
// SPDX-License-Identifier: MIT
import type { Executable } from "../executable/executable.ts";
import type { ChipIdentity } from "../hw/chips.ts";

/** Where times and results come from (architecture.md, evidence words). */
export type Evidence = "simulated" | "measured" | "none";

/** Why a transport stopped working. */
export interface DisconnectReason {
  /** closed: by `close()`; lost: the device or the connection went away. */
  kind: "closed" | "lost";
  /** Sentence for people. */
  message: string;
}

/** How one inference is run. */
export interface SubmitOptions {
  /**
   * Aborts the wait; work that the device has begun is not taken back. A transport stops listening to it when the submit
   * settles: callers may use one signal for many submits.
   */
  signal?: AbortSignal;
  /** Give up after this many milliseconds; default: never. */
  timeoutMs?: number;
  /** Run every NPU job as a submit of its own and report each one's time; slower. Default: false. */
  profile?: boolean;
  /**
   * Called after each step of the executable with the share of steps that is done (0..1), by transports that run the steps in this
   * process; between two steps events are let in. Others never call it.
   */
  onStep?: (done: number) => void;
}

/** Wall clock time of one step of the executable on the host of the transport. */
export interface StepTiming {
  /** Index in Executable.steps. */
  step: number;
  /** What the step was: a submit or operators on the CPU. */
  kind: "npu" | "cpu";
  /** Wall-clock time of the step. */
  milliseconds: number;
}

/** One NPU job of a profiled inference. */
export interface JobProfile {
  /** Index in Executable.partitions. */
  partition: number;
  /** Index in the partition's jobs. */
  job: number;
  /** From submit to fence, seen by the host of the transport; worth what the result's evidence says. */
  milliseconds: number;
  /** Differences of the kernel's performance counters over the job, by "DOMAIN.SIGNAL"; empty where there are none. */
  counters: Readonly<Record<string, number>>;
}

/** What one inference gave. */
export interface SubmitResult {
  /** Bytes of every graph output, in the graph's order, as TFLite stores them. */
  outputs: Uint8Array[];
  /** What `outputs` and `timings` are worth; "none": placeholders. */
  evidence: Evidence;
  /** One entry a step, in order; empty when the transport cannot tell. */
  timings: StepTiming[];
  /** Wall clock of the whole inference on the host of the transport; absent when the caller is that host. */
  milliseconds?: number;
  /** With `profile`: one entry an NPU job, in order; absent when the transport cannot profile. */
  jobs?: JobProfile[];
}

/** Runs executables for one chip. Loading and running are whole-model calls, so a board needs one round trip each. */
export interface Transport {
  /** "sim", "null", "drm", "ws", … */
  readonly name: string;
  /** Compared with the executable's chip when it is loaded. */
  readonly chip: ChipIdentity;
  /** Settles once, when the transport can no longer be used; never rejects. */
  readonly disconnected: Promise<DisconnectReason>;
  /**
   * Makes an executable ready to run: buffers, addresses, constants.
   * @throws ExecutableError TW_EXE_CHIP for another chip
   * @throws UnsupportedError TW_UNSUP_OPERATOR when a CPU step has an operator without a kernel
   * @throws TransportError TW_IO_ABORTED, TW_IO_CLOSED
   */
  load(executable: Executable, options?: { signal?: AbortSignal }): Promise<LoadedExecutable>;
  /** Releases everything; loaded executables then refuse work. Idempotent. */
  close(): Promise<void>;
}

/** An executable that a transport holds ready. */
export interface LoadedExecutable {
  /**
   * One inference: all steps, those on the CPU too.
   * @param inputs bytes of every graph input, in the graph's order; they are read until it ends, also while others have their turn
   * @throws TransportError TW_IO_INPUT, TW_IO_ABORTED, TW_IO_TIMEOUT, TW_IO_CLOSED
   * @throws SimFault from the simulator, with the job and its operator
   */
  submit(inputs: readonly Uint8Array[], options?: SubmitOptions): Promise<SubmitResult>;
  /** Frees its memory on the transport. Idempotent. */
  release(): Promise<void>;
}
