// Time to compile a model, in both modes.
// Named peer: the reference driver, native C -O2 on a machine of this kind, 520 to 690 ms for MobileNetV1: quoted, not measured
// here, so the ratio is a rough one.
// Usage: npm run bench:compile [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import { compile, Core } from "../core-as/index.ts";
import { benchCases, benchTarget, median, report } from "./harness.ts";

const RUNS = 9;
const TARGET = benchTarget();
const PEER =
  "reference driver, native C -O2 on a machine of this kind, 520-690 ms, quoted not measured";
/** Middle of the quoted range, for MobileNetV1 only. */
const QUOTED_PEER_MS = 605;

for (const { name, model } of benchCases())
  for (const mode of ["compatible", "optimised"] as const) {
    const start = performance.now();
    const core = await Core.create();
    const instantiateMs = performance.now() - start;
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const before = performance.now();
      await compile(model, { target: TARGET, mode, core });
      times.push(performance.now() - before);
    }
    const compileMs = median(times);
    const hasPeer = TARGET === "a311d" && name.startsWith("mobilenet_v1_1.0_224");
    report({
      bench: "compile",
      case: name,
      target: TARGET,
      mode,
      instantiateMs,
      firstMs: times[0]!,
      compileMs,
      runs: RUNS,
      memoryBytes: core.memoryBytes,
      peerMs: hasPeer ? QUOTED_PEER_MS : null,
      peer: hasPeer ? PEER : null,
      ratio: hasPeer ? compileMs / QUOTED_PEER_MS : null,
    });
  }
