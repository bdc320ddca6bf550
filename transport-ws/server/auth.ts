// Tokens: when one is demanded, how it is compared, and what guessing costs.
// SPDX-License-Identifier: MIT
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { UsageError } from "../../core-as/errors.ts";
import { isLoopback } from "../client/options.ts";

const MIN_TOKEN = 16;
const MAX_TOKEN_BYTES = 512;

const HOW =
  "make one with `openssl rand -hex 32 > token` or " +
  `\`node -e "console.log(require('node:crypto').randomBytes(32).toString('hex'))" > token\`, ` +
  "give it to both sides with --token-file token";

/**
 * Checks the token of a server before it listens. The token itself is in no message.
 * @throws UsageError TW_USAGE
 */
export function checkToken(token: string | undefined, host: string): void {
  if (token === undefined || token === "") {
    if (isLoopback(host)) return;
    throw new UsageError(
      `listening on ${host} lets other machines in, which demands a token: ${HOW}`,
      "token",
    );
  }
  if (token.length < MIN_TOKEN || Buffer.byteLength(token) > MAX_TOKEN_BYTES)
    throw new UsageError(
      `the token has ${token.length} characters, it must have ${MIN_TOKEN} to ${MAX_TOKEN_BYTES}: ${HOW}`,
      "token",
    );
}

/** A wrong token is answered after this time, */
const WRONG_MS = 300;
/** and after so many within the time below the address has to wait. */
const MAX_WRONG = 10;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; the oldest go first. */
const MAX_ADDRESSES = 1024;

/** Compares tokens in constant time and slows guessing down. */
export class TokenGate {
  private readonly key = randomBytes(32);
  private readonly expected: Buffer | null;
  private readonly wrong = new Map<string, { count: number; since: number }>();

  constructor(
    token: string | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.expected = token === undefined || token === "" ? null : this.digest(token);
  }

  /** Whether the address has to wait after too many wrong tokens. */
  isBlocked(address: string): boolean {
    const entry = this.wrong.get(address);
    return entry !== undefined && entry.count >= MAX_WRONG && this.now() - entry.since < WINDOW_MS;
  }

  async check(given: string, address: string): Promise<boolean> {
    if (this.expected === null) return true;
    // Digests have the same length whatever was sent, and say nothing about the token.
    if (timingSafeEqual(this.digest(given), this.expected) && !this.isBlocked(address)) return true;
    this.note(address);
    await new Promise((resolve) => setTimeout(resolve, WRONG_MS));
    return false;
  }

  private digest(token: string): Buffer {
    return createHash("sha256").update(this.key).update(token).digest();
  }

  private note(address: string): void {
    const entry = this.wrong.get(address);
    const now = this.now();
    const isNew = entry === undefined || now - entry.since >= WINDOW_MS;
    this.wrong.delete(address);
    this.wrong.set(
      address,
      isNew ? { count: 1, since: now } : { count: entry.count + 1, since: entry.since },
    );
    const [oldest] = this.wrong.keys();
    if (this.wrong.size > MAX_ADDRESSES) this.wrong.delete(oldest!);
  }
}
