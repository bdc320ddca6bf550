// The agent on a port: who may connect from where, encryption, tokens, and the sockets' own limits.
// SPDX-License-Identifier: MIT
import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { STATUS_CODES } from "node:http";
import { WebSocketServer } from "ws";
import { TransportError } from "../../core-as/errors.ts";
import type { Evidence, Transport } from "../../core-as/runtime/transport.ts";
import { Agent } from "../agent.ts";
import type { ExecutableCache } from "../agent/cache.ts";
import type { AgentLimits } from "../agent/limits.ts";
import { checkToken, TokenGate } from "./auth.ts";
import { refusalOf } from "./origin.ts";
import { CLOSE_MS, WsChannel } from "./ws-channel.ts";

export interface ServerOptions {
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
  /** Default: in memory. */
  cache?: ExecutableCache;
  limits?: Partial<AgentLimits>;
  /** Connections from one address at a time; default: half of limits.connections. */
  connectionsPerAddress?: number;
  /** What the board is called and what its results are worth; see AgentOptions. */
  device?: string;
  evidence?: Evidence;
  software?: string;
  concurrentRuns?: number;
  patienceMs?: number;
  log?: (line: string) => void;
}

export interface BoardServer {
  /** ws:// or wss:// with the address and port that it listens on. */
  readonly url: string;
  readonly port: number;
  readonly agent: Agent;
  /** Ends in order, as Agent.close; then frees the port. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

/** A request to upgrade has to be complete within this time. */
const HEADERS_MS = 5_000;

/**
 * Serves a transport on a port.
 * @throws UsageError TW_USAGE for an address that demands a token when there is none, or a short one
 * @throws TransportError TW_IO_CONNECT when the port cannot be opened
 */
export async function startServer(options: ServerOptions): Promise<BoardServer> {
  const { transport, host, port, token, tls } = options;
  const log = options.log ?? ((): void => {});
  checkToken(token, host);
  const gate = new TokenGate(token);
  const agent = new Agent(transport, {
    ...options,
    authenticate: (given, peer) => gate.check(given, peer),
  });
  const serverOptions = { requestTimeout: HEADERS_MS, headersTimeout: HEADERS_MS };
  const http: Server =
    tls === undefined
      ? createHttpServer(serverOptions)
      : createHttpsServer({ ...tls, ...serverOptions });
  http.maxConnections = agent.limits.connections + SPARE_CONNECTIONS;
  http.on("request", (_request, response) => {
    response.writeHead(426, {
      "content-type": "text/plain",
      upgrade: "websocket",
      connection: "close",
    });
    response.end(
      "This is a Tilewright agent. It speaks WebSocket: tilewright run --on <this address>\n",
    );
  });
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: agent.limits.frameBytes,
    ...({ closeTimeout: CLOSE_MS } as object),
  });
  const perAddress = options.connectionsPerAddress ?? Math.ceil(agent.limits.connections / 2);
  const addresses = new Map<string, number>();
  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", () => {});
    const address = request.socket.remoteAddress ?? "unknown";
    const open = addresses.get(address) ?? 0;
    const refusal =
      refusalOf(request, { host, allowOrigins: options.allowOrigins ?? [] }) ??
      (gate.isBlocked(address) ? { status: 429, why: "too many wrong tokens" } : null) ??
      (open >= perAddress ? { status: 503, why: "too many connections from this address" } : null);
    if (refusal !== null) {
      log(`${address}: refused, ${refusal.why}`);
      return refuse(socket, refusal);
    }
    addresses.set(address, open + 1);
    socket.once("close", () => {
      const left = addresses.get(address)! - 1;
      if (left === 0) addresses.delete(address);
      else addresses.set(address, left);
    });
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.setNoDelay(true);
      agent.accept(new WsChannel(webSocket, `${address}:${request.socket.remotePort}`), address);
    });
  });
  await listen(http, host, port);
  http.on("error", (error) => log(`server: ${error.message}`));
  const { port: actual } = http.address() as AddressInfo;
  const scheme = tls === undefined ? "ws" : "wss";
  let closing: Promise<void> | null = null;
  const close = async (graceMs?: number): Promise<void> => {
    const ended = new Promise<void>((resolve) => http.close(() => resolve()));
    await agent.close(graceMs);
    // Peers had their time to answer; what is left is dropped.
    const timer = setTimeout(() => http.closeAllConnections(), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  };
  return {
    url: `${scheme}://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${actual}`,
    port: actual,
    agent,
    close: (graceMs) => (closing ??= close(graceMs)),
  };
}

/** Sockets beside those of the agent: for telling a peer that it is one too many. */
const SPARE_CONNECTIONS = 16;

function refuse(socket: Socket, { status, why }: { status: number; why: string }): void {
  const body = `${why}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new TransportError(
          "TW_IO_CONNECT",
          `${host}:${port} cannot be listened on: ${cause.message}`,
          {},
          cause,
        ),
      ),
    );
    server.listen(port, host.replace(/^\[|\]$/g, ""), () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
