// The board's side of the panel: connecting, running, comparing. Loaded when somebody connects.
// SPDX-License-Identifier: MIT
import {
  compareTensors,
  createSession,
  outputInfos,
  parseExecutable,
  type JobProfile,
  type SubmitResult,
} from "../../../core-as/index.ts";
import {
  connectBoard,
  type BoardTransport,
  type ConnectOptions,
} from "../../../transport-ws/index.ts";

export type { BoardTransport } from "../../../transport-ws/index.ts";

/** What a board gave for one set of inputs. */
export interface BoardRun extends Pick<SubmitResult, "outputs" | "evidence" | "milliseconds"> {
  /** From the request to the answer, the network included. */
  roundTripMs: number;
  /** Of a second run, job by job; null when it was not asked for or the board cannot tell. */
  jobs: JobProfile[] | null;
}

/** How an output of the board differs from another's. */
export interface OutputDifference {
  name: string;
  elements: number;
  different: number;
  /** Steps of the stored integers. */
  max: number;
}

/**
 * Connects once: a connection that is lost stays lost until the reader connects again.
 * @throws TransportError TW_IO_CONNECT, TW_IO_AUTH, TW_IO_VERSION, TW_IO_LIMIT, TW_IO_PROTOCOL, TW_IO_ABORTED
 */
export function openBoard(url: string, options: ConnectOptions): Promise<BoardTransport> {
  return connectBoard(url, {
    software: "tilewright preview",
    reconnect: { attempts: 0 },
    ...options,
  });
}

/**
 * Uploads an executable, unless the board has it, and runs it.
 * @param profile also run every job on its own
 * @throws ExecutableError TW_EXE_CHIP for another chip; TransportError TW_IO_LOST, TW_IO_LIMIT, …; what the board answers
 */
export async function runOnBoard(
  board: BoardTransport,
  twx: Uint8Array,
  inputs: readonly Uint8Array[],
  profile: boolean,
): Promise<BoardRun> {
  const session = await createSession(parseExecutable(twx), board);
  try {
    const start = performance.now();
    const { outputs, evidence, milliseconds } = await session.run(inputs);
    const roundTripMs = performance.now() - start;
    const profiled = profile ? await session.run(inputs, { profile: true }) : null;
    return { outputs, evidence, milliseconds, roundTripMs, jobs: profiled?.jobs ?? null };
  } finally {
    await session.close();
  }
}

/** The board's outputs beside the simulator's. */
export function differencesOf(
  twx: Uint8Array,
  board: readonly Uint8Array[],
  simulator: readonly Uint8Array[],
): OutputDifference[] {
  return outputInfos(parseExecutable(twx).graph).map((info, i) => {
    const { elements, different, max } = compareTensors(board[i]!, simulator[i]!, info);
    return { name: info.name, elements, different, max };
  });
}
