// A compiler in a thread of its own that is replaced when it dies, e.g. for lack of memory.
// SPDX-License-Identifier: MIT
import { Worker } from "node:worker_threads";
import { TransportError } from "tilewright";
import { wrapCompiler } from "tilewright/worker";

export class CompilerThread {
  #worker;
  #service;
  /** Rejects when the thread ends. */
  #died;

  constructor() {
    this.#start();
  }

  /**
   * One at a time.
   * @param signal stops it at its next pause
   * @returns bytes of the executable, and the report
   * @throws NpuError for what is wrong with the model; TW_IO_ABORTED; TW_IO_LOST when the thread died under it
   */
  async compile(model, options, signal) {
    const cancel = () => this.#service.cancel();
    signal.addEventListener("abort", cancel);
    try {
      return await Promise.race([this.#service.compile(model, options), this.#died]);
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  async close() {
    this.#worker.removeAllListeners("exit");
    await this.#worker.terminate();
  }

  #start() {
    const worker = new Worker(new URL("worker.mjs", import.meta.url));
    this.#worker = worker;
    this.#service = wrapCompiler(worker);
    this.#died = new Promise((_, reject) => {
      let cause;
      worker.on("error", (error) => (cause = error));
      worker.on("exit", (code) => {
        const why = cause?.message ?? `exit code ${code}`;
        reject(new TransportError("TW_IO_LOST", `the compiler's thread ended: ${why}`));
        this.#start();
      });
    });
    // Between two compilations nobody waits for it.
    this.#died.catch(() => {});
  }
}
