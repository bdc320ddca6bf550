// Connects to a board. Browser-safe: what carries the frames is the global WebSocket, or what the caller gives.
// SPDX-License-Identifier: MIT
import { throwIfAborted } from "../core-as/runtime/abort.ts";
import type { BoardTransport } from "./client/board-transport.ts";
import { Board } from "./client/board.ts";
import { checkUrl, settingsOf, type ConnectOptions } from "./client/options.ts";
import { systemClock } from "./clock.ts";
import { openWebChannel } from "./web-channel.ts";

export type { BoardClientStats, BoardTransport } from "./client/board-transport.ts";
export type { BoardCapabilities } from "./client/capabilities.ts";
export type { ConnectOptions, ReconnectOptions } from "./client/options.ts";

/**
 * Connects to an agent (`tilewright serve`). A connection that is lost later is opened again with growing waits; what was
 * loaded is loaded again, runs that had not started are sent again, those that had are reported with TW_IO_LOST.
 * @param url ws://host:port or wss://host:port
 * @throws TransportError TW_IO_CONNECT, TW_IO_AUTH, TW_IO_VERSION, TW_IO_LIMIT, TW_IO_PROTOCOL, TW_IO_ABORTED
 */
export async function connectBoard(
  url: string,
  options: ConnectOptions = {},
): Promise<BoardTransport> {
  throwIfAborted(options.signal, "connecting");
  checkUrl(url, options);
  const board = new Board(
    url,
    options.openChannel ?? openWebChannel,
    settingsOf(options),
    options.clock ?? systemClock,
  );
  await board.connect(options.signal ?? null);
  return board;
}
