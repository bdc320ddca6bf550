// The part of the TFLite flatbuffer schema (version 3) that Tilewright reads and writes, as data: field ids by table,
// numbers of the enumerations, and one declaration per option table that serves both the reader and the writer.
// SPDX-License-Identifier: MIT
import type { Activation, ElementType, OpOptions, Padding } from "../ir/graph.ts";

export { BUILTIN_OPERATORS, CUSTOM_CODE, operatorCode, operatorName } from "./operators.ts";

/** Bytes 4..7 of every TFLite file. */
export const FILE_IDENTIFIER = "TFL3";

/** The only schema version that runtimes accept. */
export const SCHEMA_VERSION = 3;

/** Element types; the index is the number in the file. */
export const ELEMENT_TYPES: readonly ElementType[] = (
  "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 " +
  "resource variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2"
).split(" ") as ElementType[];

export const ACTIVATIONS: readonly Activation[] = [
  "none",
  "relu",
  "relu_n1_to_1",
  "relu6",
  "tanh",
  "sign_bit",
];

export const PADDINGS: readonly Padding[] = ["same", "valid"];

/** Members of the union QuantizationParameters.details beside "none". */
export const QUANTIZATION_DETAILS: readonly string[] = [
  "none",
  "custom",
  "blockwise",
  "multi-axis",
];

/** Highest member of the union Operator.builtin_options (RightShiftOptions). */
export const LAST_OPTIONS_UNION = 126;

/** Field ids of one table by name. */
export interface TableSchema<F extends string = string> {
  name: string;
  ids: Readonly<Record<F, number>>;
}

function table<F extends string>(name: string, ids: Record<F, number>): TableSchema<F> {
  return { name, ids };
}

/** The tables of the file, options excepted. A union takes two ids: its type and its value. */
export const TABLES = {
  Model: table("Model", {
    version: 0,
    operatorCodes: 1,
    subgraphs: 2,
    description: 3,
    buffers: 4,
    metadataBuffer: 5,
    metadata: 6,
  }),
  OperatorCode: table("OperatorCode", {
    deprecatedBuiltinCode: 0,
    customCode: 1,
    version: 2,
    builtinCode: 3,
  }),
  SubGraph: table("SubGraph", { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 }),
  Tensor: table("Tensor", {
    shape: 0,
    type: 1,
    buffer: 2,
    name: 3,
    quantization: 4,
    isVariable: 5,
    sparsity: 6,
    shapeSignature: 7,
    hasRank: 8,
    variantTensors: 9,
    externalBuffer: 10,
  }),
  QuantizationParameters: table("QuantizationParameters", {
    min: 0,
    max: 1,
    scale: 2,
    zeroPoint: 3,
    detailsType: 4,
    details: 5,
    quantizedDimension: 6,
  }),
  Operator: table("Operator", {
    opcodeIndex: 0,
    inputs: 1,
    outputs: 2,
    builtinOptionsType: 3,
    builtinOptions: 4,
    customOptions: 5,
    customOptionsFormat: 6,
    mutatingVariableInputs: 7,
    intermediates: 8,
    largeCustomOptionsOffset: 9,
    largeCustomOptionsSize: 10,
  }),
  Buffer: table("Buffer", { data: 0, offset: 1, size: 2 }),
  Metadata: table("Metadata", { name: 0, buffer: 1 }),
} as const;

/** How an option is stored: enumerations and booleans as one byte, "ints" as a vector of int32. */
export type OptionKind =
  "int32" | "int8" | "bool" | "float32" | "padding" | "activation" | "elementType" | "ints";

export interface OptionField {
  id: number;
  kind: OptionKind;
  /** Stored value that a missing field stands for (numbers; a missing vector is null). */
  fallback: number;
}

export interface OptionTable<K extends keyof OpOptions = keyof OpOptions> {
  /** Name in the schema. */
  name: string;
  /** Member of the union Operator.builtin_options. */
  union: number;
  fields: { readonly [F in keyof OpOptions[K]]-?: OptionField };
}

function field(id: number, kind: OptionKind, fallback = 0): OptionField {
  return { id, kind, fallback };
}

const POOL: OptionTable<"MAX_POOL_2D"> = {
  name: "Pool2DOptions",
  union: 5,
  fields: {
    padding: field(0, "padding"),
    strideW: field(1, "int32"),
    strideH: field(2, "int32"),
    filterW: field(3, "int32"),
    filterH: field(4, "int32"),
    activation: field(5, "activation"),
  },
};

const REDUCER: OptionTable<"MEAN"> = {
  name: "ReducerOptions",
  union: 27,
  fields: { keepDims: field(0, "bool") },
};

