// Time to compile a model, in both modes, and to load a kept result instead: in fresh processes, from the model's bytes to an
// executable that is ready, after the core is instantiated.
// Named peer: the reference driver, native C -O2 on a machine of this kind, 520 to 690 ms for MobileNetV1 and 2000 to 2800 ms for
// MobileDet: quoted, not measured here, so the ratios are rough ones.
// Usage: npm run bench:compile [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, Core } from "../core-as/index.ts";
import { createDirectoryCache } from "../transport-node/index.ts";
import { benchCases, benchTarget, median, MOBILEDET, MOBILENET_V1, report } from "./harness.ts";

const RUNS = 9;
const STARTS = 5;
const TARGET = benchTarget();
const PEER = "reference driver, native C -O2 on a machine of this kind, quoted not measured";
/** Middles of the quoted ranges. */
const QUOTED_PEER_MS: Readonly<Record<string, number>> = { [MOBILENET_V1]: 605, [MOBILEDET]: 2400 };
const STARTER = fileURLToPath(new URL("cached-start.ts", import.meta.url));

interface Start {
  cached: boolean;
  milliseconds: number;
}

/** A new process loads what is kept. */
function startAgain(file: string, directory: string, mode: string): Start {
  const args = ["--import", "tsx", STARTER, file, directory, TARGET, mode];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Start;
}

const folder = mkdtempSync(join(tmpdir(), "tilewright-bench-"));
try {
  for (const { name, model } of benchCases([MOBILENET_V1, MOBILEDET]))
    for (const mode of ["compatible", "optimised"] as const) {
      const start = performance.now();
      const core = await Core.create();
      const instantiateMs = performance.now() - start;
      const options = { target: TARGET, mode, core, allowQuirks: mode === "compatible" };
      const times: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const before = performance.now();
        await compile(model, options);
        times.push(performance.now() - before);
      }
      const compileMs = median(times);

      const file = join(folder, "model.tflite");
      const directory = join(folder, "results");
      writeFileSync(file, model);
      await compile(model, { ...options, cache: createDirectoryCache(directory) });
      const starts = Array.from({ length: STARTS }, () => startAgain(file, directory, mode));
      if (starts.some(({ cached }) => !cached)) throw new Error(`${name} was not found again`);
      const cachedStartMs = median(starts.map(({ milliseconds }) => milliseconds));

      const peerMs = (TARGET === "a311d" ? QUOTED_PEER_MS[name] : undefined) ?? null;
      report({
        bench: "compile",
        case: name,
        target: TARGET,
        mode,
        instantiateMs,
        firstMs: times[0]!,
        compileMs,
        bestMs: Math.min(...times),
        runs: RUNS,
        cachedStartMs,
        cachedStarts: STARTS,
        cachedRatio: cachedStartMs / compileMs,
        memoryBytes: core.memoryBytes,
        peerMs,
        peer: peerMs && PEER,
        ratio: peerMs && compileMs / peerMs,
      });
    }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
