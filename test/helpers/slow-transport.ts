// A transport that takes its time in front of another one and says when a run begins: what tests of dying boards need.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import type { LoadedExecutable, Transport } from "../../core-as/runtime/transport.ts";

/** Runs wait `delayMs` or until their signal fires; `onRun` is called when one begins. The name differs from the simulator's. */
export function slowTransport(
  inner: Transport,
  delayMs: number,
  onRun: () => void = () => {},
): Transport {
  return {
    name: "slow",
    chip: inner.chip,
    disconnected: inner.disconnected,
    close: () => inner.close(),
    async load(executable, options): Promise<LoadedExecutable> {
      const loaded = await inner.load(executable, options);
      return {
        release: () => loaded.release(),
        async submit(inputs, submit = {}) {
          onRun();
          await pause(delayMs, submit.signal);
          return loaded.submit(inputs, submit);
        },
      };
    },
  };
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new TransportError("TW_IO_ABORTED", "the inference was aborted"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
