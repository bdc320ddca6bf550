// A board in a process of its own for bench/ws.ts: null transports behind agents, and a bare echo on the same loop.
// Talks to its parent in JSON messages; ends with it.
// SPDX-License-Identifier: MIT
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { chipByName, createNullTransport } from "../core-as/index.ts";
import { startServer } from "../transport-ws/server/index.ts";

/** What the parent asks for: a board whose runs take so long, an echo that answers so many bytes. */
export interface BoardRequest {
  target: string;
  runMs: number;
  answerBytes: number;
}

export interface BoardAddresses {
  board: string;
  echo: string;
}

process.on("message", async ({ target, runMs, answerBytes }: BoardRequest) => {
  const transport = createNullTransport(chipByName(target)!, { runMs });
  const server = await startServer({ transport, host: "127.0.0.1", port: 0 });
  const answer = new Uint8Array(answerBytes);
  const echo = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  echo.on("connection", (socket) =>
    socket.on("message", () => socket.send(answer, { binary: true, compress: false })),
  );
  await new Promise((resolve) => echo.once("listening", resolve));
  const { port } = echo.address() as AddressInfo;
  process.send!({ board: server.url, echo: `ws://127.0.0.1:${port}` } satisfies BoardAddresses);
});
process.on("disconnect", () => process.exit());
