// Tokens come from files: on a command line or in an address everybody on the machine could read them.
// SPDX-License-Identifier: MIT
import { statSync } from "node:fs";
import { UsageError } from "../core-as/errors.ts";
import { readText } from "./files.ts";
import { note, err } from "./terminal.ts";

/** Longest token that the board protocol carries. */
const MAX_BYTES = 512;
/** Shorter ones can be guessed. */
const MIN_BYTES = 16;

/** What to do without a token. */
export const HOW_TO_MAKE_ONE =
  "make one: (umask 077; head -c 32 /dev/urandom | base64 > token), and give both sides --token-file token";

/**
 * Reads a token: the file's text without white space around it. Warns when others can read the file.
 * @param least fewest characters; others' tokens have their own rules
 * @throws TransportError TW_IO_NOT_FOUND
 * @throws UsageError when the text is no token
 */
export function readToken(path: string, least = MIN_BYTES): string {
  const token = readText(path).trim();
  const bad = (what: string): UsageError =>
    new UsageError(`the token in ${path} ${what}; ${HOW_TO_MAKE_ONE}`, "token-file");
  if (token === "") throw bad("is empty");
  if (!/^[\x21-\x7e]+$/.test(token)) throw bad("holds more than printable ASCII characters");
  if (token.length < least) throw bad(`is shorter than ${least} characters`);
  if (token.length > MAX_BYTES) throw bad(`is longer than ${MAX_BYTES} characters`);
  if (isReadableByOthers(path))
    note(`${err.yellow("warning:")} ${path} can be read by others; chmod 600 ${path}`);
  return token;
}

/** The token of --token-file as an option of whatever asks for one. */
export function tokenOf({ tokenFile }: { tokenFile?: string }): { token?: string } {
  return tokenFile === undefined ? {} : { token: readToken(tokenFile) };
}

function isReadableByOthers(path: string): boolean {
  if (path === "-" || process.platform === "win32") return false;
  const { mode } = statSync(path);
  // Pipes and other files without a place, such as those of a shell's <(…), are nobody else's.
  return (mode & 0o170000) === 0o100000 && (mode & 0o044) !== 0;
}
