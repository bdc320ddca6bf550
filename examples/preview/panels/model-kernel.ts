// Looks a job's kernel up in the weight tensor of the model file: what it was before the compiler touched it.
// SPDX-License-Identifier: MIT
import {
  readModel,
  type CoefficientFields,
  type Graph,
  type Tensor,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

export interface ModelKernel {
  /** Name of the weight tensor. */
  tensor: string;
  /** Output channel in the model. */
  channel: number;
  /** Weights in the order of the job's taps, as bytes of the file. */
  type: "uint8" | "int8";
  /** Rows of the job are the model's columns: images are transposed on the NPU. */
  transposed: boolean;
  /** Depthwise as a usual kernel: the one input channel whose weights the model has; all others are the zero point. */
  plane: number | null;
}

/** Models that were read, by their bytes. */
const graphs = new WeakMap<Uint8Array, Graph>();

/** Operators that have weights as their second input. */
const KINDS: readonly string[] = ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"];

/**
 * Finds a kernel among those of its operator, value for value.
 * @param weights weight - zero point by tap, (z * kernelY + y) * kernelX + x
 * @returns null when the model is not held, or no kernel of the operator is this one (strides that were folded into channels,
 *   operators that became convolutions)
 */
export function findInModel(
  { model, executable }: Held,
  sourceOp: number,
  fields: CoefficientFields,
  weights: Int16Array,
): ModelKernel | null {
  if (!model) return null;
  const op = executable.graph.ops[sourceOp];
  if (!op || !KINDS.includes(op.kind)) return null;
  const graph = graphs.get(model) ?? readModel(model).graph;
  graphs.set(model, graph);
  // Legalising does not renumber tensors; a name that differs says that this is another graph.
  const known = executable.graph.tensors[op.inputs[1] ?? -1];
  const tensor = graph.tensors[op.inputs[1] ?? -1];
  if (!tensor || !known || tensor.name !== known.name || !tensor.constant) return null;
  if (tensor.type !== "uint8" && tensor.type !== "int8") return null;
  const depthwise = op.kind === "DEPTHWISE_CONV_2D";
  for (const transposed of [false, true]) {
    const found = search(tensor, depthwise, transposed, fields, weights);
    if (found !== null) return { ...found, tensor: tensor.name, type: tensor.type, transposed };
  }
  return null;
}

type Found = Pick<ModelKernel, "channel" | "plane">;

function search(
  { constant, shape, type, quant }: Tensor,
  depthwise: boolean,
  transposed: boolean,
  fields: CoefficientFields,
  weights: Int16Array,
): Found | null {
  const [a, b, c, d] = shape.length === 2 ? [shape[0]!, 1, 1, shape[1]!] : shape;
  if (!a || !b || !c || !d) return null;
  const { kernelX, kernelY } = fields;
  const [rows, columns] = transposed ? [kernelX, kernelY] : [kernelY, kernelX];
  if (rows !== b || columns !== c) return null;
  const [channels, planes] = depthwise ? [d, 1] : [a, d];
  const isFilled = depthwise && !fields.depthwise;
  const own = isFilled ? ownPlane(weights, kernelX * kernelY) : 0;
  if (own === null || (!depthwise && planes * b * c !== weights.length)) return null;
  const signed = type === "int8";
  for (let channel = 0; channel < channels; channel++) {
    const zeroPoint = zeroPointOf(quant, channel);
    const valueAt = (z: number, y: number, x: number): number => {
      const [row, column] = transposed ? [x, y] : [y, x];
      const at = depthwise
        ? (row * c + column) * d + channel
        : ((channel * b + row) * c + column) * d + z;
      const byte = constant![at] ?? 0;
      return (signed ? (byte << 24) >> 24 : byte) - zeroPoint;
    };
    if (isSame(valueAt, planes, own, fields, weights))
      return { channel, plane: isFilled ? own : null };
  }
  return null;
}

function zeroPointOf(quant: Tensor["quant"], channel: number): number {
  if (!quant) return 0;
  return quant.zeroPoints[quant.zeroPoints.length === 1 ? 0 : channel] ?? 0;
}

function isSame(
  valueAt: (z: number, y: number, x: number) => number,
  planes: number,
  firstPlane: number,
  { kernelX, kernelY }: CoefficientFields,
  weights: Int16Array,
): boolean {
  for (let z = 0; z < planes; z++)
    for (let y = 0; y < kernelY; y++)
      for (let x = 0; x < kernelX; x++)
        if (valueAt(z, y, x) !== weights[((firstPlane + z) * kernelY + y) * kernelX + x])
          return false;
  return true;
}

/** The only plane with weights other than 0; null when there are several or none. */
function ownPlane(weights: Int16Array, plane: number): number | null {
  let own: number | null = null;
  for (const [tap, weight] of weights.entries()) {
    if (weight === 0) continue;
    const z = Math.floor(tap / plane);
    if (own !== null && own !== z) return null;
    own = z;
  }
  return own;
}
