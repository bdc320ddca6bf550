// The agent on a port: who may connect from where, encryption, tokens, and the sockets' own limits.
// SPDX-License-Identifier: MIT
import {
  createServer as createHttpServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { TransportError } from "../../core-as/errors.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { Agent, type AgentOptions } from "../agent.ts";
import { checkToken, TokenGate } from "./auth.ts";
import { GuardedChannel } from "./guarded-channel.ts";
import { bracketed, refusalOf, type Refusal } from "./origin.ts";
import { CLOSE_OPTIONS } from "./ws-channel.ts";

/** What is served, where, and to whom; how it is served as in AgentOptions. */
export interface ServerOptions extends Omit<AgentOptions, "authenticate" | "clock"> {
  /** Served; stays the caller's, who closes it after the server. */
  transport: Transport;
  /** Address to listen on, e.g. "127.0.0.1". Any address but loopback demands a token. */
  host: string;
  /** 0 = any free one. */
  port: number;
  /** At least 16 characters. */
  token?: string;
  /** PEM. */
  tls?: { cert: string | Buffer; key: string | Buffer };
  /** Origins of pages that may connect, e.g. "https://example.org"; "*" = all. Default: none. */
  allowOrigins?: readonly string[];
  /** Connections from one address at a time; default: half of limits.connections. */
  connectionsPerAddress?: number;
}

/** An agent on a port. */
export interface BoardServer {
  /** ws:// or wss:// with the address and port that it listens on. */
  readonly url: string;
  /** Port that it listens on. */
  readonly port: number;
  /** The agent behind it. */
  readonly agent: Agent;
  /** Ends in order, as Agent.close; then frees the port. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

/** A request has to be complete within this time. */
const HEADERS_MS = 5_000;
/** Sockets beside those of the agent: for telling a peer that it is one too many. */
const SPARE_CONNECTIONS = 16;

/**
 * Serves a transport on a port.
 * @throws UsageError TW_USAGE for an address that demands a token when there is none, or a short one
 * @throws TransportError TW_IO_CONNECT when the port cannot be opened or the certificate not be read
 */
export async function startServer(options: ServerOptions): Promise<BoardServer> {
  checkToken(options.token, options.host);
  const gate = new TokenGate(options.token);
  const agent = new Agent(options.transport, {
    ...options,
    authenticate: (given, address) => gate.check(given, address),
  });
  try {
    const listener = new Listener(agent, gate, options);
    await listener.start();
    return listener;
  } catch (error) {
    await agent.close(0);
    throw error;
  }
}

class Listener implements BoardServer {
  private readonly http: Server;
  private readonly sockets: WebSocketServer;
  /** Open connections by address. */
  private readonly addresses = new Map<string, number>();
  private readonly log: (line: string) => void;
  private closing: Promise<void> | null = null;

  constructor(
    readonly agent: Agent,
    private readonly gate: TokenGate,
    private readonly options: ServerOptions,
  ) {
    this.log = options.log ?? ((): void => {});
    this.http = createHttp(options.tls);
    this.http.maxConnections = agent.limits.connections + SPARE_CONNECTIONS;
    this.http.on("request", answerPlainly);
    this.http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.upgrade(request, socket, head),
    );
    this.sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: agent.limits.frameBytes,
      ...CLOSE_OPTIONS,
    });
  }

  get port(): number {
    return (this.http.address() as AddressInfo | null)?.port ?? 0;
  }

  get url(): string {
    const { host, tls } = this.options;
    return `${tls === undefined ? "ws" : "wss"}://${bracketed(host)}:${this.port}`;
  }

  async start(): Promise<void> {
    const { host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.http.once("error", (cause) => {
        const why = `${bracketed(host)}:${port} cannot be listened on: ${cause.message}`;
        reject(new TransportError("TW_IO_CONNECT", why, {}, cause));
      });
      this.http.listen(port, host.replace(/^\[|\]$/g, ""), resolve);
    });
    this.http.removeAllListeners("error");
    this.http.on("error", (error) => this.log(`server: ${error.message}`));
  }

  close(graceMs?: number): Promise<void> {
    this.closing ??= this.closeNow(graceMs);
    return this.closing;
  }

  private async closeNow(graceMs?: number): Promise<void> {
    const ended = new Promise<void>((resolve) => this.http.close(() => resolve()));
    await this.agent.close(graceMs);
    // Those that never became WebSockets.
    this.http.closeAllConnections();
    await ended;
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => {});
    const address = socket.remoteAddress ?? "unknown";
    const refusal = this.refusal(request, address);
    if (refusal !== null) {
      this.log(`${address}: refused, ${refusal.why}`);
      return refuse(socket, refusal);
    }
    this.count(address, 1);
    socket.once("close", () => this.count(address, -1));
    const peer = `${address}:${socket.remotePort}`;
    this.sockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.agent.accept(new GuardedChannel(webSocket, socket, peer), address),
    );
  }

  private refusal(request: IncomingMessage, address: string): Refusal | null {
    const { host, allowOrigins = [], connectionsPerAddress } = this.options;
    const most = connectionsPerAddress ?? Math.ceil(this.agent.limits.connections / 2);
    const refused = refusalOf(request, { host, allowOrigins });
    if (refused !== null) return refused;
    if (this.gate.isBlocked(address)) return { status: 429, why: "too many wrong tokens" };
    if ((this.addresses.get(address) ?? 0) < most) return null;
    return { status: 503, why: `more than ${most} connections from one address` };
  }

  private count(address: string, change: number): void {
    const open = (this.addresses.get(address) ?? 0) + change;
    if (open === 0) this.addresses.delete(address);
    else this.addresses.set(address, open);
  }
}

/** @throws TransportError TW_IO_CONNECT when certificate and key are not usable */
function createHttp(tls: ServerOptions["tls"]): Server {
  const times = {
    requestTimeout: HEADERS_MS,
    headersTimeout: HEADERS_MS,
    connectionsCheckingInterval: HEADERS_MS / 5,
  };
  if (tls === undefined) return createHttpServer(times);
  try {
    return createHttpsServer({ ...tls, ...times, handshakeTimeout: HEADERS_MS });
  } catch (cause) {
    throw new TransportError(
      "TW_IO_CONNECT",
      `certificate and key cannot be used: ${(cause as Error).message}`,
      {},
      cause,
    );
  }
}

/** For people who open the address in a browser. */
function answerPlainly(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, {
    "content-type": "text/plain",
    upgrade: "websocket",
    connection: "upgrade, close",
  });
  response.end("This is a Tilewright agent; it speaks WebSocket: tilewright run --on ws://...\n");
}

function refuse(socket: Socket, { status, why }: Refusal): void {
  const body = `${why}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  // The peer may keep its half open for ever.
  socket.destroySoon();
}
