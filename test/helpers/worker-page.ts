// A page that compiles in a worker, for the browser's tests: what they call hangs on `window.preview`.
// SPDX-License-Identifier: MIT
import { NpuError, ModelFormatError } from "../../core-as/errors.ts";
import type { CompileCache } from "../../core-as/compile/cache.ts";
import { createCacheStorageCache, proxy, wrapCompiler } from "../../core-as/worker/index.ts";

const compiler = wrapCompiler(new Worker("/worker.js", { type: "module" }));

async function bytesOf(path: string, length?: number): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer()).slice(0, length);
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as BufferSource);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Longest time between two of the page's timers meanwhile. */
async function longestGap<T>(work: () => Promise<T>): Promise<{ value: T; gapMs: number }> {
  let gapMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    gapMs = Math.max(gapMs, performance.now() - last);
    last = performance.now();
  }, 4);
  try {
    return { value: await work(), gapMs };
  } finally {
    clearInterval(timer);
  }
}

/** Compiles; resolves with what the test compares. */
async function compileHere(path: string, target: string) {
  const model = await bytesOf(path);
  const progress: [stage: string, done: number][] = [];
  const onProgress = proxy((stage: string, done: number) => void progress.push([stage, done]));
  const { value, gapMs } = await longestGap(() => compiler.compile(model, { target }, onProgress));
  const { executable, report, timings, cached } = value;
  const sha256 = await digestOf(executable);
  return { sha256, jobs: report.totals.jobs, timings, cached, progress, gapMs };
}

/** Compiles and cancels at the second report of a stage. */
async function cancelHere(path: string, stage: string) {
  const model = await bytesOf(path);
  let reports = 0;
  let asked = 0;
  const onProgress = proxy((now: string) => {
    if (now !== stage || ++reports !== 2) return;
    asked = performance.now();
    void compiler.cancel();
  });
  try {
    await compiler.compile(model, {}, onProgress);
  } catch (error) {
    return { code: (error as NpuError).code, waitedMs: performance.now() - asked };
  }
  throw new Error("was not cancelled");
}

/** Compiles the beginning of a file. */
async function failHere(path: string, length: number) {
  try {
    await compiler.compile(await bytesOf(path, length), {});
  } catch (error) {
    const { code, message, where } = error as NpuError;
    return { code, message, where, isModelError: error instanceof ModelFormatError };
  }
  throw new Error("compiled");
}

async function simulateHere(path: string, input: number[]) {
  let threads = 0;
  const channel = new BroadcastChannel("threads");
  channel.onmessage = () => void threads++;
  const { executable } = await compiler.compile(await bytesOf(path), {});
  const { outputs, evidence } = await compiler.simulate(executable, [Uint8Array.from(input)]);
  channel.close();
  const isolated = crossOriginIsolated;
  return { outputs: outputs.map((output) => [...output]), evidence, isolated, threads };
}

/** Which of some uses of a bounded cache find what they ask for. */
async function boundedHere(maxBytes: number, uses: [use: "get" | "put", digit: string][]) {
  const cache = createCacheStorageCache("bounded", { maxBytes }) as CompileCache;
  const found: (number | null)[] = [];
  for (const [use, digit] of uses) {
    const key = digit.repeat(64);
    if (use === "put") await cache.put(key, new Uint8Array(100).fill(Number(digit)));
    else found.push((await cache.get(key))?.[99] ?? null);
  }
  return found;
}

/** Damages every kept result in one byte; returns their number. */
async function damageHere(name: string) {
  const storage = await caches.open(name);
  const requests = await storage.keys();
  for (const request of requests) {
    const bytes = new Uint8Array(await (await storage.match(request))!.arrayBuffer());
    bytes[bytes.length >> 1]! ^= 1;
    await storage.put(request, new Response(bytes));
  }
  return requests.length;
}

const preview = { compileHere, cancelHere, failHere, simulateHere, boundedHere, damageHere };
Object.assign(globalThis, { preview });

export type Preview = typeof preview;
