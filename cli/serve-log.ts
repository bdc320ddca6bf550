// What an agent prints: an address to connect to, and a line an event.
// SPDX-License-Identifier: MIT
import { err, jsonText, note, out, print } from "./terminal.ts";

export interface ServeLog {
  /** Something that whoever started the agent waits for: where it can be reached, that it ends. */
  state(event: string, text: string, details: Readonly<Record<string, unknown>>): void;
  /** Something that happened. Control characters of peers stay out of terminals. */
  line(text: string): void;
}

const clean = (text: string): string =>
  // Every control character, so that a peer cannot move the cursor or begin a line.
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");

/** @param form text: states on standard output, events on standard error; json: one object a line on standard output */
export function createServeLog(form: "text" | "json", quiet: boolean): ServeLog {
  const time = (): string => new Date().toISOString();
  if (form === "json")
    return {
      state: (event, _text, details) => print(jsonText({ time: time(), event, ...details })),
      line: (message) => {
        if (!quiet) print(jsonText({ time: time(), event: "log", message }));
      },
    };
  return {
    state: (_event, text) => print(out.bold(text)),
    line: (text) => {
      if (!quiet) note(`${err.dim(time())} ${clean(text)}`);
    },
  };
}
