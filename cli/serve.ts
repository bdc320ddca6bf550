// tilewright serve: an NPU or a simulator for others, on a port or in a pool.
// SPDX-License-Identifier: MIT
import { hostname, networkInterfaces } from "node:os";
import { Option, type Command } from "commander";
import {
  chipByIdentity,
  NpuError,
  targetChip,
  TransportError,
  UsageError,
  type Evidence,
  type Transport,
} from "../core-as/index.ts";
import type { Agent } from "../transport-ws/agent.ts";
import type { ExecutableCache } from "../transport-ws/agent/cache.ts";
import { withDefaults, type AgentLimits } from "../transport-ws/agent/limits.ts";
import { isLoopback } from "../transport-ws/client/options.ts";
import type { BoardServer, ServerOptions } from "../transport-ws/server/index.ts";
import { readPair } from "./certificates.ts";
import { openPlace } from "./connect.ts";
import { fileError } from "./files.ts";
import {
  addPoolFlags,
  targetOption,
  tokenFileOption,
  wholeNumber,
  type PoolFlags,
} from "./flags.ts";
import { parsePool } from "./on.ts";
import { joinPoolAs } from "./pool.ts";
import { createServeLog, type ServeLog } from "./serve-log.ts";
import {
  DEFAULT_LISTEN,
  limitsHelp,
  listenText,
  parseDevice,
  parseLimit,
  parseListen,
  parseCacheSize,
  type ListenAddress,
  type ServedDevice,
} from "./serve-options.ts";
import { firstSignal } from "./signals.ts";
import { HOW_TO_MAKE_ONE, readToken } from "./token.ts";
import { VERSION } from "./version.ts";

interface ServeArguments extends PoolFlags {
  listen?: ListenAddress;
  device: ServedDevice;
  target: string;
  tokenFile?: string;
  tlsCert?: string;
  tlsKey?: string;
  allowOrigin?: string[];
  cache?: string;
  cacheSize: number;
  pool?: string;
  name?: string;
  limit?: Partial<AgentLimits>;
  overlap?: boolean;
  grace: number;
  quiet?: boolean;
  json?: boolean;
}

export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("let others run on this machine's NPU, or on a simulator, over the network")
    .option(
      "--listen <host:port>",
      `address to listen on; default: ${listenText(DEFAULT_LISTEN)}, nothing with --pool. Any but this machine's own needs --token-file`,
      parseListen,
    )
    .addOption(
      new Option("--device <device>", "sim, drm, /dev/dri/renderD128, or null")
        .argParser(parseDevice)
        .default({ kind: "sim" }, "sim"),
    )
    .addOption(targetOption("chip of --device sim and null"))
    .addOption(tokenFileOption("file with the token that clients must have"))
    .option("--tls-cert <file>", "certificate (PEM), for wss://")
    .option("--tls-key <file>", "its key (PEM)")
    .option(
      "--allow-origin <origin...>",
      'origins of pages that may connect, e.g. https://example.org; "*" = all',
    )
    .option("--cache <dir>", "keep uploaded executables there; default: in memory")
    .addOption(
      new Option("--cache-size <bytes>", "largest size of the cache")
        .argParser(parseCacheSize)
        .default(256 * 2 ** 20, "256MiB"),
    )
    .option("--pool <address>", "join this pool, nats://HOST:PORT/POOL", parsePool)
    .option("--name <name>", "name of this board in a pool; default: the machine's")
    .option("--limit <name=value...>", "change a limit; see below", parseLimit)
    .option(
      "--overlap",
      "also run executables whose NN and TP jobs overlap (experimental: the tags' meaning is inferred)",
    )
    .option(
      "--grace <seconds>",
      "time for runs that were taken when it ends",
      wholeNumber(0, 86_400),
      10,
    )
    .option("--quiet", "no line for each event")
    .option("--json", "one JSON object a line")
    .addHelpText("after", limitsHelp());
  addPoolFlags(command).action(runServe);
}

async function runServe(flags: ServeArguments): Promise<void> {
  const options = optionsOf(flags);
  const log = createServeLog(flags.json === true ? "json" : "text", flags.quiet === true);
  const overlap = flags.overlap === true;
  const device = { on: flags.device, overlap };
  const connection = await openPlace(flags.device, device, targetChip(flags.target));
  const { transport, place } = connection;
  const signals = firstSignal();
  const serving: Serving = { agent: null, server: null, leave: null };
  try {
    const board = {
      transport,
      device: place.kind === "drm" ? place.path! : place.kind,
      evidence: connection.evidence ?? "none",
      software: VERSION,
      limits: flags.limit ?? {},
      overlap,
      log: log.line,
      ...(flags.cache === undefined
        ? {}
        : { cache: await openCache(flags.cache, flags.cacheSize) }),
    };
    await start(serving, board, options, flags, log);
    await untilEnd(transport, signals.signal, log, flags.grace);
  } finally {
    await stop(serving, flags.grace * 1000);
    signals.forget();
    await connection.close();
  }
  log.state("ended", "ended", {});
}

interface Serving {
  agent: Agent | null;
  server: BoardServer | null;
  leave: (() => Promise<void>) | null;
}

type Network = Pick<ServerOptions, "token" | "tls" | "allowOrigins">;

