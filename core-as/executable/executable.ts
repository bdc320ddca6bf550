// What a compiled model is: partitions of NPU work with relocations instead of addresses, CPU steps, ports.
// SPDX-License-Identifier: MIT
import type { ChipIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";

/**
 * What a buffer holds: tensors, coefficients of NN jobs, descriptors, the command stream, or
 * look-up tables of TP jobs.
 */
export type BufferRole = "tensor" | "coefficients" | "descriptor" | "stream" | "table";

/** A buffer of a partition; the transport gives it memory and an address. */
export interface ExecutableBuffer {
  /** What it holds. */
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
  /** Offset of the word in the buffer that is patched, in bytes. */
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

/** One job of an NN core or of the TP cores, as its descriptors and the stream start it. */
export interface ExecutableJob {
  /** NN: convolution engine; TP: tensor-processing engine. */
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
  /** Tensor buffer that the job writes. */
  output: number;
}

/** Where a tensor of the graph lies when it crosses the partition's border. */
export interface Port {
  /**
   * Bytes are planar: channel by channel. Only for tensors that NPU partitions alone write and read, and then in all of them.
   * Left out: NHWC.
   */
  planar?: true;
  /** Index of the tensor in the graph. */
  tensor: number;
  /** Index of the buffer in the partition. */
  buffer: number;
  /** Offset of the first byte in the buffer. */
  offset: number;
  /** Size of the tensor in bytes. */
  bytes: number;
}

/** One submit. */
export interface ExecutablePartition {
  /** All buffers of the submit; other members name them by index. */
  buffers: ExecutableBuffer[];
  /** Jobs in the order of the stream. */
  jobs: ExecutableJob[];
  /** Words of buffers that become addresses once the buffers have one. */
  relocations: Relocation[];
  /** Buffer with the command stream. */
  stream: number;
  /** Tensors that enter the partition. */
  inputs: Port[];
  /** Tensors that leave the partition. */
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
  /** Index of the operator in the graph. */
  op: number;
  /** TFLite operator name. */
  name: string;
  /** Where it runs. */
  place: "npu" | "cpu";
  /** Constraint that sent it to the CPU, e.g. "CONV_STRIDE"; null on the NPU. */
  constraint: string | null;
  /** Sentence for people. On the CPU: what, value, what would make it pass. On the NPU: what other job does its work; else null. */
  reason: string | null;
  /** On the NPU: how well its mechanism is known; null on the CPU. */
  evidence: JobEvidence | null;
}

/** How near a layer with a scale for each channel comes to TFLite, whose accumulators have a multiplier for each channel. */
export interface LayerBound {
  op: number;
  /** What was asked for. */
  accuracy: "exact" | "balanced" | "fast";
  /** Channel groups, each an NN job with one multiplier. */
  groups: number;
  /** Groups whose weights have fractions of a step: a job of its own supplies each input plane a second time, at a fraction. */
  fractions: number;
  /** Groups whose weights' remainders a job of its own computes first. */
  remainders: number;
  /** Another job brings the channels into the tensor's order. */
  reorders: boolean;
  /** What inputs are expected: any byte alike, as the layers before make them of such, or as they make them of synthetic pictures. */
  inputs: "uniform" | "propagated" | "pictures";
  /** Standard deviation of the worst channel's error before rounding, in output steps. */
  deviation: number;
  /** Error before rounding that 5 deviations and all roundings make, in output steps: outputs differ by at most this, rounded up. */
  bound: number;
  /** The same for any inputs whatever, however unlikely. */
  worst: number;
  /** Expected share of outputs within one step of TFLite's. */
  withinOne: number;
}

/** A compiled model: all that a transport needs to run it. Holds relocations, never addresses. */
export interface Executable {
  /** Version of Tilewright that wrote it. */
  producer: string;
  /** The ids of the chip that it was compiled for, and its target name. */
  chip: ChipIdentity & { name: string };
  /** Mode it was compiled in. */
  mode: "compatible" | "optimised";
  /** SHA-256 of the model file, hexadecimal; empty when unknown. */
  modelSha256: string;
  /** The graph with all tensors and operators; constants only where CPU steps need them. */
  graph: Graph;
  /** Submits, in the order of their first step. */
  partitions: ExecutablePartition[];
  /** What one inference does, in order. */
  steps: Step[];
  /** Where each operator of the graph runs and why, in graph order. */
  placements: Placement[];
  /** Quirks of the reference that this executable reproduces, e.g. "0.3:Q41". */
  quirks: string[];
  /** Jobs whose coefficients the reference reads past its arrays, e.g. "0.1". */
  undefinedJobs: string[];
  /** Layers with a scale for each channel on the NPU. */
  accuracies: LayerBound[];
}
