// The one place that knows the NATS client: connecting, credentials, and its connection as a Bus.
// SPDX-License-Identifier: MIT
import {
  connect,
  credsAuthenticator,
  errors,
  nkeyAuthenticator,
  type Authenticator,
  type Msg,
  type NatsConnection,
  type NodeConnectionOptions,
} from "@nats-io/transport-node";
import { TransportError } from "../../core-as/errors.ts";
import type { PoolAddress } from "./address.ts";
import type { Bus, BusMessage, BusSubscription } from "./bus.ts";
import { printable } from "./nats-channel.ts";
import { newToken, subjectsOf } from "./subjects.ts";

/** How to be let in by the queue server; none of it ever appears in a text. All are contents, not paths. */
export interface PoolCredentials {
  /** User name on the queue server. */
  user?: string;
  /** Its password. */
  password?: string;
  /** The queue server's token; the boards' own token is another. */
  serverToken?: string;
  /** Seed of an nkey, "SU…". */
  nkeySeed?: string;
  /** Contents of a .creds file. */
  creds?: string;
  /** PEM texts; with any of them, or with tls://, only an encrypted connection is taken. */
  tls?: { ca?: string; cert?: string; key?: string };
}

export interface ConnectOptions extends PoolCredentials {
  /** Shown by the server's monitoring. */
  clientName?: string;
  /** Time for the connection to be there, in milliseconds. Default 5000. */
  connectTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 5000;
const RECONNECT_WAIT_MS = 250;
const PING_INTERVAL_MS = 20_000;

/**
 * Connects to a queue server. A connection that was there once is made again for as long as it takes.
 * @throws TransportError TW_IO_CONNECT, TW_IO_AUTH
 */
export async function connectNats(address: PoolAddress, options: ConnectOptions): Promise<Bus> {
  const settings = natsOptions(address, options);
  let connection: NatsConnection;
  try {
    connection = await connect(settings);
  } catch (cause) {
    throw connectError(address, cause);
  }
  return new NatsBus(connection, address);
}

function natsOptions(address: PoolAddress, options: ConnectOptions): NodeConnectionOptions {
  const { tls, user, password, serverToken, clientName } = options;
  for (const [name, pem] of Object.entries(tls ?? {}))
    if (pem === "")
      throw new TransportError(
        "TW_IO_AUTH",
        `the given ${name} is empty; leave it out if there is none`,
      );
  const encoder = new TextEncoder();
  const authenticator: Authenticator[] = [];
  if (options.creds !== undefined)
    authenticator.push(tried("credentials", credsAuthenticator(encoder.encode(options.creds))));
  if (options.nkeySeed !== undefined)
    authenticator.push(
      tried("nkey seed", nkeyAuthenticator(encoder.encode(options.nkeySeed.trim()))),
    );
  // Without this an encrypted connection is used where the server offers one, and not demanded.
  const demanded = tls !== undefined || address.tls;
  return {
    servers: address.servers,
    timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    reconnectJitterTLS: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    noAsyncTraces: true,
    inboxPrefix: subjectsOf(address.group).inbox,
    ...(authenticator.length > 0 ? { authenticator } : {}),
    ...(demanded ? { tls: { ...tls } } : {}),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(serverToken === undefined ? {} : { token: serverToken }),
    ...(clientName === undefined ? {} : { name: clientName }),
  };
}

/** An authenticator that works at all; otherwise the client would report a server that cannot be reached. */
function tried(what: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator("a nonce to try it with");
  } catch {
    throw new TransportError("TW_IO_AUTH", `the given ${what} cannot be read; check the file`);
  }
  return authenticator;
}

/** The client's own messages hold hosts and reasons, no credentials; the cause is not kept, since it may hold options. */
function connectError(address: PoolAddress, cause: unknown): TransportError {
  const text = cause instanceof Error ? printable(cause.message) : "unknown reason";
  if (isAuthError(cause))
    return new TransportError(
      "TW_IO_AUTH",
      `the queue server ${address.text} refused the credentials (${text}); check user, token, nkey or creds file`,
    );
  return new TransportError(
    "TW_IO_CONNECT",
    `the queue server ${address.text} cannot be reached (${text}); check that nats-server runs there`,
  );
}

const isAuthError = (cause: unknown): boolean =>
  cause instanceof errors.AuthorizationError ||
  cause instanceof errors.UserAuthenticationExpiredError ||
  (cause instanceof Error && cause.cause !== undefined && isAuthError(cause.cause));

type StateHandler = (state: "lost" | "back" | "closed", reason: string) => void;

class NatsBus implements Bus {
  readonly address: string;
  connected = true;
  private open = 0;
  private readonly handlers = new Set<StateHandler>();
  private readonly inboxPrefix: string;
  private readonly watching: Promise<void>;

  constructor(
    private readonly connection: NatsConnection,
    address: PoolAddress,
  ) {
    this.address = address.text;
    this.inboxPrefix = `${subjectsOf(address.group).inbox}.${newToken()}`;
    this.watching = this.watch();
  }

  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024;
  }

  get subscriptions(): number {
    return this.open;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (!this.connected || this.connection.isClosed()) return;
    this.connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue, refused }: { queue?: string; refused?: (error: Error) => void } = {},
  ): BusSubscription {
    if (this.connection.isClosed()) {
      const error = new TransportError(
        "TW_IO_CLOSED",
        `the connection to ${this.address} is closed`,
      );
      queueMicrotask(() => refused?.(error));
      return { unsubscribe: () => {} };
    }
    let active = true;
    const finish = (): boolean => {
      if (!active) return false;
      active = false;
      this.open--;
      return true;
    };
    const subscription = this.connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (!active) return;
        if (error !== null) {
          if (finish()) refused?.(error);
          return;
        }
        try {
          handler(busMessage(message));
        } catch (bug) {
          // Thrown into the client's parser it would end the connection with a line on the console.
          queueMicrotask(() => {
            throw bug;
          });
        }
      },
    });
    this.open++;
    return {
      unsubscribe: () => {
        if (finish()) subscription.unsubscribe();
      },
    };
  }

  onState(handler: StateHandler): BusSubscription {
    this.handlers.add(handler);
    return { unsubscribe: () => void this.handlers.delete(handler) };
  }

  async flush(): Promise<void> {
    if (!this.connected) throw new TransportError("TW_IO_CONNECT", `${this.address} is lost`);
    await this.connection.flush();
  }

  inbox(): string {
    return this.inboxPrefix;
  }

  async close(): Promise<void> {
    this.connected = false;
    await this.connection.close();
    await this.watching;
  }

  private async watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect") {
        this.connected = false;
        this.tell("lost", `the connection to the queue server ${this.address} was lost`);
      } else if (status.type === "reconnect") {
        this.connected = true;
        this.tell("back", `connected to the queue server ${this.address} again`);
      }
    }
    this.connected = false;
    const error = await this.connection.closed();
    const why = error instanceof Error ? `: ${printable(error.message)}` : "";
    this.tell("closed", `the connection to the queue server ${this.address} is closed${why}`);
    this.handlers.clear();
  }

  private tell(state: "lost" | "back" | "closed", reason: string): void {
    for (const handler of [...this.handlers]) handler(state, reason);
  }
}

function busMessage({ data, reply, headers }: Msg): BusMessage {
  return {
    // The client gives Buffers, whose slice and subarray behave differently.
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    reply: reply === undefined || reply === "" ? null : reply,
    nobody: data.length === 0 && headers?.code === 503,
  };
}
