// What lowering produces: NN and TP jobs over tensor buffers, before a single bit is written.
// SPDX-License-Identifier: MIT
import type { NnJob, TpJob } from "../assembly/abi.ts";
import type { LayerBound } from "../executable/executable.ts";

/** A tensor buffer of a partition: plain bytes in GPU memory. */
export interface TensorBuffer {
  /** Index in Lowered.buffers. */
  id: number;
  bytes: number;
}

/** A place inside a tensor buffer. */
export interface BufferRef {
  buffer: TensorBuffer;
  /** Bytes from the start of the buffer. */
  offset: number;
  /** Bytes of the tensor that lies there; unknown = up to the end of the buffer. */
  bytes?: number | undefined;
}

/** How TFLite weights become the bytes that the coefficient encoder walks (spec/lowering.md 4). */
export interface WeightPlan {
  bytes: Uint8Array;
  layout:
    | "as-is"
    /** [o][s][f][z] -> [o][z][s][f] */
    | "transposed"
    /** stride two folded into channels */
    | "destrided"
    /** 1x1 of one channel to 2x2 */
    | "widened"
    /** [s][f][o] -> [o][s][f], then destrided when `destride` */
    | "depthwise";
  /** Sizes of the TFLite weights. */
  outC: number;
  kS: number;
  kF: number;
  inC: number;
  /** depthwise: channels that have a kernel of their own. */
  channels: number;
  destride: boolean;
  /** destrided: the strides that are folded, 2 and 2 when left out. */
  strides?: { x: number; y: number };
  /** depthwise: input channels of the whole kernels to store; left out where a kernel's own planes do. */
  expand?: number;
  /** Distance of the taps, 1 and 1 when left out; gaps are filled before anything else. */
  dilation?: { x: number; y: number };
  /** widened before anything else (a one-channel 1x1 depthwise kernel). */
  widen: boolean;
  pad: number;
  /** XORed into every byte: 0x80 for int8 weights, else 0. */
  flip: number;
}

/** Members of an NnJob record that lowering sets, by their index. */
export type NnRecord = Partial<Record<NnJob, number>>;
export type TpRecord = Partial<Record<TpJob, number>>;

export interface NnWork {
  kind: "NN";
  op: "conv" | "dwconv" | "pwconv" | "add" | "fc" | "rescale";
  /** TFLite operator that this job computes. */
  sourceOp: number;
  record: NnRecord;
  weights: WeightPlan;
  biases: Int32Array;
  input: BufferRef;
  /** Addition: the second operand; it lies behind the first. */
  input2: BufferRef | null;
  output: BufferRef;
}

/** One descriptor of a TP job; addresses are relative to the job's input and output. */
export interface TpProgram {
  record: TpRecord;
  inOffset: number;
  outOffset: number;
}

export interface TpWork {
  kind: "TP";
  op: "transpose" | "detranspose" | "reshuffle" | "pad" | "copy" | "move" | "lut";
  sourceOp: number;
  programs: TpProgram[];
  /** Look-up table of all programs; absent = none. */
  table?: Uint8Array;
  input: BufferRef;
  output: BufferRef;
}

export type Work = NnWork | TpWork;

/** A tensor of the graph where a partition reads or writes it. */
export interface PortPlan {
  /** In planar order; else in NHWC order. */
  planar?: true;
  tensor: number;
  place: BufferRef;
  bytes: number;
}

/** A quirk of the reference that makes a job compute wrong results. */
export interface QuirkNote {
  /** Index in Lowered.jobs; -1 = the partition as a whole. */
  job: number;
  quirk: string;
  why: string;
}

/** When the stream waits for a job. */
export interface JobSchedule {
  /** Sequence tag; 0 = the job runs alone, and the stream waits for it at once. */
  tag: number;
  /** Index of the last job that begins before the stream waits for this one; its own when that is at once. */
  until: number;
  /** Tags that the stream waits for behind this job: at most one of each unit. */
  waits: number[];
}

/** An operator that got no job of its own, or one less. */
export interface Fold {
  op: number;
  /** The operator whose jobs do its work; null = it needs none. */
  into: number | null;
  /** Why that gives the same bytes. */
  how: string;
}

export interface Lowered {
  jobs: Work[];
  /** Left out: none. */
  folds?: Fold[];
  /** One for each job; left out: jobs run one after the other. */
  schedule?: JobSchedule[];
  buffers: TensorBuffer[];
  inputs: PortPlan[];
  outputs: PortPlan[];
  /** Wrong results that compatible mode reproduces; always empty in optimised mode. */
  quirks: QuirkNote[];
  /** Jobs whose coefficients the reference reads past its arrays (Q1): defined only in a fresh buffer. */
  undefinedJobs: number[];
  /** Layers with a scale for each channel, in the order of their operators; left out: none. */
  accuracies?: LayerBound[];
}
