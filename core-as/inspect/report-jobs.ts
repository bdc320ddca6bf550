// The part of the report that describes jobs: everything is read back from descriptor and coefficient bytes.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import type { Chip } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";
import { readCoefficientHeader } from "./coefficients.ts";
import { blockTable, fieldOf, fieldReader, fieldText } from "./decode.ts";
import { experimentsOfJob } from "./experimental.ts";
import type { JobPrediction } from "./report-cost.ts";

/** Columns, rows, planes. */
export interface Size3 {
  x: number;
  y: number;
  z: number;
}

/** The coefficient streams of an NN job. */
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
  /** Passes over the input, each with a group of kernels. */
  superblocks: number;
}

/** What only NN jobs have. */
export interface NnReport {
  /** Size of a kernel. */
  kernel: Size3;
  /** Size of a tile of the output. */
  tile: { x: number; y: number };
  /** Kernels of an NN core in one pass over the input. */
  kernelsPerSuperblock: number;
  /** Caching mode of the input image in on-chip SRAM. */
  imageCache: string;
  /** Caching mode of the coefficients in on-chip SRAM. */
  kernelCache: string;
  /** Bytes of on-chip memory that each cache has; 0 when it is off. */
  imageCacheBytes: number;
  /** On-chip memory of the kernel cache in bytes; 0 when it is off. */
  kernelCacheBytes: number;
  /** The coefficient streams. */
  coefficients: CoefficientReport | null;
}

/** One job as its bytes say. */
export interface JobReport {
  /** Index of the partition. */
  partition: number;
  /** Index of the job in its partition. */
  job: number;
  /** NN or TP. */
  kind: "NN" | "TP";
  /** What the job does, e.g. "conv", "transpose". */
  op: string;
  /** TFLite operator, its name and the name of its first output. */
  sourceOp: number;
  /** Name of the TFLite operator it belongs to. */
  sourceName: string;
  /** Name of that operator's first output. */
  sourceTensor: string;
  /** Size of the input image. */
  input: Size3;
  /** NN: what is written. TP: null, its loops write rows of any shape. */
  output: Size3 | null;
  /** Descriptors = TP cores that take part; 1 for NN jobs. */
  descriptors: number;
  /** What only NN jobs have; null for TP jobs. */
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
  const descriptor = partition.buffers[job.descriptors[0]!]?.contents;
  const value = fieldReader(job.kind, descriptor, cores.nnCoreVersion);
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
      imageCache: modeText("IMAGE_CACHING_MODE", value),
      kernelCache: modeText("KERNEL_CACHING_MODE", value),
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

const modeText = (name: string, value: (name: string) => number): string =>
  fieldText(fieldOf(blockTable("NN"), name), value(name));

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
