// Memory for tensors of whole models: what the plan takes, the least that any places could take in the order of jobs, and the
// least in any order of the same jobs. Named peers: the order of the operators, and a buffer of its own for every tensor.
// Usage: npm run bench:memory [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import {
  orderJobs,
  leastPeak,
  orderProblem,
  peakOf,
} from "../core-as/compile/optimised/job-order.ts";
import { planMemory } from "../core-as/compile/optimised/memory.ts";
import type { Lowered } from "../core-as/compile/jobs.ts";
import { Core } from "../core-as/index.ts";
import { compileCase } from "../test/helpers/compile-case.ts";
import { corpusBytes, hasCorpus } from "../test/helpers/corpus.ts";
import { benchTargets, report } from "./harness.ts";

const MODELS = [
  "mobilenet_v1_1.0_224_quant",
  "mobilenet_v1_0.25_128_quant",
  "mobilenet_v2_1.0_224_quant",
  "ssdlite_mobiledet_coco_qat_postprocess",
  "yolox",
  "deeplabv3_mnv2_dm05_pascal_quant",
  "movenet_single_pose_lightning_ptq",
];

const bytesOf = ({ buffers }: Lowered): number =>
  buffers.reduce((sum, { bytes }) => sum + bytes, 0);

function bench(core: Core, name: string, target: string): void {
  const model = corpusBytes("models", `${name}.tflite`);
  const { lowered } = compileCase(core, model, {
    mode: "optimised",
    target,
    memoryPlan: false,
    optimisations: { jobOrder: false },
  });
  for (const [partition, given] of lowered.entries()) {
    const start = performance.now();
    const ordered = orderJobs(given);
    const orderMs = performance.now() - start;
    const problem = orderProblem(ordered);
    report({
      bench: "memory",
      case: `${name}, partition ${partition}`,
      target,
      mode: "optimised",
      jobs: given.jobs.length,
      apartBytes: bytesOf(given),
      operatorOrderBytes: bytesOf(planMemory(given)),
      plannedBytes: bytesOf(planMemory(ordered)),
      leastOfThisOrderBytes: peakOf(
        problem,
        given.jobs.map((_, i) => i),
      ),
      leastOfAnyOrderBytes: leastPeak(problem),
      orderMs,
    });
  }
}

if (!hasCorpus) console.error("skipped: memory of models (no shared corpus)");
else {
  const core = await Core.create();
  for (const target of benchTargets()) for (const name of MODELS) bench(core, name, target);
}
