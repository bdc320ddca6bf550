// Coefficient bytes of MobileNetV1 by layer on core version 7: the reference's, ours, and what no stream of this format can be below.
// SPDX-License-Identifier: MIT
import { MOBILENET_V1 } from "../core-as/cost/calibration.ts";
import {
  layerOf,
  weightAt,
  weightsOf,
  type Layer,
} from "../core-as/compile/optimised/search/channel-values.ts";
import { withoutConstantChannels } from "../core-as/compile/optimised/search/constant-channels.ts";
import { compile, type CompileOptions, type Core } from "../core-as/index.ts";
import { readModel } from "../core-as/model/read.ts";
import { corpusBytes } from "../test/helpers/corpus.ts";

/** Bytes of one operator's coefficients. */
export interface CoefficientRow {
  op: number;
  kind: string;
  kernels: number;
  weights: number;
  /** Weights that are their zero point, 0..1. */
  zeros: number;
  compatible: number;
  optimised: number;
  jobs: number;
  bound: number;
}

/**
 * Bytes below which no stream of version 7 codes a layer, however kernels, channels and jobs are arranged: a weight that is not the zero
 * point takes eight bits, nine with the narrowest zero runs, and every kernel a bias and an offset. Planes of other channels, headers and
 * rounding up count nothing here.
 */
function boundOf(layer: Layer): Pick<CoefficientRow, "kernels" | "weights" | "zeros" | "bound"> {
  const weights = weightsOf(layer);
  const kernels = layer.output.shape[3]!;
  const planes = layer.depthwise ? 1 : layer.image.shape[3]!;
  const size = weights.taps * planes;
  let [bits, literals] = [0, 0];
  for (let kernel = 0; kernel < kernels; kernel++) {
    let own = 0;
    for (let z = 0; z < planes; z++)
      for (let tap = 0; tap < weights.taps; tap++)
        if (weightAt(weights, kernel, tap, z) !== 0) own++;
    literals += own;
    bits += 64 + Math.min(8 * size, 9 * own);
  }
  const total = kernels * size;
  return { kernels, weights: total, zeros: 1 - literals / total, bound: Math.ceil(bits / 8) };
}

/** Bytes and jobs of every operator in a compilation. */
async function bytesOf(
  model: Uint8Array,
  options: CompileOptions,
): Promise<Map<number, { bytes: number; jobs: number }>> {
  const { report } = await compile(model, { target: "a311d", ...options });
  const found = new Map<number, { bytes: number; jobs: number }>();
  for (const { sourceOp, nn } of report.jobs) {
    const before = found.get(sourceOp) ?? { bytes: 0, jobs: 0 };
    if (nn?.coefficients)
      found.set(sourceOp, { bytes: before.bytes + nn.coefficients.bytes, jobs: before.jobs + 1 });
  }
  return found;
}

/** All operators of MobileNetV1 with coefficients; needs the corpus. */
export async function coefficientRows(core: Core): Promise<CoefficientRow[]> {
  const model = corpusBytes("models", `${MOBILENET_V1}.tflite`);
  const compatible = await bytesOf(model, { core, mode: "compatible", allowQuirks: true });
  const optimised = await bytesOf(model, { core });
  const { graph } = readModel(model);
  // Channels that need not be computed have no weights to store.
  const simplified = withoutConstantChannels(graph, graph.ops);
  return graph.ops.flatMap((op): CoefficientRow[] => {
    const ours = optimised.get(op.id);
    if (ours === undefined) return [];
    const layer = layerOf(simplified, op);
    const bound = layer ? boundOf(layer) : { kernels: 1, weights: 0, zeros: 0, bound: 0 };
    const kind = op.kind
      .replace("DEPTHWISE_CONV_2D", "depthwise")
      .replace("CONV_2D", "convolution")
      .toLowerCase();
    return [
      {
        op: op.id,
        kind,
        ...bound,
        compatible: compatible.get(op.id)?.bytes ?? 0,
        optimised: ours.bytes,
        jobs: ours.jobs,
      },
    ];
  });
}
