// After a reconnect: what became of the runs that had no answer when the connection died.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { encodeFrame, protocolError, RESUME } from "../protocol.ts";
import type { Connection } from "./board.ts";
import type { BoardCapabilities } from "./capabilities.ts";
import type { Runs } from "./runs.ts";

export type RunState = "unknown" | "waiting" | "started";

/** The new connection, and what the board said of itself on the last one and says on this one. */
export interface Resumption {
  connection: Connection;
  before: BoardCapabilities;
  now: BoardCapabilities;
  url: string;
}

/**
 * Decides about every run that was sent on connections before: those that started are reported lost, the others are put in
 * front of what waits. Each is decided once: an undecided one stays on the list for the next connection.
 * @throws TransportError TW_IO_DEVICE_LOST when another chip answers, TW_IO_LOST when the connection ends
 */
export async function resume(
  { connection, before, now, url }: Resumption,
  runs: Runs,
): Promise<void> {
  if (JSON.stringify(before.chip) !== JSON.stringify(now.chip))
    throw new TransportError(
      "TW_IO_DEVICE_LOST",
      `the board at ${url} was a ${before.chipName} and is a ${now.chipName} now`,
    );
  const uncertain = runs.uncertain();
  if (uncertain.length === 0) return;
  if (before.boot !== now.boot || !connection.link.welcome.known) {
    const what = before.boot === now.boot ? "has forgotten this client" : "was started anew";
    return runs.lose(uncertain, `the connection died, and the board ${what}`);
  }
  const states = await ask(connection, uncertain);
  const started = uncertain.filter((_, i) => states[i] === "started");
  runs.lose(started, "the connection died after the run had started");
  runs.sendAgain(uncertain.filter((_, i) => states[i] !== "started"));
}

function ask(connection: Connection, runs: readonly number[]): Promise<RunState[]> {
  return new Promise((resolve, reject) => {
    connection.onResumed = (states) => {
      connection.onResumed = null;
      if (states.length !== runs.length)
        throw protocolError(`${runs.length} runs were asked for, ${states.length} answered`, 1);
      resolve(states);
    };
    void connection.gone.then(() =>
      reject(new TransportError("TW_IO_LOST", "the connection ended before runs were resumed")),
    );
    connection.link.send(encodeFrame(RESUME, { runs: runs.map((run) => ({ run })) }));
  });
}
