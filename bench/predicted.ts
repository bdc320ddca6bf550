// Predicted times of whole models: optimised against compatible mode, by the same figures, with 0, 10 and 20 microseconds a job.
// Named peer: the reference driver's own jobs (compatible mode writes its bytes), and published times where there are any.
// Usage: npm run bench:predicted [-- --json] [-- --target imx8mp] [-- --without]   (--without: each transformation left out)
// SPDX-License-Identifier: MIT
import { PUBLISHED, PUBLISHED_IMX8MP } from "../core-as/cost/calibration.ts";
import { ALL_OPTIMISATIONS, type Optimisations } from "../core-as/compile/options.ts";
import { compile, Core, type CompileReport } from "../core-as/index.ts";
import { systemOf } from "../core-as/hw/systems.ts";
import { corpusBytes, hasCorpus } from "../test/helpers/corpus.ts";
import { OVERHEADS } from "./cost-model-page.ts";
import { benchTargets, report } from "./harness.ts";

const MODELS = [
  "mobilenet_v1_1.0_224_quant",
  "ssdlite_mobiledet_coco_qat_postprocess",
  "mobilenet_v2_1.0_224_quant",
  "yolox",
];

/** Predicted time with another overhead. */
function msAt({ totals, system }: CompileReport, overheadUs: number): number {
  return totals.predictedMs! + (totals.jobs * (overheadUs - system.overheadUs)) / 1e3;
}

const range = (values: readonly number[], unit: string): string =>
  values.map((value) => `${value.toFixed(2)}${unit}`).join(" / ");

async function bench(core: Core, name: string, target: string): Promise<void> {
  const model = corpusBytes("models", `${name}.tflite`);
  const ours = (await compile(model, { core, target })).report;
  const options = { core, target, mode: "compatible", allowQuirks: true } as const;
  const reference = (await compile(model, options)).report;
  const times = target === "imx8mp" ? PUBLISHED_IMX8MP : target === "a311d" ? PUBLISHED : [];
  const published = times.find((time) => time.model === name && time.state === "image cache");
  report({
    bench: "predicted",
    case: name,
    target,
    mode: "optimised",
    evidence: "predicted",
    calibrationError: systemOf(target).error,
    predictedMs: ours.totals.predictedMs,
    referenceMs: reference.totals.predictedMs,
    referencePublishedMs: published?.milliseconds ?? null,
    speedup: reference.totals.predictedMs! / ours.totals.predictedMs!,
    predictedAt0_10_20us: range(
      OVERHEADS.map((us) => msAt(ours, us)),
      " ms",
    ),
    referenceAt0_10_20us: range(
      OVERHEADS.map((us) => msAt(reference, us)),
      " ms",
    ),
    speedupAt0_10_20us: range(
      OVERHEADS.map((us) => msAt(reference, us) / msAt(ours, us)),
      "x",
    ),
    coefficientBytes: ours.totals.coefficientBytes,
    coefficientRatio: ours.totals.coefficientBytes / reference.totals.coefficientBytes,
    dramBytes: ours.totals.dramBytes,
    dramRatio: ours.totals.dramBytes / reference.totals.dramBytes,
    peakTensorRatio: ours.totals.peakTensorBytes / reference.totals.peakTensorBytes,
    jobs: ours.totals.jobs,
    referenceJobs: reference.totals.jobs,
    operatorsOnNpu: ours.totals.operatorsOnNpu,
    referenceOperatorsOnNpu: reference.totals.operatorsOnNpu,
    ...(process.argv.includes("--without") ? await withoutEach(core, model, target) : {}),
  });
}

/** Predicted time with one transformation left out, for each. */
async function withoutEach(
  core: Core,
  model: Uint8Array,
  target: string,
): Promise<Record<string, number>> {
  const results: Record<string, number> = {};
  for (const name of Object.keys(ALL_OPTIMISATIONS) as (keyof Optimisations)[]) {
    const { report: other } = await compile(model, {
      core,
      target,
      optimisations: { [name]: false },
    });
    results[`without_${name}_Ms`] = other.totals.predictedMs!;
  }
  return results;
}

if (!hasCorpus) console.error("skipped: predicted times (no shared corpus)");
else {
  const core = await Core.create();
  for (const target of benchTargets()) for (const name of MODELS) await bench(core, name, target);
}
