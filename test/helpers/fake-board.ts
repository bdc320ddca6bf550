// Boards that do what a test says, and a dispatcher with them.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { NpuError, type ErrorCode } from "../../core-as/errors.ts";
import type { SubmitResult } from "../../core-as/runtime/transport.ts";
import {
  Dispatcher,
  type DispatcherEvents,
  type DispatcherLimits,
} from "../../transport-ws/pool/dispatcher.ts";
import type { Link } from "../../transport-ws/pool/link-state.ts";
import { tinyExecutable } from "./tiny-executable.ts";

export const EXECUTABLE = tinyExecutable();
const LIMITS: DispatcherLimits = {
  maxQueued: 64,
  maxBytes: 1 << 20,
  maxRedeliveries: 3,
  noBoardMs: 10_000,
  fullPauseMs: 5,
};

export const input = (value: number): Uint8Array[] => [new Uint8Array(16).fill(value)];
export const resultOf = (inputs: readonly Uint8Array[]): SubmitResult => ({
  outputs: [inputs[0]!.map((byte) => byte ^ 0xff)],
  evidence: "none",
  timings: [],
});
export const error = (code: ErrorCode, text = "a test's error"): NpuError =>
  new NpuError(text, { code });

interface Pending {
  inputs: readonly Uint8Array[];
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
  answer(): void;
  fail(code: ErrorCode): void;
}

/** A board that answers when the test says so. */
export class FakeBoard implements Link {
  readonly name: string;
  pending: Pending[] = [];
  loads = 0;
  releases = 0;
  runs = 0;
  loadError: NpuError | null = null;
  /** Answers by itself. */
  auto = false;

  constructor(
    readonly board: string,
    readonly credits = 2,
  ) {
    this.name = `board ${board}`;
  }

  async load(): ReturnType<Link["load"]> {
    this.loads++;
    if (this.loadError !== null) throw this.loadError;
    return {
      submit: (inputs, { signal, timeoutMs } = {}) => {
        this.runs++;
        return new Promise<SubmitResult>((resolve, reject) => {
          const one: Pending = {
            inputs,
            signal,
            timeoutMs,
            answer: () => resolve(resultOf(inputs)),
            fail: (code) => reject(error(code)),
          };
          if (this.auto) setImmediate(one.answer);
          else this.pending.push(one);
        });
      },
      release: async () => void this.releases++,
    };
  }

  async close(): Promise<void> {}
}

export interface Rig {
  dispatcher: Dispatcher;
  wanted: number;
  failed: string[];
  drained: string[];
  answered: string[];
  more: boolean;
}

export function rig(limits: Partial<DispatcherLimits> = {}, ...boards: FakeBoard[]): Rig {
  const state = { wanted: 0, failed: [], drained: [], answered: [], more: false } as unknown as Rig;
  const events: DispatcherEvents = {
    wanted: () => void state.wanted++,
    answered: (board) => void state.answered.push(board),
    failed: ({ board }) => void state.failed.push(board),
    drained: ({ board }) => void state.drained.push(board),
    moreBoards: () => state.more,
    noBoard: () => error("TW_IO_CONNECT", "no board answers"),
  };
  state.dispatcher = new Dispatcher({ ...LIMITS, ...limits }, events);
  for (const board of boards) state.dispatcher.addLink(board);
  return state;
}

export const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (cause) {
    assert.instance(cause, NpuError, String(cause));
    return (cause as NpuError).code;
  }
  return "none";
}
