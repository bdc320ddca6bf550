// Workers of a browser for the simulator.
// SPDX-License-Identifier: MIT
import type { SimThread, SimThreads } from "../runtime/threads/team.ts";

/**
 * Workers for `createSimTransport(chip, { threads: webSimThreads(2) })`. They share memory, so the page must be isolated (COOP and COEP
 * headers) and the caller a worker itself; elsewhere one thread does all.
 * @param count 1 to 64, the calling one included
 * @param create makes a worker that runs this package's sim-thread.js, or one that passes its first message to `serveSimThread`;
 *   default: from the script that lies beside this one
 */
export function webSimThreads(
  count: number,
  create: () => Worker = () =>
    new Worker(new URL("./sim-thread.js", import.meta.url), { type: "module" }),
): SimThreads {
  return { count, start: () => threadOf(create()) };
}

function threadOf(worker: Worker): SimThread {
  const ready = new Promise<unknown>((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
    worker.addEventListener("error", reject, { once: true });
  });
  ready.catch(() => {});
  return {
    ready,
    postMessage: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
  };
}
