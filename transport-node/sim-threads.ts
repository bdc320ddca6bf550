// Threads of Node for the simulator.
// SPDX-License-Identifier: MIT
import { Worker } from "node:worker_threads";
import type { SimThread, SimThreads } from "../core-as/runtime/threads/team.ts";

/**
 * Threads of this process for `createSimTransport(chip, { threads: nodeSimThreads(2) })`. They do not keep the process alive.
 * @param count 1 to 64, the calling one included
 * @param script module that a thread runs; default: the one of this package
 */
export function nodeSimThreads(
  count: number,
  script: URL = new URL("./sim-thread-node.js", import.meta.url),
): SimThreads {
  return { count, start: () => startThread(script) };
}

function startThread(script: URL): SimThread {
  const worker = new Worker(script);
  const ready = new Promise<unknown>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the thread ended with ${code}`)));
  });
  // Nobody may be waiting for it any more.
  ready.catch(() => {});
  void ready.then(
    () => worker.unref(),
    () => {},
  );
  return {
    ready,
    postMessage: (message) => worker.postMessage(message),
    terminate: () => void worker.terminate(),
  };
}
