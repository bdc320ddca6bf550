// What an agent remembers of its clients, so that a run whose connection died is never executed twice.
// SPDX-License-Identifier: MIT
import { MAX_RESUMED } from "../protocol.ts";

export type RunState = "unknown" | "waiting" | "started";

/**
 * One client. Run ids rise over all its connections, so the highest one received says which were never received; of the
 * others, those are noted that were thrown away before they started. All the rest was started.
 */
export class ClientRecord {
  highest = -1;
  private dropped = new Set<number>();
  /** Its connection, by which a newer one replaces it. */
  connection: object | null = null;
  /** Agent's time in milliseconds at which the last connection ended. */
  left = 0;

  /**
   * Notes runs that will not be started because their connection ended. Of a client that never asks only as many are kept
   * as it may ask about; the others count as started.
   */
  drop(runs: Iterable<number>): void {
    for (const run of runs) this.dropped.add(run);
    for (const run of this.dropped) {
      if (this.dropped.size <= MAX_RESUMED) break;
      this.dropped.delete(run);
    }
  }

  /** What became of runs; the client asks for no other ones again. */
  resume(runs: readonly number[]): RunState[] {
    const asked = new Set(runs);
    this.dropped = new Set([...this.dropped].filter((run) => asked.has(run)));
    return runs.map((run) => {
      if (run > this.highest) return "unknown";
      return this.dropped.has(run) ? "waiting" : "started";
    });
  }
}

/** The records of all clients: bounded in number, and in time after a client has left. */
export class ClientRecords {
  private readonly records = new Map<string, ClientRecord>();

  constructor(
    private readonly maxRecords: number,
    private readonly keepMs: number,
  ) {}

  get size(): number {
    return this.records.size;
  }

  /** The record of a client, which belongs to `connection` from now on, and what was there before. */
  open<T extends object>(
    client: string,
    connection: T,
  ): { record: ClientRecord; known: boolean; previous: object | null } {
    const found = this.records.get(client);
    const record = found ?? new ClientRecord();
    const previous = record.connection;
    record.connection = connection;
    // Again at the end: the order is that of the last connections.
    this.records.delete(client);
    this.records.set(client, record);
    this.shrink();
    return { record, known: found !== undefined, previous };
  }

  forget(client: string): void {
    this.records.delete(client);
  }

  expire(now: number): void {
    for (const [client, { connection, left }] of this.records)
      if (connection === null && now - left > this.keepMs) this.records.delete(client);
  }

  private shrink(): void {
    for (const [client, { connection }] of this.records) {
      if (this.records.size <= this.maxRecords) return;
      if (connection === null) this.records.delete(client);
    }
  }
}
