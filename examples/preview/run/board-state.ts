// The connection to a board. It outlives the panel, not the page; the token is not kept beside it.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../../core-as/index.ts";
import type { BoardCapabilities } from "../../../transport-ws/index.ts";
import type { Compiled, PanelProps } from "../panel-types.ts";
import { keepProfile } from "../panels/profile.ts";
import { failureOf, type Failure } from "../shell/failure.ts";
import type { BoardRun, BoardTransport, OutputDifference } from "./board-client.ts";
import type { AnswerView } from "./run-data.ts";
import { describeAnswer, inputBytes, runStore, simulate } from "./run-state.ts";
import { Store } from "./store.ts";

export interface BoardOutcome extends BoardRun {
  /** The compilation and the inputs that ran. */
  key: string;
  inputs: readonly unknown[];
  answer: AnswerView;
  /** Beside the simulator's outputs. */
  differences: OutputDifference[];
}

export interface BoardState {
  url: string;
  status: "closed" | "connecting" | "open" | "lost";
  capabilities: BoardCapabilities | null;
  /** Bytes of the executable that the board has taken, of how many; null while nothing is uploaded. */
  upload: { sent: number; total: number } | null;
  running: boolean;
  outcome: BoardOutcome | null;
  failure: BoardProblem | null;
}

/** What went wrong, and while what: a connection, or running the compilation of a key. */
export type BoardProblem = ({ about: "connection" } | { about: "run"; key: string }) & {
  title: string;
  failure: Failure;
};

export const boardStore = new Store<BoardState>({
  url: "ws://127.0.0.1:9370",
  status: "closed",
  capabilities: null,
  upload: null,
  running: false,
  outcome: null,
  failure: null,
});

let board: BoardTransport | null = null;
let attempt: AbortController | null = null;

const failed = (failure: BoardProblem): void =>
  boardStore.set({ failure, running: false, upload: null });

/**
 * Connects; nothing goes over the network before.
 * @param token "" = none
 * @param plaintext the reader allowed to send the token unencrypted
 */
export async function connect(url: string, token: string, plaintext: boolean): Promise<void> {
  await disconnect();
  const own = new AbortController();
  attempt = own;
  boardStore.set({ url, status: "connecting", failure: null, outcome: null });
  try {
    const { openBoard } = await import("./board-client.ts");
    const opened = await openBoard(url, {
      ...(token === "" ? {} : { token }),
      allowPlaintextToken: plaintext,
      signal: own.signal,
      onUploadProgress: (sent, total) => {
        if (attempt === own) boardStore.set({ upload: { sent, total } });
      },
    });
    if (attempt !== own) return void opened.close();
    board = opened;
    boardStore.set({ status: "open", capabilities: opened.capabilities });
    void opened.disconnected.then(({ message }) => lost(opened, message));
  } catch (error) {
    if (attempt !== own) return;
    boardStore.set({ status: "closed" });
    if (own.signal.aborted) return;
    const title = "No connection to the board";
    failed({ about: "connection", title, failure: failureOf(error) });
  }
}

/** The other side went away, or the network between. */
function lost(which: BoardTransport, message: string): void {
  if (board !== which) return;
  board = null;
  const failure = failureOf(new TransportError("TW_IO_LOST", message));
  boardStore.set({ status: "lost", capabilities: null });
  failed({ about: "connection", title: "Connection lost", failure });
}

/** Gives up connecting, or ends the connection. */
export async function disconnect(): Promise<void> {
  attempt?.abort();
  attempt = null;
  const open = board;
  board = null;
  boardStore.set({ status: "closed", capabilities: null, running: false, upload: null });
  await open?.close();
}

/** Runs the chosen inputs on the board, and in the simulator where that was not done yet. */
export async function runBoard(props: PanelProps, profile: boolean): Promise<void> {
  const inputs = inputBytes(runStore.value);
  const using = board;
  if (using === null || inputs === null || boardStore.value.running) return;
  const { key, twx } = props.compiled;
  const chosen = runStore.value.inputs;
  boardStore.set({ running: true, failure: null });
  try {
    const { differencesOf, runOnBoard } = await import("./board-client.ts");
    const run = await runOnBoard(using, twx, inputs, profile);
    const simulated = await simulatedOutputs(props);
    const { labels } = runStore.value;
    const answer = await describeAnswer(props, run.outputs);
    // Another connection may have been made meanwhile.
    if (board !== using) return;
    const differences = differencesOf(twx, run.outputs, simulated);
    const outcome = { ...run, key, inputs: chosen, answer, differences };
    if (run.jobs) keepProfile(key, { jobs: run.jobs, evidence: run.evidence });
    boardStore.set({ outcome, running: false, upload: null });
    if (runStore.value.labels !== labels) await relabelBoard(props);
  } catch (error) {
    // What ended with the connection was said when that was lost.
    if (board !== using) return;
    failed({ about: "run", key, title: "The board did not run it", failure: failureOf(error) });
  }
}

/** New labels for the board's answer. */
export async function relabelBoard(props: PanelProps): Promise<void> {
  const { outcome } = boardStore.value;
  if (outcome?.key !== props.compiled.key) return;
  const answer = await describeAnswer(props, outcome.outputs);
  const now = boardStore.value.outcome;
  if (now?.outputs === outcome.outputs) boardStore.set({ outcome: { ...now, answer } });
}

/** Outputs of the simulator for the same inputs. */
async function simulatedOutputs(props: PanelProps): Promise<Uint8Array[]> {
  // What runs already may give them; a second run would be refused.
  while (runStore.value.running !== null) await runStore.changed();
  if (!isCurrent(props.compiled)) await simulate(props, false);
  const { outcome, failure } = runStore.value;
  if (outcome === null || !isCurrent(props.compiled))
    throw new NpuError(
      `the simulator gave nothing to compare with: ${failure?.message ?? "it was stopped"}`,
      { code: failure?.code ?? "TW_IO_ABORTED" },
    );
  return outcome.outputs;
}

const isCurrent = ({ key }: Compiled): boolean => runStore.value.outcome?.key === key;
