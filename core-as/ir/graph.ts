// The graph that every later stage works on: one TFLite subgraph, verified, with named operators.
// SPDX-License-Identifier: MIT

/** Element types by their TFLite names in lower case. */
export type ElementType =
  | "float32"
  | "float16"
  | "int32"
  | "uint8"
  | "int64"
  | "string"
  | "bool"
  | "int16"
  | "complex64"
  | "int8"
  | "float64"
  | "complex128"
  | "uint64"
  | "resource"
  | "variant"
  | "uint32"
  | "uint16"
  | "int4"
  | "bfloat16"
  | "int2"
  | "uint4"
  | "float8_e4m3fn"
  | "float8_e5m2";

/** Affine quantisation: real = scale * (quantised - zeroPoint). One entry = per tensor. */
export interface Quantisation {
  /** Binary32 values; length 1 (per tensor) or the size of dimension `axis` (per channel). */
  scales: Float32Array;
  /** As many as scales. */
  zeroPoints: Int32Array;
  /** The dimension that the entries run over; 0 when per tensor. */
  axis: number;
}

/** A tensor of the graph: an activation or a constant. */
export interface Tensor {
  /** Index in Graph.tensors, equal to the TFLite tensor index. */
  id: number;
  /** Name in the file; may be empty. */
  name: string;
  /** Element type. */
  type: ElementType;
  /** Sizes, outermost first; [] = scalar. All are >= 0 (a static shape). */
  shape: number[];
  /** How its integers stand for real numbers; null when the file does not say. */
  quant: Quantisation | null;
  /** Bytes of a constant (a view of the model file), null for an activation. */
  constant: Uint8Array | null;
}

export type Activation = "none" | "relu" | "relu_n1_to_1" | "relu6" | "tanh" | "sign_bit";
export type Padding = "same" | "valid";

/** Built-in options by operator; only operators whose options Tilewright reads have one. */
export interface OpOptions {
  CONV_2D: {
    padding: Padding;
    strideW: number;
    strideH: number;
    dilationW: number;
    dilationH: number;
    activation: Activation;
  };
  DEPTHWISE_CONV_2D: {
    padding: Padding;
    strideW: number;
    strideH: number;
    dilationW: number;
    dilationH: number;
    depthMultiplier: number;
    activation: Activation;
  };
  FULLY_CONNECTED: {
    activation: Activation;
    weightsFormat: number;
    keepNumDims: boolean;
  };
  ADD: { activation: Activation };
  SUB: { activation: Activation };
  MUL: { activation: Activation };
  DIV: { activation: Activation };
  CONCATENATION: { axis: number; activation: Activation };
  SPLIT: { numSplits: number };
  AVERAGE_POOL_2D: PoolOptions;
  MAX_POOL_2D: PoolOptions;
  SOFTMAX: { beta: number };
  RESHAPE: { newShape: number[] | null };
  LEAKY_RELU: { alpha: number };
  RESIZE_BILINEAR: { alignCorners: boolean; halfPixelCenters: boolean };
  RESIZE_NEAREST_NEIGHBOR: { alignCorners: boolean; halfPixelCenters: boolean };
  MEAN: { keepDims: boolean };
  SUM: { keepDims: boolean };
  REDUCE_MAX: { keepDims: boolean };
  REDUCE_MIN: { keepDims: boolean };
  ARG_MAX: { outputType: ElementType };
  ARG_MIN: { outputType: ElementType };
  PACK: { valuesCount: number; axis: number };
  UNPACK: { num: number; axis: number };
  SQUEEZE: { squeezeDims: number[] | null };
  SPACE_TO_DEPTH: { blockSize: number };
  DEPTH_TO_SPACE: { blockSize: number };
  STRIDED_SLICE: {
    beginMask: number;
    endMask: number;
    ellipsisMask: number;
    newAxisMask: number;
    shrinkAxisMask: number;
    /** The end is counted from the begin. */
    offset: boolean;
  };
  CAST: { inType: ElementType; outType: ElementType };
}

export interface PoolOptions {
  padding: Padding;
  strideW: number;
  strideH: number;
  filterW: number;
  filterH: number;
  activation: Activation;
}

/** An operator of the graph. */
export interface Op {
  /** Index in Graph.ops = plan order of the TFLite subgraph. */
  id: number;
  /** TFLite operator name, e.g. "CONV_2D"; "CUSTOM" for custom operators. */
  kind: string;
  /** Name of a custom operator, otherwise null. */
  customName: string | null;
  /** Version of the operator in the file. */
  version: number;
  /** Tensor ids; -1 = optional input left out. */
  inputs: number[];
  /** Tensors that it writes, by index. */
  outputs: number[];
  /** Options by name; {} for operators without an entry in OpOptions. Use `optionsOf`. */
  options: Readonly<Record<string, unknown>>;
  /** Raw options of a custom operator (flexbuffer), otherwise null. */
  customOptions: Uint8Array | null;
}

/** One TFLite subgraph, verified. */
export interface Graph {
  /** Name of the subgraph in the file; may be empty. */
  name: string;
  /** All tensors; a tensor's id is its index. */
  tensors: Tensor[];
  /** Operators in the file's order, which is an order of execution. */
  ops: Op[];
  /** Tensors that the caller fills, by index. */
  inputs: number[];
  /** Tensors that the caller reads, by index. */
  outputs: number[];
}

/** What a model file holds: the graph that is compiled and the names of what is not. */
export interface Model {
  /** Text that the converter left in the file; may be empty. */
  description: string;
  /** TFLite schema version of the file. */
  schemaVersion: number;
  /** The first subgraph. */
  graph: Graph;
  /** Names of further subgraphs, which are not compiled. */
  otherSubgraphs: string[];
}

/**
 * Options of an operator, typed by its kind. The importer fills them, so a missing one is our bug.
 * @param op operator of kind `kind`
 */
export function optionsOf<K extends keyof OpOptions>(op: Op, kind: K): OpOptions[K] {
  if (op.kind !== kind) throw new TypeError(`operator ${op.id} is ${op.kind}, not ${kind}`);
  return op.options as unknown as OpOptions[K];
}

/** Key of an operator in tables: its kind; of a custom operator "CUSTOM " and its own name. */
export function operatorKey(op: Op): string {
  return op.customName === null ? op.kind : `CUSTOM ${op.customName}`;
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

const ELEMENT_BYTES: Partial<Record<ElementType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  uint32: 4,
  uint8: 1,
  int8: 1,
  bool: 1,
  int64: 8,
  uint64: 8,
  float64: 8,
  int16: 2,
  uint16: 2,
  complex64: 8,
  complex128: 16,
  float8_e4m3fn: 1,
  float8_e5m2: 1,
};

const PACKED_BITS: Partial<Record<ElementType, number>> = { int4: 4, uint4: 4, int2: 2 };

/** Bytes of one element, or null for types without a fixed whole number of bytes. */
export function elementBytes(type: ElementType): number | null {
  return ELEMENT_BYTES[type] ?? null;
}

/**
 * Bits of one element; types below a byte are packed, the last byte of a tensor filled up.
 * @returns null for types without a fixed size (string, resource, variant)
 */
function elementBits(type: ElementType): number | null {
  const bytes = elementBytes(type);
  return bytes === null ? (PACKED_BITS[type] ?? null) : 8 * bytes;
}

/** Bytes that a tensor of a type and shape takes when it is stored densely; null for types without a fixed size. */
export function tensorBytes(type: ElementType, shape: readonly number[]): number | null {
  const bits = elementBits(type);
  return bits === null ? null : Math.ceil((elementCount(shape) * bits) / 8);
}
