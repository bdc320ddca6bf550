// What a compiled model is: partitions of NPU work with relocations instead of addresses, CPU steps, ports.
// SPDX-License-Identifier: MIT
import type { ChipIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";

export type BufferRole = "tensor" | "coefficients" | "descriptor" | "stream" | "table";

export interface ExecutableBuffer {
  role: BufferRole;
  /** Size in bytes that the jobs use; a transport may round it up. */
  bytes: number;
  /** Initial bytes; null = zeros. */
  contents: Uint8Array | null;
  /** What the NPU does with it: 1 read, 2 write, 3 both. */
  access: number;
}

/** A place that holds an address once the buffers have one. */
export interface Relocation {
  /** Buffer that is patched. */
  buffer: number;
  byteOffset: number;
  /** Buffer whose address goes in. */
  target: number;
  /** Bytes added to the address. */
  addend: number;
  /**
   * address: the word becomes the address; address26shift6: bits 0..25 become address >> 6;
   * descriptor: the address is added to the tag that the word holds.
   */
  kind: "address" | "address26shift6" | "descriptor";
}

export interface ExecutableJob {
  kind: "NN" | "TP";
  /** What the job does, e.g. "conv", "transpose". */
  op: string;
  /** TFLite operator that it belongs to. */
  sourceOp: number;
  /** Descriptor buffers, one per TP core. */
  descriptors: number[];
  /** Constants that the job reads: coefficient buffer of an NN job, look-up table of a TP job or null. */
  coefficients: number | null;
  /** Tensor buffers. */
  inputs: number[];
  output: number;
}

/** Where a tensor of the graph lies when it crosses the partition's border; bytes are NHWC. */
export interface Port {
  tensor: number;
  buffer: number;
  offset: number;
  bytes: number;
}

/** One submit. */
export interface ExecutablePartition {
  buffers: ExecutableBuffer[];
  jobs: ExecutableJob[];
  relocations: Relocation[];
  /** Buffer with the command stream. */
  stream: number;
  inputs: Port[];
  outputs: Port[];
}

/** Work in order: a submit, or operators on the CPU. */
export type Step = { kind: "npu"; partition: number } | { kind: "cpu"; ops: number[] };

/** How well the mechanism of a job is known (architecture: evidence words). */
export type JobEvidence =
  /** Jobs of this kind are in captures of the reference driver. */
  | "captured"
  /** Follows from the hardware description; no capture has it. */
  | "never captured"
  /** Read in the newer reference driver (spec/newer-driver.md). */
  | "newer driver, not captured"
  /** Asked for by `experimental`: some of its jobs use a mechanism of which it is not known whether it works. */
  | "experimental: no capture shows this";

/** Why an operator is where it is. */
export interface Placement {
  op: number;
  /** TFLite operator name. */
  name: string;
  place: "npu" | "cpu";
  /** Constraint that sent it to the CPU, e.g. "CONV_STRIDE"; null on the NPU. */
  constraint: string | null;
  /** Sentence for people. On the CPU: what, value, what would make it pass. On the NPU: what other job does its work; else null. */
  reason: string | null;
  /** On the NPU: how well its mechanism is known; null on the CPU. */
  evidence: JobEvidence | null;
}

/** How near a layer with a scale for each channel comes to TFLite, whose accumulators have a multiplier for each channel. */
export interface LayerAccuracy {
  op: number;
  /** What was asked for. */
  accuracy: "exact" | "balanced" | "fast";
  /** Channel groups, each an NN job with one multiplier. */
  groups: number;
  /** Most times that the input is supplied to a group, so that a weight has several bytes. */
  copies: number;
  /** Groups whose weights' remainders a job of its own computes first. */
  remainders: number;
  /** Another job brings the channels into the tensor's order. */
  reorders: boolean;
  /** What inputs are expected: any byte alike, or as the layers before make them. */
  inputs: "uniform" | "propagated";
  /** Standard deviation of the worst channel's error before rounding, in output steps. */
  deviation: number;
  /** Error before rounding that 5.5 deviations and all roundings make, in output steps: outputs differ by at most this, rounded up. */
  bound: number;
  /** The same for any inputs whatever, however unlikely. */
  worst: number;
  /** Expected share of outputs within one step of TFLite's. */
  withinOne: number;
}

export interface Executable {
  /** Version of Tilewright that wrote it. */
  producer: string;
  chip: ChipIdentity & { name: string };
  mode: "compatible" | "optimised";
  /** SHA-256 of the model file, hexadecimal; empty when unknown. */
  modelSha256: string;
  /** The graph with all tensors and operators; constants only where CPU steps need them. */
  graph: Graph;
  partitions: ExecutablePartition[];
  steps: Step[];
  placements: Placement[];
  /** Quirks of the reference that this executable reproduces, e.g. "0.3:Q41". */
  quirks: string[];
  /** Jobs whose coefficients the reference reads past its arrays, e.g. "0.1". */
  undefinedJobs: string[];
  /** Layers with a scale for each channel on the NPU. */
  accuracies: LayerAccuracy[];
}
