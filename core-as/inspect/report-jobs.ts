// The part of the report that describes jobs: everything is read back from descriptor and coefficient bytes.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import type { Chip } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";
import { readCoefficientHeader } from "./coefficients.ts";
import { blockTable, blockWords, fieldOf, fieldText, readFieldValue } from "./decode.ts";
import type { BlockTable } from "./gen/fields.ts";
import { experimentsOfJob } from "./experimental.ts";
import type { JobPrediction } from "./report-cost.ts";

/** Columns, rows, planes. */
export interface Size3 {
  x: number;
  y: number;
  z: number;
}

export interface CoefficientReport {
  /** Bytes of the buffer, header included. */
  bytes: number;
  /** Bytes of each NN core's stream. */
  coreBytes: number[];
  /** Weights that the streams stand for. */
  weights: number;
  /** Bits of the streams for each weight, biases and output offsets included. */
  bitsPerWeight: number;
  /** Width of a zero-run length; 0 = weights are not compressed. */
  zrlBits: number;
  /** Most kernels of an NN core over all superblocks. */
  kernelsPerCore: number;
  superblocks: number;
}

export interface NnReport {
  kernel: Size3;
  tile: { x: number; y: number };
  kernelsPerSuperblock: number;
  imageCache: string;
  kernelCache: string;
  /** Bytes of on-chip memory that each cache has; 0 when it is off. */
  imageCacheBytes: number;
  kernelCacheBytes: number;
  coefficients: CoefficientReport | null;
}

export interface JobReport {
  partition: number;
  job: number;
  kind: "NN" | "TP";
  op: string;
  /** TFLite operator, its name and the name of its first output. */
  sourceOp: number;
  sourceName: string;
  sourceTensor: string;
  input: Size3;
  /** NN: what is written. TP: null, its loops write rows of any shape. */
  output: Size3 | null;
  /** Descriptors = TP cores that take part; 1 for NN jobs. */
  descriptors: number;
  nn: NnReport | null;
  /** Mechanisms that no capture of any driver shows, e.g. "image cache"; [] = none. */
  experimental: string[];
  /** Null for a chip that is not known. */
  prediction: JobPrediction | null;
  /** Milliseconds and evidence from a transport's profile; null without one. */
  observed: { ms: number; evidence: string } | null;
}

/** What the formats depend on. */
type Cores = Pick<Chip, "nnCoreVersion" | "nnCores">;

/** Reports all jobs of a partition. */
export function reportJobs(
  graph: Graph,
  partition: ExecutablePartition,
  index: number,
  cores: Cores,
): Omit<JobReport, "prediction" | "observed">[] {
  return partition.jobs.map((job, number) => {
    const op = graph.ops[job.sourceOp];
    const source = op?.outputs[0];
    return {
      partition: index,
      job: number,
      kind: job.kind,
      op: job.op,
      sourceOp: job.sourceOp,
      sourceName: op?.customName ?? op?.kind ?? "?",
      sourceTensor: source === undefined ? "?" : (graph.tensors[source]?.name ?? "?"),
      descriptors: job.descriptors.length,
      ...describe(partition, job, cores),
      experimental: experimentsOfJob(partition, job, cores),
    };
  });
}

function describe(
  partition: ExecutablePartition,
  job: ExecutableJob,
  cores: Cores,
): Pick<JobReport, "input" | "output" | "nn"> {
  const bytes = partition.buffers[job.descriptors[0]!]?.contents ?? new Uint8Array(0);
  const block = blockTable(job.kind);
  const words = blockWords(block, bytes);
  const value = (name: string): number => readFieldValue(block, words, name, cores.nnCoreVersion);
  const size = (x: string, y: string, z: string): Size3 => ({
    x: value(x),
    y: value(y),
    z: value(z),
  });
  if (job.kind === "TP")
    return { input: size("IN_X_SIZE", "IN_Y_SIZE", "IN_Z_SIZE"), output: null, nn: null };
  const kernel = size("KERNEL_X_SIZE", "KERNEL_Y_SIZE", "KERNEL_Z_SIZE");
  const output = size("OUT_X_SIZE", "OUT_Y_SIZE", "OUT_Z_SIZE");
  const kernelsPerSuperblock = value("KERNELS_PER_CORE");
  // A depthwise kernel has one plane, whatever the descriptor says about the input.
  const planes = value("DEPTHWISE") === 1 ? 1 : kernel.z;
  const weights = kernel.x * kernel.y * planes * output.z;
  const contents =
    job.coefficients === null ? null : (partition.buffers[job.coefficients]?.contents ?? null);
  return {
    input: { x: value("IN_X_SIZE"), y: value("IN_Y_SIZE"), z: kernel.z },
    output,
    nn: {
      kernel,
      tile: { x: value("TILE_X_SIZE"), y: value("TILE_Y_SIZE") },
      kernelsPerSuperblock,
      imageCache: text(block, "IMAGE_CACHING_MODE", value("IMAGE_CACHING_MODE")),
      kernelCache: text(block, "KERNEL_CACHING_MODE", value("KERNEL_CACHING_MODE")),
      imageCacheBytes: cacheBytes(value, "IMAGE"),
      kernelCacheBytes: cacheBytes(value, "KERNEL"),
      coefficients:
        contents === null
          ? null
          : reportCoefficients(contents, cores, weights, output.z, kernelsPerSuperblock),
    },
  };
}

const cacheBytes = (value: (name: string) => number, which: "IMAGE" | "KERNEL"): number =>
  value(`${which}_CACHING_MODE`) === 0
    ? 0
    : Math.max(value(`${which}_CACHE_END`) - value(`${which}_CACHE_START`), 0);

const text = (block: BlockTable, name: string, value: number): string =>
  fieldText(fieldOf(block, name), value);

/** Sizes and compression of a coefficient buffer; null when its format is not known. */
function reportCoefficients(
  contents: Uint8Array,
  cores: Cores,
  weights: number,
  outputs: number,
  kernelsPerSuperblock: number,
): CoefficientReport | null {
  const header = readCoefficientHeader(contents, cores.nnCoreVersion, cores.nnCores);
  if (header === null) return null;
  const { coreBytes, zrlBits } = header;
  const streamBytes = coreBytes.reduce((sum, bytes) => sum + bytes, 0);
  const kernelsPerCore = coreBytes.length === 0 ? 0 : Math.ceil(outputs / coreBytes.length);
  return {
    bytes: contents.length,
    coreBytes,
    weights,
    bitsPerWeight: weights === 0 ? 0 : (streamBytes * 8) / weights,
    zrlBits,
    kernelsPerCore,
    superblocks: kernelsPerSuperblock === 0 ? 0 : Math.ceil(kernelsPerCore / kernelsPerSuperblock),
  };
}
