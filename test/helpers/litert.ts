// LiteRT's WASM runtime as an independent witness: TFLite's kernels of today (XNNPACK), loaded in Node.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface LiteRtInput {
  bytes: Uint8Array;
  shape: number[];
  /** The runtime takes no others; default uint8. */
  type?: "uint8" | "int32" | "float32";
}

/** A model that is ready to run, for measurements. */
export interface LiteRtModel {
  /** Milliseconds of one inference, copying of inputs not included. */
  time(inputs: LiteRtInput[]): Promise<number>;
  release(): void;
}

export interface LiteRtRunner {
  prepare(model: Uint8Array): Promise<LiteRtModel>;
  /** Runs a model; bytes of each output in the model's order. */
  run(model: Uint8Array, inputs: LiteRtInput[]): Promise<Uint8Array[]>;
}

/** A copy in the runtime's terms, where the array says the type. */
function typedArray({ bytes, type }: LiteRtInput) {
  const { buffer } = Uint8Array.from(bytes);
  if (type === "int32") return new Int32Array(buffer);
  return type === "float32" ? new Float32Array(buffer) : new Uint8Array(buffer);
}

const globals = globalThis as unknown as Record<string, unknown>;

/** Stands in for a web worker's importScripts, with which the runtime loads its glue code. */
function importScript(url: string | URL): void {
  const text = String(url);
  const file = text.startsWith("file:") ? fileURLToPath(text) : text;
  const module = { exports: {} };
  const names = ["module", "exports", "require", "__filename", "__dirname"];
  const load = new Function(...names, readFileSync(file, "utf8"));
  load(module, module.exports, createRequire(file), file, dirname(file));
  globals["ModuleFactory"] = module.exports;
}

/** Runs `body` with a worker's globals and without the runtime's log, and puts everything back. */
async function asWorker<T>(body: () => Promise<T>): Promise<T> {
  const methods = ["log", "info", "warn", "error"] as const;
  const before = methods.map((name) => console[name]);
  const { self } = globals;
  for (const name of methods) console[name] = () => {};
  globals["self"] ??= globalThis;
  globals["importScripts"] = importScript;
  try {
    return await body();
  } finally {
    for (const [i, name] of methods.entries()) console[name] = before[i]!;
    delete globals["importScripts"];
    delete globals["ModuleFactory"];
    if (self === undefined) delete globals["self"];
  }
}

type LiteRt = LiteRtRunner | { reason: string };
let loading: Promise<LiteRt> | undefined;

/**
 * Loads LiteRT, which can be done once in a process.
 * @returns the reason where it does not load
 */
export function loadLiteRt(): Promise<LiteRt> {
  return (loading ??= load());
}

async function load(): Promise<LiteRt> {
  try {
    const litert = await import("@litertjs/core");
    const entry = fileURLToPath(import.meta.resolve("@litertjs/core"));
    const wasm = join(dirname(entry), "..", "wasm") + "/";
    await asWorker(() => litert.loadLiteRt(wasm, { threads: false }));
    return {
      prepare: (model) =>
        asWorker(async () => {
          const compiled = await litert.loadAndCompile(model, { accelerator: "wasm" });
          const time: LiteRtModel["time"] = async (inputs) => {
            const tensors = inputs.map(
              (input) => new litert.Tensor(typedArray(input), input.shape),
            );
            const start = performance.now();
            const outputs = await compiled.run(tensors);
            // Reading the results makes sure that they are computed.
            for (const output of outputs) output.toTypedArray();
            const milliseconds = performance.now() - start;
            for (const tensor of [...tensors, ...outputs]) tensor.delete();
            return milliseconds;
          };
          return { time, release: () => compiled.delete() };
        }),
      run: (model, inputs) =>
        asWorker(async () => {
          const compiled = await litert.loadAndCompile(model, { accelerator: "wasm" });
          const tensors = inputs.map((input) => new litert.Tensor(typedArray(input), input.shape));
          const outputs = await compiled.run(tensors);
          const results = outputs.map((output) => {
            const array = output.toTypedArray();
            return new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
          });
          for (const tensor of [...tensors, ...outputs]) tensor.delete();
          compiled.delete();
          return results;
        }),
    };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
