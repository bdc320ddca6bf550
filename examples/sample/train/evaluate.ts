// Integer reference: computes what TFLite's uint8 reference kernels compute, for the operators of the sample.
// Independent of the training code: it knows the graph only.
// SPDX-License-Identifier: MIT
import { readInts } from "../../../core-as/ir/constants.ts";
import { elementCount, optionsOf, type Graph, type Op } from "../../../core-as/ir/graph.ts";
import { digit, type Digits } from "./data.ts";
import { multiplyBy, quantiseMultiplier } from "./fixed-point.ts";

/** A uint8 tensor and its contents. */
interface Filled {
  shape: readonly number[];
  values: Uint8Array;
  scale: number;
  zeroPoint: number;
}

/** What an operator's kernel needs; `bias` only for convolutions. */
interface Operands {
  op: Op;
  inputs: Filled[];
  bias: Int32Array | null;
  out: Filled;
}

/** Runs one graph again and again: one uint8 input, one uint8 output. */
export class IntegerReference {
  readonly #input: Filled;
  readonly #output: Filled;
  readonly #steps: (() => void)[];

  /** @throws Error on an operator or a type that the sample does not have */
  constructor(graph: Graph) {
    const filled = new Map<number, Filled>();
    const fill = (id: number): Filled => {
      let tensor = filled.get(id);
      if (!tensor) {
        tensor = emptyTensor(graph, id);
        filled.set(id, tensor);
      }
      return tensor;
    };
    this.#input = fill(graph.inputs[0]!);
    this.#steps = graph.ops.map((op) => {
      const prepare = KERNELS[op.kind];
      if (!prepare) throw new Error(`no integer kernel for ${op.kind}`);
      const bytes = op.inputs.filter((id) => graph.tensors[id]?.type === "uint8");
      const bias = op.inputs[2] === undefined ? null : graph.tensors[op.inputs[2]]!.constant;
      return prepare({
        op,
        inputs: bytes.map(fill),
        bias: bias && readInts(bias),
        out: fill(op.outputs[0]!),
      });
    });
    this.#output = fill(graph.outputs[0]!);
  }

  /** The graph's output for an input; a view that the next call overwrites. */
  run(input: Uint8Array): Uint8Array {
    this.#input.values.set(input);
    for (const step of this.#steps) step();
    return this.#output.values;
  }
}

/** Class of the greatest score; the first of equals. */
export function bestClass(scores: Uint8Array): number {
  return scores.indexOf(Math.max(...scores));
}

/** Number of digits whose greatest output is their class. */
export function countRight(graph: Graph, digits: Digits): number {
  const reference = new IntegerReference(graph);
  let right = 0;
  for (let i = 0; i < digits.count; i++)
    if (bestClass(reference.run(digit(digits, i))) === digits.labels[i]) right++;
  return right;
}

function emptyTensor(graph: Graph, id: number): Filled {
  const { name, type, shape, quant, constant } = graph.tensors[id]!;
  if (type !== "uint8" || quant?.scales.length !== 1)
    throw new Error(`${name} is not uint8, quantised per tensor`);
  return {
    shape,
    values: constant ?? new Uint8Array(elementCount(shape)),
    scale: quant.scales[0]!,
    zeroPoint: quant.zeroPoints[0]!,
  };
}

const KERNELS: Record<string, (operands: Operands) => () => void> = {
  CONV_2D: (operands) => prepareConvolution(operands, optionsOf(operands.op, "CONV_2D"), false),
  DEPTHWISE_CONV_2D: (operands) =>
    prepareConvolution(operands, optionsOf(operands.op, "DEPTHWISE_CONV_2D"), true),
  ADD: prepareAdd,
  AVERAGE_POOL_2D: prepareAverage,
  RESHAPE: ({ inputs: [x], out }) => {
    return () => out.values.set(x!.values);
  },
  SOFTMAX: prepareSoftmax,
};

interface ConvOptions {
  padding: string;
  strideW: number;
  strideH: number;
  activation: string;
}

type Shape4 = readonly [number, number, number, number];

