// A board on loopback: server and client of the same process around any transport.
// SPDX-License-Identifier: MIT
import type { Transport } from "../../core-as/runtime/transport.ts";
import { connectBoard, startServer } from "../../transport-ws/server/index.ts";

/** A client whose server and transport end with it. */
export async function openLoopback(transport: Transport): Promise<Transport> {
  const server = await startServer({ transport, host: "127.0.0.1", port: 0 });
  const board = await connectBoard(server.url);
  const close = board.close.bind(board);
  board.close = async () => {
    await close();
    await server.close(0);
    await transport.close();
  };
  return board;
}
