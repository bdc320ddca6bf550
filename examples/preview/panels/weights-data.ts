// What the weights panel shows: a kernel's weights, and the bits of the core's stream that they come from.
// SPDX-License-Identifier: MIT
import {
  annotateCoefficients,
  coefficientFieldsOf,
  UsageError,
  type AnnotatedCoefficients,
  type CoefficientFields,
  type CoreStream,
  type ExecutablePartition,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";
import { fieldsOfJob, type JobArgs } from "./job-fields.ts";
import { findInModel, type ModelKernel } from "./model-kernel.ts";
import { spanView, type SpanView } from "./span-text.ts";

export interface KernelArgs extends JobArgs {
  core: number;
  /** Kernel of the core, over all superblocks. */
  kernel: number;
}

export interface WeightsData extends JobArgs {
  fields: CoefficientFields;
  /** Kernels of each core that takes part. */
  kernelsOfCores: number[];
  core: number;
  kernel: number;
  /** Output channel; null for a kernel that belongs to none. */
  channel: number | null;
  superblock: number;
  bias: number;
  /** weight - zero point of each tap, (z * kernelY + y) * kernelX + x. */
  weights: Int16Array;
  planes: number;
  /** Span of this kernel (index among its own) that completes each tap. */
  spanOfTap: Uint32Array;
  figures: WeightFigures;
  /** The same kernel in the model file; null where the model is not held or the kernel is not in it as it is. */
  inModel: ModelKernel | null;
  hasModel: boolean;
  runBits: number;
  symbolMap: number[] | null;
}

export interface WeightFigures {
  /** Weights of the kernel, and how many of them are the zero point. */
  weights: number;
  zeros: number;
  /** Weights of the kernel as bytes, in bits. */
  rawBits: number;
  /** Bits that yield this kernel's weights; of a run that other kernels share, its part. */
  weightBits: number;
  /** Bits of its bias and offset words. */
  wordBits: number;
  /** Bits of the core's stream without padding, and its weights. */
  coreBits: number;
  coreWeights: number;
  /** Of the whole job, as the report counts: bits of all streams for each weight. */
  jobBitsPerWeight: number | null;
}

/** One core's annotated stream, and the kernel that was looked at last. */
interface Kept {
  key: string;
  annotated: AnnotatedCoefficients;
  stream: CoreStream;
  fields: CoefficientFields;
  kernel: number;
  /** Spans of that kernel. */
  own: number[];
}

/** A stream is asked for page by page: the last one of each partition is kept. */
const kept = new WeakMap<ExecutablePartition, Kept>();

function keptOf(held: Held, args: KernelArgs): Kept {
  const { executable } = held;
  const { partition, job } = fieldsOfJob(held, args);
  const key = `${args.job}/${args.core}`;
  let entry = kept.get(partition);
  if (entry?.key !== key) {
    const fields = coefficientFieldsOf(executable, args.partition, args.job);
    const contents =
      job.coefficients === null ? null : partition.buffers[job.coefficients]?.contents;
    if (!fields || !contents)
      throw new UsageError(`job ${args.partition}.${args.job} has no kernels`, "job");
    const annotated = annotateCoefficients(contents, fields, args.core);
    const [stream] = annotated.cores;
    if (!stream) throw new UsageError(`no kernels are dealt to core ${args.core}`, "core");
    entry = { key, annotated, stream, fields, kernel: -1, own: [] };
    kept.set(partition, entry);
  }
  if (!(args.kernel >= 0 && args.kernel < entry.stream.kernels.length))
    throw new UsageError(`core ${args.core} has no kernel ${args.kernel}`, "kernel");
  if (entry.kernel !== args.kernel) {
    entry.own = spansOf(entry.stream, args.kernel);
    entry.kernel = args.kernel;
  }
  return entry;
}

/** Indices of the spans that yield a weight, the bias or the offset of a kernel. */
function spansOf(stream: CoreStream, kernel: number): number[] {
  const { spans, placeOf } = stream;
  const own: number[] = [];
  for (let index = 0; index < spans.length; index++) {
    const { kind, item, yields } = spans.at(index);
    if (kind === "bias" || kind === "offset") {
      if (item === kernel) own.push(index);
      continue;
    }
    // A run of length 0 belongs to the literal behind it.
    const last = kind === "run" && yields === 0 ? item : item + yields - 1;
    for (let at = item; at <= last; at++)
      if (placeOf(at)?.kernel === kernel) {
        own.push(index);
        break;
      }
  }
  return own;
}

/**
 * A kernel's weights and figures.
 * @throws UsageError TW_USAGE when there is no such job, core or kernel
 * @throws SimFault TW_SIM_BAD_COEFFICIENTS when the streams contradict the descriptor
 */
export function weightsData(held: Held, args: KernelArgs): WeightsData {
  const { annotated, stream, fields, own } = keptOf(held, args);
  const { taps, kernels: kernelsOfCores, runBits, symbolMap } = annotated;
  const weights = new Int16Array(taps);
  for (const [item, value] of stream.values.entries()) {
    const place = stream.placeOf(item);
    if (place?.kernel === args.kernel) weights[place.tap] = value;
  }
  const { channel, superblock, bias } = stream.kernels[args.kernel]!;
  const { sourceOp } = fieldsOfJob(held, args).job;
  const report = held.report.jobs.find((j) => j.partition === args.partition && j.job === args.job);
  const { spanOfTap, ...bits } = bitsOf(stream, own, args.kernel, taps);
  return {
    ...{ partition: args.partition, job: args.job, core: args.core, kernel: args.kernel },
    ...{ fields, kernelsOfCores },
    ...{ channel, superblock, bias, weights, spanOfTap, runBits, symbolMap },
    planes: taps / (fields.kernelX * fields.kernelY),
    figures: {
      weights: taps,
      zeros: weights.reduce((count, weight) => count + (weight === 0 ? 1 : 0), 0),
      rawBits: 8 * taps,
      ...bits,
      coreBits: stream.usedBits,
      coreWeights: stream.kernels.length * taps,
      jobBitsPerWeight: report?.nn?.coefficients?.bitsPerWeight ?? null,
    },
    inModel: findInModel(held, sourceOp, fields, weights),
    hasModel: held.model !== undefined,
  };
}

function bitsOf(
  { spans, placeOf }: CoreStream,
  own: readonly number[],
  kernel: number,
  taps: number,
): { weightBits: number; wordBits: number; spanOfTap: Uint32Array } {
  const spanOfTap = new Uint32Array(taps);
  let weightBits = 0;
  let wordBits = 0;
  for (const [index, span] of own.entries()) {
    const { kind, bits, item, yields } = spans.at(span);
    if (kind === "bias" || kind === "offset") {
      wordBits += bits;
      continue;
    }
    let mine = 0;
    let all = 0;
    for (let at = item; at < item + yields; at++) {
      const place = placeOf(at);
      // A run may go over filling, which is no kernel's.
      if (place !== null) all++;
      if (place?.kernel !== kernel) continue;
      spanOfTap[place.tap] = index;
      mine++;
    }
    weightBits += bits * (yields === 0 ? 1 : mine / all);
  }
  return { weightBits, wordBits, spanOfTap };
}

/** Which spans: those of the kernel, all of its core, or what lies before and behind the streams. */
export interface BitsArgs extends KernelArgs {
  only: "kernel" | "core" | "buffer";
  /** First span, and how many. */
  from: number;
  count: number;
}

export interface BitsData {
  /** Spans that can be asked for. */
  total: number;
  from: number;
  spans: SpanView[];
}

/** At most this many spans at once. */
const MOST_SPANS = 1000;

/**
 * A page of spans with their bits and meanings.
 * @throws UsageError TW_USAGE when there is no such job, core or kernel
 */
export function bitsData(held: Held, args: BitsArgs): BitsData {
  const { stream, own, annotated, fields } = keptOf(held, args);
  const { header, tail } = annotated;
  const total = {
    kernel: own.length,
    core: stream.spans.length,
    buffer: header.length + tail.length,
  }[args.only];
  const from = Math.max(0, Math.min(args.from, total));
  const count = Math.max(0, Math.min(args.count, MOST_SPANS, total - from));
  const { job, partition } = fieldsOfJob(held, args);
  const contents = partition.buffers[job.coefficients!]!.contents!;
  const source = { contents, stream, fields, annotated };
  // Of a kernel's spans: where the one before ended.
  const before = args.only === "kernel" && from > 0 ? stream.spans.at(own[from - 1]!) : null;
  let end = before ? before.from + before.bits : stream.from;
  const spans = Array.from({ length: count }, (_, i): SpanView => {
    const index = from + i;
    if (args.only === "buffer")
      return index < header.length
        ? spanView(source, header, index)
        : { ...spanView(source, tail, index - header.length), index };
    const view = spanView(source, stream.spans, args.only === "kernel" ? own[index]! : index);
    const at = stream.from + view.at;
    const skippedBits = args.only === "kernel" ? at - end : 0;
    end = at + view.length;
    return { ...view, skippedBits };
  });
  return { total, from, spans };
}
