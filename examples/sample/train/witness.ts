// An independent witness: LiteRT's own TFLite runtime (npm package @litertjs/core), run in Node.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Witness {
  /** Runs the model on one input; returns its first output. */
  run(input: Uint8Array, shape: number[]): Promise<Uint8Array>;
  close(): void;
}

/**
 * LiteRT with a model loaded.
 * @param model bytes of a .tflite file
 */
export async function openWitness(model: Uint8Array): Promise<Witness> {
  const restore = pretendWorker();
  try {
    const litert = await import("@litertjs/core");
    const entry = fileURLToPath(import.meta.resolve("@litertjs/core"));
    await litert.loadLiteRt(join(dirname(entry), "..", "wasm") + "/");
    const compiled = await litert.loadAndCompile(model, { accelerator: "wasm" });
    return {
      async run(input, shape) {
        const tensor = new litert.Tensor(Uint8Array.from(input), shape);
        const outputs = await compiled.run(tensor);
        const result = Uint8Array.from(outputs[0]!.toTypedArray() as Uint8Array);
        for (const output of outputs) output.delete();
        tensor.delete();
        return result;
      },
      close() {
        compiled.delete();
        litert.unloadLiteRt();
      },
    };
  } finally {
    restore();
  }
}

/**
 * The package loads its WASM glue as a page or a worker does. Node has neither, so it gets the two globals of a worker
 * while the package loads.
 */
function pretendWorker(): () => void {
  const globals = globalThis as Record<string, unknown>;
  const before = { self: globals["self"], importScripts: globals["importScripts"] };
  globals["self"] ??= globalThis;
  globals["importScripts"] = (url: unknown) => {
    const file = String(url).startsWith("file:") ? fileURLToPath(String(url)) : String(url);
    const module = { exports: {} };
    const glue = new Function(
      "module",
      "exports",
      "require",
      "__filename",
      "__dirname",
      readFileSync(file, "utf8"),
    );
    glue(module, module.exports, createRequire(file), file, dirname(file));
    globals["ModuleFactory"] = module.exports;
  };
  return () => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete globals[name];
      else globals[name] = value;
  };
}
