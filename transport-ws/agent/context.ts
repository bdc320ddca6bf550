// What the connections of an agent share.
// SPDX-License-Identifier: MIT
import type { NpuError } from "../../core-as/errors.ts";
import type { Evidence, Transport } from "../../core-as/runtime/transport.ts";
import type { Clock } from "../clock.ts";
import type { ClientRecords } from "./clients.ts";
import type { Connection } from "./connection.ts";
import type { Library } from "./library.ts";
import type { AgentLimits, Budget, Throttle } from "./limits.ts";
import type { RunLog } from "./run-log.ts";
import type { Scheduler } from "./scheduler.ts";

/** The board in the welcome frame. */
export interface BoardDescription {
  /** "sim", or the path of the device node. */
  device: string;
  evidence: Evidence;
  /** Version of the agent's software. */
  software: string;
  /** How long the agent may be silent because its transport computes in the event loop; milliseconds. */
  patienceMs: number;
}

/** Runs since the agent began. */
export interface RunCounts {
  /** Taken into the queue. Every one of them ends in exactly one of the other three. */
  accepted: number;
  finished: number;
  failed: number;
  /** Thrown away unstarted because their connection ended; their client is told when it comes again. */
  dropped: number;
}

export interface AgentContext {
  readonly transport: Transport;
  readonly board: BoardDescription;
  readonly boot: Uint8Array;
  readonly limits: AgentLimits;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly library: Library;
  readonly records: ClientRecords;
  readonly memory: Budget;
  readonly throttle: Throttle;
  readonly counts: RunCounts;
  readonly runLog: RunLog;
  readonly authenticate: ((token: string, peer: string) => boolean | Promise<boolean>) | null;
  /** Why nothing new is taken, or null. */
  refusal(): NpuError | null;
  /** Credits for a new connection, out of those that are left. */
  grantRuns(): number;
  returnRuns(runs: number): void;
  /** Load of the board for pongs. */
  load(): { runs: number; sessions: number };
  ended(connection: Connection): void;
  log(line: string): void;
}
