// What scales per channel cost: predicted time of models as converters write them, against the same network with one scale for each
// tensor of weights. Everything here is predicted (docs/cost-model.md); nothing was measured.
// Usage: npm run bench:per-channel [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import { ACCURACIES } from "../core-as/compile/options.ts";
import { compile, Core, readModel, writeModel, type Model, type Tensor } from "../core-as/index.ts";
import { corpusBytes, hasCorpus } from "../test/helpers/corpus.ts";
import { benchTargets, report } from "./harness.ts";

const MODELS = ["tf2_mobilenet_v2_1.0_224_ptq", "movenet_single_pose_lightning_ptq"];
/** Times that a balanced and an exact compilation may take as long. */
const LIMITS: Readonly<Record<string, number>> = { balanced: 1.35, exact: 2.5 };

/** The same network, its weights with one scale: the largest of the channels'. */
function perTensor(model: Model): Uint8Array {
  const weights = new Set(
    model.graph.ops
      .filter(({ kind }) => /CONV_2D|FULLY_CONNECTED/.test(kind))
      .flatMap(({ inputs }) => inputs.slice(1)),
  );
  const tensors = model.graph.tensors.map((tensor): Tensor => {
    if (!weights.has(tensor.id) || tensor.quant === null) return tensor;
    const scales = Float32Array.of(Math.max(...tensor.quant.scales));
    return { ...tensor, quant: { scales, zeroPoints: Int32Array.of(0), axis: 0 } };
  });
  return writeModel({ ...model, graph: { ...model.graph, tensors }, otherSubgraphs: [] });
}

async function bench(core: Core, name: string, target: string): Promise<void> {
  const bytes = corpusBytes("models", `${name}.tflite`);
  const plain = await compile(perTensor(readModel(bytes)), { core, target });
  const one = plain.report.totals;
  for (const accuracy of ACCURACIES) {
    const { report: found, timings } = await compile(bytes, { core, target, accuracy });
    const { totals, accuracies } = found;
    const ratio = totals.predictedMs! / one.predictedMs!;
    const limit = LIMITS[accuracy];
    report({
      bench: "per-channel",
      case: name,
      target,
      mode: `optimised, ${accuracy}`,
      evidence: "predicted",
      predictedMs: totals.predictedMs,
      perTensorMs: one.predictedMs,
      ratio,
      limit: limit ?? null,
      withinLimit: limit === undefined ? null : ratio <= limit ? 1 : 0,
      jobs: totals.jobs,
      perTensorJobs: one.jobs,
      layersPerChannel: accuracies.length,
      largestBoundSteps: Math.max(...accuracies.map(({ bound }) => bound)),
      leastWithinOne: Math.min(...accuracies.map(({ withinOne }) => withinOne)),
      npuMacShare: totals.npuMacShare,
      macsOnCpu: totals.macsOnCpu,
      compileMs: timings.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    });
  }
}

if (!hasCorpus) console.error("skipped: scales per channel (no shared corpus)");
else {
  const core = await Core.create();
  for (const target of benchTargets()) for (const name of MODELS) await bench(core, name, target);
}
