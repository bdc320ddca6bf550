// A thread of Node that simulates together with others.
// SPDX-License-Identifier: MIT
import { parentPort } from "node:worker_threads";
import { serveSimThread } from "../core-as/runtime/threads/team.ts";

parentPort!.once("message", (message: unknown) => {
  void serveSimThread(message, (answer) => parentPort!.postMessage(answer));
});
