// A worker of a browser that simulates together with others.
// SPDX-License-Identifier: MIT
import { serveSimThread } from "../runtime/threads/team.ts";

const scope = globalThis as unknown as Pick<Worker, "addEventListener" | "postMessage">;
scope.addEventListener(
  "message",
  ({ data }) => void serveSimThread(data, (answer) => scope.postMessage(answer)),
  { once: true },
);