/** Both convolutions; the depthwise one (multiplier 1) sees one input channel for each output channel. */
function prepareConvolution(
  { inputs, bias, out }: Operands,
  { padding, strideW, strideH, activation }: ConvOptions,
  depthwise: boolean,
): () => void {
  const [x, w] = inputs as [Filled, Filled];
  const [, inH, inW, inC] = x.shape as Shape4;
  const [, outH, outW, outC] = out.shape as Shape4;
  const [, kernelH, kernelW] = w.shape as Shape4;
  const same = padding === "same";
  const top = same ? Math.max((outH - 1) * strideH + kernelH - inH, 0) >> 1 : 0;
  const left = same ? Math.max((outW - 1) * strideW + kernelW - inW, 0) >> 1 : 0;
  // TFLite multiplies the two scales in binary32 and divides in binary64
  const scale = quantiseMultiplier(Math.fround(x.scale * w.scale) / out.scale);
  const low = lowest(activation, out);
  const weights = Int32Array.from(w.values, (value) => value - w.zeroPoint);
  const source = new Int32Array(x.values.length);
  const sums = new Int32Array(outC);

  const addTap = depthwise
    ? (from: number, tap: number) => {
        for (let o = 0; o < outC; o++) sums[o]! += source[from + o]! * weights[tap * outC + o]!;
      }
    : (from: number, tap: number) => {
        for (let o = 0; o < outC; o++) {
          const row = (o * kernelH * kernelW + tap) * inC;
          let sum = 0;
          for (let i = 0; i < inC; i++) sum += source[from + i]! * weights[row + i]!;
          sums[o]! += sum;
        }
      };

  return () => {
    for (let i = 0; i < source.length; i++) source[i] = x.values[i]! - x.zeroPoint;
    for (let oy = 0; oy < outH; oy++)
      for (let ox = 0; ox < outW; ox++) {
        sums.set(bias!);
        for (let ky = 0; ky < kernelH; ky++)
          for (let kx = 0; kx < kernelW; kx++) {
            const y = oy * strideH - top + ky;
            const column = ox * strideW - left + kx;
            if (y >= 0 && y < inH && column >= 0 && column < inW)
              addTap((y * inW + column) * inC, ky * kernelW + kx);
          }
        for (let o = 0; o < outC; o++) {
          const value = multiplyBy(sums[o]!, scale) + out.zeroPoint;
          out.values[(oy * outW + ox) * outC + o] = clamp(value, low);
        }
      }
  };
}

/** Smallest quantised value that the fused activation lets pass. */
function lowest(activation: string, { zeroPoint }: Filled): number {
  if (activation === "none") return 0;
  if (activation === "relu") return zeroPoint;
  throw new Error(`no integer kernel for activation ${activation}`);
}

function clamp(value: number, low: number): number {
  return Math.min(Math.max(value, low), 255);
}

function prepareAdd({ op, inputs, out }: Operands): () => void {
  const [a, b] = inputs as [Filled, Filled];
  const headroom = 2 ** 20;
  const unit = 2 * Math.max(a.scale, b.scale);
  const scaleA = quantiseMultiplier(a.scale / unit);
  const scaleB = quantiseMultiplier(b.scale / unit);
  const scaleOut = quantiseMultiplier(unit / (headroom * out.scale));
  const low = lowest(optionsOf(op, "ADD").activation, out);
  return () => {
    for (let i = 0; i < out.values.length; i++) {
      const sum =
        multiplyBy((a.values[i]! - a.zeroPoint) * headroom, scaleA) +
        multiplyBy((b.values[i]! - b.zeroPoint) * headroom, scaleB);
      out.values[i] = clamp(multiplyBy(sum, scaleOut) + out.zeroPoint, low);
    }
  };
}

/** Average over the whole picture, the only pooling of the sample. */
function prepareAverage({ op, inputs, out }: Operands): () => void {
  const { values, shape } = inputs[0]!;
  const { filterH, filterW } = optionsOf(op, "AVERAGE_POOL_2D");
  if (filterH !== shape[1] || filterW !== shape[2])
    throw new Error("no integer kernel for an average over part of the picture");
  const channels = out.values.length;
  const count = filterH * filterW;
  return () => {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let i = c; i < values.length; i += channels) sum += values[i]!;
      out.values[c] = Math.floor((sum + Math.floor(count / 2)) / count);
    }
  };
}

/** TFLite's kernel for eight bits: a table of exponentials in binary32, output scale 1/256. */
function prepareSoftmax({ op, inputs, out }: Operands): () => void {
  const x = inputs[0]!;
  const f = Math.fround;
  const step = f(x.scale * optionsOf(op, "SOFTMAX").beta);
  const table = Float32Array.from({ length: 256 }, (_, below) => Math.exp(f(-step * below)));
  return () => {
    const greatest = Math.max(...x.values);
    const powers = Float32Array.from(x.values, (value) => table[greatest - value]!);
    let sum = 0;
    for (const power of powers) sum = f(sum + power);
    const inverse = f(1 / f(sum * out.scale));
    powers.forEach((power, i) => {
      out.values[i] = Math.min(Math.floor(f(f(power * inverse) + 0.5)), 255);
    });
  };
}
