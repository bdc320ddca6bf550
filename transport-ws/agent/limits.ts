// What an agent gives to one connection and to all together.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { MAX_RESUMED } from "../protocol.ts";

const MIB = 2 ** 20;

/** Sizes in bytes, times in milliseconds. */
export interface AgentLimits {
  /** Largest frame either way; a run's inputs or outputs have to fit. */
  frameBytes: number;
  /** Connections at a time. */
  connections: number;
  /** Loaded executables of one connection. */
  sessionsPerConnection: number;
  /** Different executables on the board. */
  executables: number;
  /** Largest executable. */
  executableBytes: number;
  /** Runs of one connection that wait or run; at most 4096. */
  runsPerConnection: number;
  /** Runs of all connections that wait or run. */
  runs: number;
  /** Inputs and outputs of those runs. */
  runBytesPerConnection: number;
  /** Loaded executables of one connection with their buffers, and its uploads that are under way. */
  memoryPerConnection: number;
  /** Bytes of loaded executables and uploads of all connections. */
  memory: number;
  /** Rate of uploads of one connection; 0 = not held back. */
  uploadBytesPerSecondPerConnection: number;
  /** Rate of the uploads of all connections; 0 = not held back. */
  uploadBytesPerSecond: number;
  /** A connection has to say hello, with the right token, within this time. */
  helloMs: number;
  /** A connection that is silent for longer is dropped; it is pinged before. */
  idleMs: number;
  /** An upload of which nothing comes for longer is dropped with its connection. */
  uploadStallMs: number;
  /** A peer that takes less than `slowReaderBytes` of what waits for it in this time is dropped. */
  slowReaderMs: number;
  /** What a peer has to take within slowReaderMs. */
  slowReaderBytes: number;
  /** Clients that are remembered. */
  clients: number;
  /** How long a client is remembered after its connection ended. */
  clientMs: number;
}

/** Limits of an agent that is given none. */
export const DEFAULT_LIMITS: AgentLimits = {
  frameBytes: 32 * MIB,
  connections: 64,
  sessionsPerConnection: 16,
  executables: 64,
  executableBytes: 256 * MIB,
  runsPerConnection: 32,
  runs: 512,
  runBytesPerConnection: 64 * MIB,
  memoryPerConnection: 1024 * MIB,
  memory: 2048 * MIB,
  uploadBytesPerSecondPerConnection: 0,
  uploadBytesPerSecond: 0,
  helloMs: 5_000,
  idleMs: 60_000,
  uploadStallMs: 30_000,
  slowReaderMs: 30_000,
  slowReaderBytes: 64 * 1024,
  clients: 256,
  clientMs: 600_000,
};

/** Smallest values with which the protocol works at all. */
const LEAST: Partial<AgentLimits> = {
  frameBytes: 8192,
  uploadBytesPerSecondPerConnection: 0,
  uploadBytesPerSecond: 0,
};

/** Largest values that their fields in the welcome frame take. */
const MOST: Partial<AgentLimits> = {
  frameBytes: 2 ** 31 - 1,
  sessionsPerConnection: 0xffff,
  runsPerConnection: MAX_RESUMED,
  helloMs: 2 ** 31 - 1,
  idleMs: 2 ** 31 - 1,
};

/** @throws RangeError when a limit is not a number in its range */
export function withDefaults(given: Partial<AgentLimits> = {}): AgentLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const name of Object.keys(DEFAULT_LIMITS) as (keyof AgentLimits)[]) {
    const value = limits[name];
    const least = LEAST[name] ?? 1;
    const most = MOST[name] ?? Number.MAX_SAFE_INTEGER;
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(`limit ${name} is ${value}, it must be from ${least} to ${most}`);
  }
  return limits;
}

/** Something of which there is only so much; parts of it may be inside a larger budget. */
export class Budget {
  private taken = 0;

  /** @param what in error texts, e.g. "bytes of memory of this connection" */
  constructor(
    private readonly what: string,
    readonly limit: number,
    private readonly outer: Budget | null = null,
  ) {}

  get used(): number {
    return this.taken;
  }

  /** @throws TransportError TW_IO_LIMIT when this would be more than the limit; nothing is taken then */
  take(amount: number): void {
    if (amount > this.limit - this.taken)
      throw new TransportError(
        "TW_IO_LIMIT",
        `the board gives ${this.limit} ${this.what}: ${this.taken} are taken, ${amount} more are asked for`,
      );
    this.outer?.take(amount);
    this.taken += amount;
  }

  give(amount: number): void {
    this.taken -= amount;
    this.outer?.give(amount);
  }
}

/** Holds a stream of bytes to a rate: says how long to wait before more may come. */
export class Throttle {
  /** When everything that was let through is paid for. */
  private paid = 0;

  /** @param bytesPerSecond 0 = no rate */
  constructor(private readonly bytesPerSecond: number) {}

  /** Counts bytes and returns the milliseconds until the rate allows the next ones. */
  delay(bytes: number, now: number): number {
    if (this.bytesPerSecond === 0) return 0;
    this.paid = Math.max(this.paid, now) + (bytes / this.bytesPerSecond) * 1000;
    return this.paid - now;
  }
}