/** Everything that can be wrong with the command line, before anything is opened. */
function optionsOf(flags: ServeArguments): Network {
  const { tlsCert, tlsKey, tokenFile, allowOrigin } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError("--tls-cert and --tls-key belong together", "tls-cert");
  for (const origin of allowOrigin ?? [])
    if (origin !== "*" && !(URL.canParse(origin) && new URL(origin).origin === origin))
      throw new UsageError(
        `--allow-origin ${JSON.stringify(origin)} is not like https://example.org or http://localhost:8080`,
        "allow-origin",
      );
  try {
    withDefaults(flags.limit);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, "limit") : error;
  }
  if (flags.cacheSize === 0)
    throw new UsageError("--cache-size 0 keeps nothing; leave --cache away", "cache-size");
  const address = flags.listen ?? (flags.pool === undefined ? DEFAULT_LISTEN : undefined);
  if (tokenFile === undefined && address !== undefined && !isLoopback(address.host))
    throw new UsageError(
      `--listen ${listenText(address)} lets other machines in and needs --token-file; ${HOW_TO_MAKE_ONE}`,
      "listen",
    );
  return {
    ...(tokenFile === undefined ? {} : { token: readToken(tokenFile) }),
    ...(tlsCert === undefined ? {} : { tls: readPair(tlsCert, tlsKey!) }),
    ...(allowOrigin === undefined ? {} : { allowOrigins: allowOrigin }),
  };
}

async function openCache(directory: string, maxBytes: number): Promise<ExecutableCache> {
  const { openDiskCache } = await import("../transport-ws/server/index.ts");
  try {
    return await openDiskCache(directory, { maxBytes });
  } catch (cause) {
    throw cause instanceof NpuError ? cause : fileError("cannot use the cache", directory, cause);
  }
}

async function start(
  serving: Serving,
  board: Omit<ServerOptions, "host" | "port"> & { evidence: Evidence; device: string },
  network: Network,
  flags: ServeArguments,
  log: ServeLog,
): Promise<void> {
  const address = flags.listen ?? (flags.pool === undefined ? DEFAULT_LISTEN : null);
  const { startServer } = await import("../transport-ws/server/index.ts");
  if (address !== null) {
    serving.server = await startServer({ ...board, ...network, ...address });
    serving.agent = serving.server.agent;
    logDevice(board, log);
    const urls = urlsOf(serving.server.url, address.host);
    const text = [...urls, ...howToConnect(urls[0]!, network, address)].join("\n");
    log.state("listening", text, { urls, token: network.token !== undefined });
  } else {
    const { Agent } = await import("../transport-ws/agent.ts");
    serving.agent = new Agent(board.transport, board);
    logDevice(board, log);
  }
  if (flags.pool === undefined) return;
  const name = flags.name ?? hostname().slice(0, 64);
  const member = await joinPoolAs(flags.pool, serving.agent, flags, { name, log: log.line });
  serving.leave = () => member.leave();
  log.state("joined", `in the pool ${flags.pool} as ${name}`, {
    pool: flags.pool,
  });
}

function logDevice(
  { transport, device, evidence }: { transport: Transport; device: string; evidence: Evidence },
  log: ServeLog,
): void {
  const { model, revision, productId, ecoId, customerId } = transport.chip;
  const ids = { model, revision, productId, ecoId, customerId };
  const name = chipByIdentity(ids)?.name ?? "an unknown chip";
  const details = { chip: name, ids, device, evidence };
  log.state("device", `${name} on ${device}, evidence: ${evidence}`, details);
}

function howToConnect(url: string, { token, tls }: Network, { host }: ListenAddress): string[] {
  const flag = token === undefined ? "" : " --token-file FILE";
  const line = `tilewright run --on ${url}${flag} MODEL --input FILE`;
  if (tls !== undefined || isLoopback(host)) return [line];
  return [
    line,
    "not encrypted: clients on other machines have to allow that with --allow-plaintext-token; --tls-cert and --tls-key make it wss://",
  ];
}

/** Returns when somebody asks to end. @throws TransportError TW_IO_DEVICE_LOST when the device goes away before */
async function untilEnd(
  transport: Transport,
  signal: Promise<string>,
  log: ServeLog,
  grace: number,
): Promise<void> {
  const lost = transport.disconnected.then(({ message }) => {
    throw new TransportError("TW_IO_DEVICE_LOST", `the device is gone: ${message}`);
  });
  const name = await Promise.race([signal, lost]);
  const text = `${name}: ending; runs that were taken have ${grace} s, the same again ends at once`;
  log.state("ending", text, { signal: name, graceSeconds: grace });
}

async function stop({ server, agent, leave }: Serving, graceMs: number): Promise<void> {
  // The pool first: it sends its runs elsewhere while those that were taken end.
  await leave?.();
  await (server ?? agent)?.close(graceMs);
}

/** Addresses for others: an agent that listens on all of the machine's is reached at each of them. */
function urlsOf(url: string, host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [url];
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, scopeid }) => family === "IPv4" || (host === "::" && !scopeid))
    .sort((a, b) => Number(a.internal) - Number(b.internal))
    .map(({ address }) => {
      const own = new URL(url);
      own.hostname = address.includes(":") ? `[${address}]` : address;
      return own.href.replace(/\/$/, "");
    });
  return found.length === 0 ? [url] : found;
}
