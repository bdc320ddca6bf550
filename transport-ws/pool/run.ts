// A run or a first load on its way through the dispatcher: answered once, whatever happens to boards.
// SPDX-License-Identifier: MIT
import type { NpuError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import type { SubmitOptions, SubmitResult } from "../../core-as/runtime/transport.ts";

/** Why a board does not take an executable, and until when it is not asked again. */
export interface Refusal {
  error: NpuError;
  /** Milliseconds since the epoch. */
  until: number;
}

/** An executable that the pool's user has loaded; boards get it when they first need it. */
export interface Model {
  executable: Executable;
  released: boolean;
  /** By board. */
  refused: Map<string, Refusal>;
}

let submitted = 0;

export class Run {
  /** Rises with every submission. */
  readonly order = ++submitted;
  /** Result of the run, null for a load. */
  readonly answer: Promise<SubmitResult | null>;
  readonly bytes: number;
  /** Boards that died with it. */
  readonly lostOn = new Set<string>();
  losses = 0;
  settled = false;
  private resolveAnswer!: (result: SubmitResult | null) => void;
  private rejectAnswer!: (error: NpuError) => void;
  private readonly controller = new AbortController();
  private readonly deadline: number;

  /** @param inputs null: the executable is loaded and nothing run */
  constructor(
    readonly model: Model,
    readonly inputs: readonly Uint8Array[] | null,
    readonly options: SubmitOptions,
  ) {
    this.answer = new Promise((resolve, reject) => {
      this.resolveAnswer = resolve;
      this.rejectAnswer = reject;
    });
    this.bytes = inputs?.reduce((sum, { length }) => sum + length, 0) ?? 0;
    this.deadline = Date.now() + (options.timeoutMs ?? Infinity);
  }

  /** Options for the board: what is left of the time limit, and a signal that stops the work when the run is given up. */
  boardOptions(): SubmitOptions {
    const { profile } = this.options;
    const left = this.deadline - Date.now();
    return {
      signal: this.controller.signal,
      ...(left === Infinity ? {} : { timeoutMs: Math.max(0, left) }),
      ...(profile === undefined ? {} : { profile }),
    };
  }

  resolve(result: SubmitResult | null): void {
    this.settled = true;
    this.resolveAnswer(result);
  }

  reject(error: NpuError): void {
    this.settled = true;
    this.rejectAnswer(error);
  }

  /** Stops the work on a board. */
  cancel(reason: NpuError): void {
    this.controller.abort(reason);
  }
}
