// The part of the report that describes jobs: everything is read back from descriptor and coefficient bytes.
// SPDX-License-Identifier: MIT
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import type { Graph } from "../ir/graph.ts";
import { blockTable, blockWords, fieldOf, fieldText, readFieldValue } from "./decode.ts";
import type { BlockTable } from "./gen/fields.ts";
import { wordAt } from "./words.ts";

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
  /** Kernels of an NN core over all superblocks. */
  kernelsPerCore: number;
  superblocks: number;
}

export interface NnReport {
  kernel: Size3;
  tile: { x: number; y: number };
  kernelsPerSuperblock: number;
  imageCache: string;
  kernelCache: string;
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
}

/** Reports all jobs of a partition. */
export function reportJobs(
  graph: Graph,
  partition: ExecutablePartition,
  index: number,
  coreVersion: number,
): JobReport[] {
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
      ...describe(partition, job, coreVersion),
    };
  });
}

function describe(
  partition: ExecutablePartition,
  job: ExecutableJob,
  version: number,
): Pick<JobReport, "input" | "output" | "nn"> {
  const bytes = partition.buffers[job.descriptors[0]!]?.contents ?? new Uint8Array(0);
  const block = blockTable(job.kind);
  const words = blockWords(block, bytes);
  const value = (name: string): number => readFieldValue(block, words, name, version);
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
      coefficients:
        contents === null || version !== COEFFICIENTS_V7
          ? null
          : readCoefficients(contents, kernel, output.z, kernelsPerSuperblock),
    },
  };
}

const text = (block: BlockTable, name: string, value: number): string =>
  fieldText(fieldOf(block, name), value);

/** The format whose header is read here (spec/coefficients-v7.md 1). */
const COEFFICIENTS_V7 = 7;
const HEADER_BYTES = 64;

/** A table of stream sizes, then one stream a core; each begins with zero-run width and kernel count. */
function readCoefficients(
  contents: Uint8Array,
  kernel: Size3,
  outputs: number,
  kernelsPerSuperblock: number,
): CoefficientReport {
  const coreBytes: number[] = [];
  for (let at = 0; at < HEADER_BYTES && wordAt(contents, at) !== 0; at += 4)
    coreBytes.push(wordAt(contents, at));
  const stream = blockTable("COEF_STREAM_V7");
  const words = blockWords(stream, contents.subarray(HEADER_BYTES));
  const head = (name: string): number => readFieldValue(stream, words, name, COEFFICIENTS_V7);
  const kernelsPerCore = head("KERNELS");
  const weights = kernel.x * kernel.y * kernel.z * outputs;
  const streamBytes = coreBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    bytes: contents.length,
    coreBytes,
    weights,
    bitsPerWeight: weights === 0 ? 0 : (streamBytes * 8) / weights,
    zrlBits: head("ZRL_BITS"),
    kernelsPerCore,
    superblocks: kernelsPerSuperblock === 0 ? 0 : Math.ceil(kernelsPerCore / kernelsPerSuperblock),
  };
}
