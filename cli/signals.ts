// Ctrl-C and its kin: the first asks to end, the second ends.
// SPDX-License-Identifier: MIT
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Waits for the first signal. A second one ends the process at once, with the exit code that shells expect.
 * @returns the promise, and a function that takes the handlers away
 */
export function firstSignal(): { signal: Promise<string>; forget(): void } {
  let handler!: (signal: NodeJS.Signals) => void;
  const signal = new Promise<string>((resolve) => {
    let isSecond = false;
    handler = (name) => {
      if (isSecond) process.exit(128 + constants.signals[name]);
      isSecond = true;
      resolve(name);
    };
    for (const name of SIGNALS) process.on(name, handler);
  });
  return {
    signal,
    forget: () => {
      for (const name of SIGNALS) process.off(name, handler);
    },
  };
}