/** Option tables by operator name, one for each member of OpOptions. */
export const OPTION_TABLES: { readonly [K in keyof OpOptions]: OptionTable<K> } = {
  CONV_2D: {
    name: "Conv2DOptions",
    union: 1,
    fields: {
      padding: field(0, "padding"),
      strideW: field(1, "int32"),
      strideH: field(2, "int32"),
      activation: field(3, "activation"),
      dilationW: field(4, "int32", 1),
      dilationH: field(5, "int32", 1),
    },
  },
  DEPTHWISE_CONV_2D: {
    name: "DepthwiseConv2DOptions",
    union: 2,
    fields: {
      padding: field(0, "padding"),
      strideW: field(1, "int32"),
      strideH: field(2, "int32"),
      depthMultiplier: field(3, "int32"),
      activation: field(4, "activation"),
      dilationW: field(5, "int32", 1),
      dilationH: field(6, "int32", 1),
    },
  },
  FULLY_CONNECTED: {
    name: "FullyConnectedOptions",
    union: 8,
    fields: {
      activation: field(0, "activation"),
      weightsFormat: field(1, "int8"),
      keepNumDims: field(2, "bool"),
    },
  },
  ADD: { name: "AddOptions", union: 11, fields: { activation: field(0, "activation") } },
  SUB: { name: "SubOptions", union: 28, fields: { activation: field(0, "activation") } },
  MUL: { name: "MulOptions", union: 21, fields: { activation: field(0, "activation") } },
  DIV: { name: "DivOptions", union: 29, fields: { activation: field(0, "activation") } },
  CONCATENATION: {
    name: "ConcatenationOptions",
    union: 10,
    fields: { axis: field(0, "int32"), activation: field(1, "activation") },
  },
  SPLIT: { name: "SplitOptions", union: 35, fields: { numSplits: field(0, "int32") } },
  AVERAGE_POOL_2D: POOL,
  MAX_POOL_2D: POOL,
  SOFTMAX: { name: "SoftmaxOptions", union: 9, fields: { beta: field(0, "float32") } },
  RESHAPE: { name: "ReshapeOptions", union: 17, fields: { newShape: field(0, "ints") } },
  LEAKY_RELU: { name: "LeakyReluOptions", union: 75, fields: { alpha: field(0, "float32") } },
  RESIZE_BILINEAR: {
    name: "ResizeBilinearOptions",
    union: 15,
    // Ids 0 and 1 held the size before it became a tensor.
    fields: { alignCorners: field(2, "bool"), halfPixelCenters: field(3, "bool") },
  },
  RESIZE_NEAREST_NEIGHBOR: {
    name: "ResizeNearestNeighborOptions",
    union: 74,
    fields: { alignCorners: field(0, "bool"), halfPixelCenters: field(1, "bool") },
  },
  MEAN: REDUCER,
  SUM: REDUCER,
  REDUCE_MAX: REDUCER,
  REDUCE_MIN: REDUCER,
  ARG_MAX: { name: "ArgMaxOptions", union: 40, fields: { outputType: field(0, "elementType") } },
  ARG_MIN: { name: "ArgMinOptions", union: 57, fields: { outputType: field(0, "elementType") } },
  PACK: {
    name: "PackOptions",
    union: 59,
    fields: { valuesCount: field(0, "int32"), axis: field(1, "int32") },
  },
  UNPACK: {
    name: "UnpackOptions",
    union: 64,
    fields: { num: field(0, "int32"), axis: field(1, "int32") },
  },
  SQUEEZE: { name: "SqueezeOptions", union: 30, fields: { squeezeDims: field(0, "ints") } },
  SPACE_TO_DEPTH: {
    name: "SpaceToDepthOptions",
    union: 19,
    fields: { blockSize: field(0, "int32") },
  },
  DEPTH_TO_SPACE: {
    name: "DepthToSpaceOptions",
    union: 94,
    fields: { blockSize: field(0, "int32") },
  },
  STRIDED_SLICE: {
    name: "StridedSliceOptions",
    union: 32,
    fields: {
      beginMask: field(0, "int32"),
      endMask: field(1, "int32"),
      ellipsisMask: field(2, "int32"),
      newAxisMask: field(3, "int32"),
      shrinkAxisMask: field(4, "int32"),
      offset: field(5, "bool"),
    },
  },
  CAST: {
    name: "CastOptions",
    union: 37,
    fields: { inType: field(0, "elementType"), outType: field(1, "elementType") },
  },
};

/** Option table of an operator, or null when Tilewright reads none for it. */
export function optionTable(kind: string): OptionTable | null {
  return Object.hasOwn(OPTION_TABLES, kind)
    ? (OPTION_TABLES[kind as keyof OpOptions] as OptionTable)
    : null;
}
