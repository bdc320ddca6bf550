// A board over WebSocket on loopback: the conformance suite with the simulator behind it.
// SPDX-License-Identifier: MIT
import { chipByName } from "../../core-as/hw/chips.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { connectBoard, startServer } from "../../transport-ws/server/index.ts";
import { transportSuite } from "./cts.ts";

const CHIP = chipByName("a311d")!;

/** A client whose server ends with it. */
async function openLoopback(transport: Transport): Promise<Transport> {
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

transportSuite("ws to sim", () => openLoopback(createSimTransport(CHIP)));
transportSuite("ws to null", () => openLoopback(createNullTransport(CHIP)), { computes: false });
