// tilewright boards: what runs models here, at an address, or in a pool.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import { NpuError, UsageError } from "../core-as/index.ts";
import type { BoardHealth } from "../transport-ws/pool/index.ts";
import { addAccessFlags, addJsonFlag, type AccessFlags } from "./flags.ts";
import { parseAddress, parsePool, type RemotePlace } from "./on.ts";
import { listPool } from "./pool.ts";
import { describeBoard, type BoardDescription } from "./remote.ts";
import { err, note, out, print, printJson, size, table } from "./terminal.ts";

interface BoardsArguments extends AccessFlags {
  pool?: string;
  json?: boolean;
}

export function addBoards(program: Command): void {
  const command = program
    .command("boards")
    .description("list NPUs: of this machine, at addresses, or in a pool")
    .argument(
      "[addresses...]",
      "ws://HOST:PORT or wss://HOST:PORT; default: this machine's devices",
    )
    .option(
      "--pool <address>",
      "every board of a pool, nats://HOST:PORT/POOL, and how it is",
      parsePool,
    );
  addJsonFlag(addAccessFlags(command)).action(runBoards);
}

async function runBoards(texts: string[], flags: BoardsArguments): Promise<void> {
  const places = texts.map(parseAddress);
  if (flags.pool !== undefined) places.push({ kind: "pool", url: flags.pool });
  const pools = places.filter(({ kind }) => kind === "pool");
  if (pools.length > 0) {
    if (places.length > 1)
      throw new UsageError("one pool, or boards, but not both at a time", "pool");
    return showPool(pools[0]!, flags);
  }
  return places.length > 0 ? showBoards(places, flags) : showDevices(flags);
}

/** The first failure is thrown at the end, so that the exit code tells. */
async function showBoards(places: readonly RemotePlace[], flags: BoardsArguments): Promise<void> {
  const results = await Promise.all(
    places.map(async (place) => {
      try {
        return { address: place.url, board: await describeBoard(place, flags), error: null };
      } catch (error) {
        if (!(error instanceof NpuError)) throw error;
        return { address: place.url, board: null, error };
      }
    }),
  );
  const failed = results.flatMap(({ error }) => error ?? []);
  if (flags.json)
    printJson(
      results.map(({ address, board, error }) => ({
        address,
        ...board,
        problem: error === null ? null : { code: error.code, message: error.message },
      })),
    );
  else {
    const found = results.flatMap(({ address, board }) =>
      board === null ? [] : { address, board },
    );
    if (found.length > 0) print(boardTable(found));
    for (const { address, error } of results)
      if (error !== null && failed.length > 1) note(`${address}: ${error.message} [${error.code}]`);
  }
  if (failed[0] !== undefined) throw failed[0];
}

function boardTable(boards: readonly { address: string; board: BoardDescription }[]): string {
  return table(
    [
      "address",
      "chip",
      "device",
      "evidence",
      "agent",
      "protocol",
      "runs",
      "frame",
      "executable",
      "ping",
    ],
    boards.map(({ address, board }) => [
      address,
      board.chip.name ?? "unknown",
      board.device,
      board.evidence,
      board.agentVersion,
      board.protocol,
      board.limits.runs,
      size(board.limits.frameBytes),
      size(board.limits.executableBytes),
      `${board.pingMs.toFixed(1)} ms`,
    ]),
    ["left", "left", "left", "left", "left", "right", "right", "right", "right", "right"],
  );
}

async function showPool(place: RemotePlace, flags: BoardsArguments): Promise<void> {
  const boards = await listPool(place.url, flags);
  if (flags.json) return printJson(boards);
  if (boards.length === 0)
    return print(
      `no board is in the pool ${place.url}; "tilewright serve --pool ${place.url}" adds one`,
    );
  print(
    table(
      [
        "board",
        "chip",
        "device",
        "evidence",
        "state",
        "clients",
        "waiting",
        "running",
        "done",
        "failed",
        "p50",
        "p99",
        "last error",
        "up",
        "version",
      ],
      boards.map((board) => [
        board.name,
        board.chipName ?? "unknown",
        board.device,
        board.evidence,
        board.state === "ready" ? out.green(board.state) : out.yellow(board.state),
        `${board.connections}/${board.maxConnections}`,
        board.queued,
        board.running,
        board.completed,
        board.failed,
        latency(board.latencyMs?.p50),
        latency(board.latencyMs?.p99),
        board.lastError === null
          ? ""
          : `${board.lastError.code}, ${duration(board.lastError.msAgo)} ago`,
        duration(board.uptimeMs),
        board.version,
      ]),
      [
        "left",
        "left",
        "left",
        "left",
        "left",
        "right",
        "right",
        "right",
        "right",
        "right",
        "right",
        "right",
        "left",
        "right",
      ],
    ),
  );
  return print(out.dim(poolSummary(boards)));
}

const latency = (ms: number | undefined): string => (ms === undefined ? "" : `${ms.toFixed(1)} ms`);

function poolSummary(boards: readonly BoardHealth[]): string {
  const ready = boards.filter(({ state }) => state === "ready").length;
  return `${boards.length} ${boards.length === 1 ? "board" : "boards"}, ${ready} ready; times from acceptance to answer on the board`;
}

/** "12 s", "3 min", "5 h", "2 d". */
function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}

async function showDevices({ json }: BoardsArguments): Promise<void> {
  const { listDevices, openDrm } = await import("../transport-node/index.ts");
  const devices = await listDevices();
  if (json)
    return printJson(
      devices.map(({ chip, problem, ...device }) => ({
        ...device,
        chip: chip?.name ?? null,
        problem: problem === null ? null : { code: problem.code, message: problem.message },
      })),
    );
  if (devices.length === 0) {
    print("no NPU on this machine");
    // Opening one says why: no driver, no permission, …
    const why = await openDrm().then(
      (drm) => drm.close(),
      (error: unknown) => error,
    );
    if (why instanceof NpuError) note(`${why.message} ${err.dim(`[${why.code}]`)}`);
    return undefined;
  }
  print(
    table(
      ["device", "core", "chip", "driver", "use"],
      devices.map(({ path, core, chip, driver, problem }) => [
        path,
        core,
        chip?.name ?? "",
        `${driver.desc} ${driver.version}`,
        problem === null ? out.green(`--on drm:${path}`) : out.yellow(problem.code),
      ]),
      ["left", "right"],
    ),
  );
  for (const { problem } of devices)
    if (problem !== null) note(`${problem.message} ${err.dim(`[${problem.code}]`)}`);
  return undefined;
}
