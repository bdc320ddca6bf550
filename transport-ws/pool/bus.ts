// What the pool needs of a queue server: subjects, queue groups, requests. nats.ts implements it, tests have one in memory.
// SPDX-License-Identifier: MIT

export interface BusMessage {
  data: Uint8Array;
  /** Subject that the sender listens on for an answer. */
  reply: string | null;
  /** The server's own answer: nobody listens on the subject of a message that we sent with `reply`. */
  nobody: boolean;
}

export interface BusSubscription {
  /** Idempotent; nothing is delivered afterwards. */
  unsubscribe(): void;
}

export interface Bus {
  /** The server in texts for people, without credentials. */
  readonly address: string;
  /** Largest payload of a message in bytes. */
  readonly maxPayload: number;
  /** False while the connection to the server is lost. */
  readonly connected: boolean;
  /** Open subscriptions; for leak checks. */
  readonly subscriptions: number;
  /** Sends a message. Does nothing without a connection: what is lost is noticed by sequence numbers and time limits. */
  publish(subject: string, data: Uint8Array, reply?: string): void;
  /**
   * @param queue with a queue group, one member of the group gets each message
   * @param refused called once when the server does not permit the subscription
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { queue?: string; refused?: (error: Error) => void },
  ): BusSubscription;
  /** Calls back whenever the connection is lost (messages may be missing), comes back, or ends for good. */
  onState(handler: (state: "lost" | "back" | "closed", reason: string) => void): BusSubscription;
  /** Resolves when the server has processed what was sent before. Rejects when the connection is lost meanwhile. */
  flush(): Promise<void>;
  /** A subject below which only answers to this connection are sent. */
  inbox(): string;
  close(): Promise<void>;
}
