// What applications hold of a board.
// SPDX-License-Identifier: MIT
import type { Transport } from "../../core-as/runtime/transport.ts";
import type { BoardCapabilities } from "./capabilities.ts";

/** A board across the network. */
export interface BoardTransport extends Transport {
  /** Its address, without secrets. */
  readonly url: string;
  /** What it said of itself when it was last connected. */
  readonly capabilities: BoardCapabilities;
  /**
   * Milliseconds of a round trip through the board's event loop.
   * @throws TransportError TW_IO_LOST, TW_IO_CONNECT, TW_IO_CLOSED
   */
  ping(): Promise<number>;
  /** What is under way now. */
  stats(): BoardClientStats;
}

/** What a client has under way. */
export interface BoardClientStats {
  /** Runs that wait here. */
  waiting: number;
  /** Runs that were sent and not answered. */
  sent: number;
  /** Loaded executables. */
  sessions: number;
  /** Whether the connection stands. */
  connected: boolean;
  /** Connections after the first. */
  reconnects: number;
}
