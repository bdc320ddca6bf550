// A queue server in memory: subjects, queue groups, "nobody listens", lost connections, and messages that are lost or changed.
// SPDX-License-Identifier: MIT
import type { Bus, BusMessage, BusSubscription } from "../../transport-ws/pool/bus.ts";
import { newToken } from "../../transport-ws/pool/subjects.ts";

interface Listener {
  client: FakeBus;
  subject: string;
  queue: string | undefined;
  handler: (message: BusMessage) => void;
  active: boolean;
}

/** What becomes of a message: null drops it. */
export type Tamper = (subject: string, data: Uint8Array) => Uint8Array | null;

export class FakeServer {
  readonly listeners = new Set<Listener>();
  tamper: Tamper | null = null;
  /** Messages that were published. */
  published = 0;
  private turn = 0;
  private pending: (() => void)[] = [];

  constructor(readonly maxPayload = 1024 * 1024) {}

  connect(): FakeBus {
    return new FakeBus(this);
  }

  /** Delivered later, in the order of publishing, as a connection does. */
  publish(from: FakeBus, subject: string, data: Uint8Array, reply: string | undefined): void {
    if (data.length > this.maxPayload) throw new Error("maximum payload exceeded");
    this.published++;
    const sent = this.tamper === null ? data.slice() : this.tamper(subject, data.slice());
    if (sent !== null) this.later(() => this.deliver(from, subject, sent, reply));
  }

  later(task: () => void): void {
    this.pending.push(task);
    if (this.pending.length === 1)
      setImmediate(() => {
        const tasks = this.pending;
        this.pending = [];
        for (const run of tasks) run();
      });
  }

  private deliver(
    from: FakeBus,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): void {
    const all = [...this.listeners].filter((one) => one.subject === subject);
    const chosen = all.filter(({ queue }) => queue === undefined);
    const group = all.filter(({ queue }) => queue !== undefined);
    if (group.length > 0) chosen.push(group[this.turn++ % group.length]!);
    for (const one of chosen)
      if (one.active) one.handler({ data, reply: reply ?? null, nobody: false });
    if (chosen.length > 0 || reply === undefined) return;
    for (const one of this.listeners)
      if (one.client === from && one.subject === reply && one.active)
        one.handler({ data: new Uint8Array(0), reply: null, nobody: true });
  }
}

export class FakeBus implements Bus {
  readonly address = "nats://fake:4222/boards";
  connected = true;
  private readonly mine = new Set<Listener>();
  private readonly states = new Set<Parameters<Bus["onState"]>[0]>();
  private readonly prefix = `inbox.${newToken()}`;

  constructor(private readonly server: FakeServer) {}

  get maxPayload(): number {
    return this.server.maxPayload;
  }

  get subscriptions(): number {
    return this.mine.size;
  }

  /** Handlers of connection states; for leak checks. */
  get watchers(): number {
    return this.states.size;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (this.connected) this.server.publish(this, subject, data, reply);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue }: { queue?: string } = {},
  ): BusSubscription {
    const listener = { client: this, subject, queue, handler, active: true };
    this.mine.add(listener);
    if (this.connected) this.server.listeners.add(listener);
    return {
      unsubscribe: () => {
        this.mine.delete(listener);
        listener.active = false;
        // The server learns it behind what was published before.
        this.server.later(() => this.server.listeners.delete(listener));
      },
    };
  }

  onState(handler: Parameters<Bus["onState"]>[0]): BusSubscription {
    this.states.add(handler);
    return { unsubscribe: () => void this.states.delete(handler) };
  }

  flush(): Promise<void> {
    return new Promise((resolve) => this.server.later(resolve));
  }

  inbox(): string {
    return this.prefix;
  }

  /** The connection goes away, and comes back with `back`. Nobody says goodbye. */
  lose(): void {
    this.connected = false;
    for (const listener of this.mine) this.server.listeners.delete(listener);
    for (const state of [...this.states]) state("lost", "the connection was cut");
  }

  back(): void {
    this.connected = true;
    for (const listener of this.mine) this.server.listeners.add(listener);
    for (const state of [...this.states]) state("back", "connected again");
  }

  async close(): Promise<void> {
    if (this.connected) this.lose();
    for (const state of [...this.states]) state("closed", "closed");
    this.mine.clear();
    this.states.clear();
  }
}
