// Weights of a layer channel by channel, whatever order TFLite stores them in.
// SPDX-License-Identifier: MIT
import type { Graph, Op } from "../../../ir/graph.ts";

export interface ChannelKernels {
  /** Output channels. */
  count: number;
  /** Input planes that a kernel reads. */
  planes: number;
  taps: number;
  /** First input plane of a channel's kernel. */
  firstPlane(channel: number): number;
  /** Weights of a channel without their zero point, tap by tap, planes innermost; valid until the next call. */
  row(channel: number): ArrayLike<number>;
}

/** Kernels of a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED with constant 8-bit weights, or null. */
export function channelKernels(graph: Graph, op: Op): ChannelKernels | null {
  const weight = graph.tensors[op.inputs[1] ?? -1];
  if (!weight?.constant || !weight.quant || !/^u?int8$/.test(weight.type)) return null;
  const { constant, shape } = weight;
  const zero = weight.type === "uint8" ? weight.quant.zeroPoints[0]! : 0;
  const signed = new Int8Array(constant.buffer, constant.byteOffset, constant.length);
  const stored: ArrayLike<number> = weight.type === "int8" ? signed : constant;
  const isDepthwise = op.kind === "DEPTHWISE_CONV_2D";
  const count = isDepthwise ? shape[3]! : shape[0]!;
  const inputs = graph.tensors[op.inputs[0]!]!.shape.at(-1) ?? 1;
  const planes = isDepthwise ? 1 : shape.at(-1)!;
  const length = constant.length / count;
  const taps = length / planes;
  // Kernels of a grouped convolution read a part of the planes, of a depthwise one a single plane.
  const each = isDepthwise ? count / inputs : (count * planes) / inputs;
  const row = new Int16Array(length);
  const [step, stride] = isDepthwise ? [1, count] : [length, 1];
  return {
    count,
    planes,
    taps,
    firstPlane: (channel) =>
      op.kind === "FULLY_CONNECTED" ? 0 : Math.floor(channel / each) * planes,
    row: (channel) => {
      for (let k = 0; k < length; k++) row[k] = stored[channel * step + k * stride]! - zero;
      return row;
    },
  };
}
