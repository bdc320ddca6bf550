// Starts processes under the mock kernel (test/mock-kernel/README.md): render nodes whose jobs the simulator runs.
// SPDX-License-Identifier: MIT
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chipByName, parseIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import { emptyControl, MockControl, type MockFault } from "../mock-kernel/control.ts";
import { needTool } from "./tools.ts";

export { MockControl, type MockFault } from "../mock-kernel/control.ts";

const SOURCES = resolve("test/mock-kernel");

/** A GPU of the same family; no entry of the table. */
const GPU_IDS = "7000:6214:70003:0:0";

export interface MockNode {
  /** renderD<number>; default 128. */
  number?: number;
  /** Cores in order: a chip's name, "gpu", or ids "model:revision:product:eco:customer". Default: a311d. */
  cores?: readonly string[];
  /** Name that VERSION gives; default etnaviv. */
  driver?: string;
  /** DRM version, default 1.4.0. */
  version?: string;
  /** Start of the GPU addresses, null: no softpin. Default 0xc00000. */
  softpin?: number | null;
  /** Performance monitor domains, default all of spec/uapi.md 2.4. */
  perfmon?: readonly string[];
  /** Opening fails with EACCES. */
  denied?: boolean;
}

export interface MockKernelOptions {
  /** "none": no /dev/dri; an empty list: an empty /dev/dri. Default: one node with an A311D. */
  nodes?: readonly MockNode[] | "none";
  /** VERSION's description. */
  desc?: string;
  /** Time until a hung job is given up; default 100 (the kernel: 500). */
  watchdogMs?: number;
  /** Bytes of buffers that one open file may have; default 1 GiB. */
  memoryBytes?: number;
  /** Fence number before the first one of every core. */
  fenceStart?: number;
  faults?: readonly MockFault[];
}

export interface MockKernel {
  /** Variables for a child process; LD_PRELOAD among them. */
  env: Record<string, string>;
  control: MockControl;
  stop(): void;
}

/** True when the mock kernel can be built here: Linux with a C compiler. */
const hasMockKernel = process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0;

/** Guard of a suite that needs the mock kernel (see needTool). */
export function needMockKernel(suiteName: string): boolean {
  return needTool(suiteName, "C compiler on Linux for the mock kernel", hasMockKernel);
}

/**
 * Compiles C sources into build/, once for each state of them.
 * @returns path of the result
 */
export function buildC(name: string, files: readonly string[], flags: readonly string[]): string {
  const headers = readdirSync(SOURCES).filter((file) => file.endsWith(".h"));
  const hash = createHash("sha256").update(flags.join(" "));
  for (const file of [...headers, ...files]) hash.update(readFileSync(join(SOURCES, file)));
  const directory = resolve("build/mock-kernel");
  const result = join(directory, `${hash.digest("hex").slice(0, 16)}-${name}`);
  if (existsSync(result)) return result;
  mkdirSync(directory, { recursive: true });
  // Renamed when it is whole: several processes may build at once.
  const unfinished = `${result}.${process.pid}`;
  const common = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"];
  const { status, stderr, error } = spawnSync(
    "cc",
    [...common, ...flags, "-o", unfinished, ...files, "-ldl"],
    { cwd: SOURCES, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${name} does not compile: ${error ?? stderr}`);
  renameSync(unfinished, result);
  return result;
}

/** Builds the library to preload; returns its path. */
export function buildMockKernel(): string {
  const files = readdirSync(SOURCES).filter((file) => file.endsWith(".c") && file !== "client.c");
  const flags = ["-shared", "-fPIC", "-pthread", "-Wno-nonnull-compare"];
  return buildC("mock-kernel.so", files.sort(), flags);
}

interface Executor {
  socket: string;
  kill(): void;
}

/** One for all mock kernels of this process; it ends with it. */
let executor: Promise<Executor> | undefined;

async function startExecutor(): Promise<Executor> {
  const directory = mkdtempSync(join(tmpdir(), "tw-executor-"));
  const socket = join(directory, "socket");
  const env = { ...process.env };
  delete env["LD_PRELOAD"];
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "test/mock-kernel/executor.ts", socket],
    { env, stdio: ["pipe", "pipe", "inherit"] },
  );
  const kill = (): void => {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", kill);
  const ended = once(child, "exit").then(() => {
    throw new Error("the mock kernel's executor ended before it was ready");
  });
  await Promise.race([once(createInterface(child.stdout), "line"), ended]);
  ended.catch(() => {});
  // Nobody waits for it; it ends when its standard input does.
  child.unref();
  for (const stream of [child.stdin, child.stdout])
    (stream as unknown as { unref(): void }).unref();
  return { socket, kill };
}

function idsOf(core: string): string {
  if (core === "gpu") return GPU_IDS;
  const ids: ChipIdentity | undefined = chipByName(core) ?? parseIdentity(core);
  if (ids === undefined) throw new Error(`${core} is neither a chip nor five ids`);
  const { model, revision, productId, ecoId, customerId } = ids;
  return [model, revision, productId, ecoId, customerId].map((id) => id.toString(16)).join(":");
}

function nodeText(node: MockNode): string {
  const { number = 128, cores = ["a311d"], softpin, perfmon } = node;
  const words = [String(number), ...cores.map((core) => `core=${idsOf(core)}`)];
  if (node.driver !== undefined) words.push(`driver=${node.driver}`);
  if (node.version !== undefined) words.push(`version=${node.version}`);
  if (softpin !== undefined) words.push(`softpin=${softpin?.toString(16) ?? "none"}`);
  if (perfmon !== undefined) words.push(`perfmon=${perfmon.join(",") || "none"}`);
  if (node.denied === true) words.push("denied");
  return words.join(" ");
}

function nodesText(nodes: MockKernelOptions["nodes"] = [{}]): string {
  if (nodes === "none") return "none";
  return nodes.length === 0 ? "empty" : nodes.map(nodeText).join(";");
}

/**
 * A mock kernel for child processes. Tests call `stop` at their end.
 * @throws Error when the library cannot be built; ask `needMockKernel` before
 */
export async function startMockKernel(options: MockKernelOptions = {}): Promise<MockKernel> {
  const library = buildMockKernel();
  executor ??= startExecutor();
  const { socket } = await executor;
  const directory = mkdtempSync(join(tmpdir(), "tw-mock-"));
  const path = join(directory, "control");
  const log = join(directory, "log");
  writeFileSync(path, emptyControl());
  const control = new MockControl(path, log);
  for (const fault of options.faults ?? []) control.inject(fault);
  const env: Record<string, string> = {
    LD_PRELOAD: library,
    TW_MOCK_NODES: nodesText(options.nodes),
    TW_MOCK_EXECUTOR: socket,
    TW_MOCK_CONTROL: path,
    TW_MOCK_LOG: log,
    TW_MOCK_WATCHDOG_MS: String(options.watchdogMs ?? 100),
  };
  if (options.desc !== undefined) env["TW_MOCK_DESC"] = options.desc;
  if (options.memoryBytes !== undefined) env["TW_MOCK_MEMORY"] = String(options.memoryBytes);
  if (options.fenceStart !== undefined) env["TW_MOCK_FENCE_START"] = String(options.fenceStart);
  const stop = (): void => rmSync(directory, { recursive: true, force: true });
  return { env, control, stop };
}
