// Parameter blocks of the CPU kernels behind those that the compiler lowers (abi.ts): element-wise operators, conversions,
// slices, resizes, searches, detection. Words of 32 bits; addresses and strides of copies are bytes, everything else elements.
// SPDX-License-Identifier: MIT

/** Element types that kernels tell apart. */
export const enum Element {
  F32 = 0,
  I32 = 1,
  U8 = 2,
  I8 = 3,
  I64 = 4,
  I16 = 5,
  BOOL = 6,
}

export const enum BinaryOperation {
  ADD = 0,
  SUB = 1,
  MUL = 2,
  DIV = 3,
  MINIMUM = 4,
  MAXIMUM = 5,
  FLOOR_DIV = 6,
  /** Input 2 holds the slopes of negative values. */
  PRELU = 7,
}

/** Parameters of runBinary; six dimensions, outermost first, a stride of 0 repeats the operand. */
export const enum BinaryParam {
  INPUT_1 = 0,
  INPUT_2 = 1,
  OUTPUT = 2,
  /** A BinaryOperation. */
  OPERATION = 3,
  /** An Element: F32, I32, U8 or I8. */
  ELEMENT = 4,
  /** Bits of binary32 for F32. */
  CLAMP_MIN = 5,
  CLAMP_MAX = 6,
  /** 8-bit MUL and PRELU only, as everything up to SIZES. */
  ZERO_1 = 7,
  ZERO_2 = 8,
  OUTPUT_ZERO = 9,
  /** Rescaling of products. */
  MULTIPLIER = 10,
  SHIFT = 11,
  /** Rescaling of values that PRELU passes. */
  IDENTITY_MULTIPLIER = 12,
  IDENTITY_SHIFT = 13,
  /** Sizes of the output. */
  SIZES = 14,
  STRIDES_1 = 20,
  STRIDES_2 = 26,
  WORDS = 32,
}

export const enum UnaryOperation {
  ABS = 0,
  NEG = 1,
  SQRT = 2,
  /** Between ALPHA and BETA. */
  CLAMP = 3,
  /** ALPHA is the slope of negative values. */
  LEAKY = 4,
}

/** Parameters of runUnary. */
export const enum UnaryParam {
  INPUT = 0,
  OUTPUT = 1,
  COUNT = 2,
  /** A UnaryOperation. */
  OPERATION = 3,
  /** F32, or I32 for ABS and NEG. */
  ELEMENT = 4,
  /** Bits of binary32. */
  ALPHA = 5,
  BETA = 6,
  WORDS = 7,
}

/** Parameters of runCast, runQuantize and runDequantize. */
export const enum ConvertParam {
  INPUT = 0,
  OUTPUT = 1,
  COUNT = 2,
  /** An Element; runQuantize reads F32. */
  FROM = 3,
  /** An Element; runDequantize writes F32. */
  TO = 4,
  /** runQuantize: bits of the binary32 scale. */
  SCALE = 5,
  ZERO = 6,
  /** runDequantize: 256 binary32 values by byte. */
  TABLE = 7,
  WORDS = 8,
}

/** Parameters of runResizeBilinear and runResizeNearest. Tensors are NHWC. */
export const enum ResizeParam {
  INPUT = 0,
  OUTPUT = 1,
  BATCHES = 2,
  INPUT_H = 3,
  INPUT_W = 4,
  CHANNELS = 5,
  OUTPUT_H = 6,
  OUTPUT_W = 7,
  /**
   * Table by output row. Bilinear: four words each: input rows above and below, weights of both (binary32 for F32 and U8,
   * units of 1/1024 for I8). Nearest: the input row.
   */
  ROWS = 8,
  /** The same by output column. */
  COLUMNS = 9,
  /** Bilinear: F32, U8 or I8. */
  ELEMENT = 10,
  ELEMENT_BYTES = 11,
  WORDS = 12,
}

/** Parameters of runStridedCopy; six dimensions of the output, outermost first. */
export const enum StridedParam {
  /** Address of the first element that is copied. */
  INPUT = 0,
  OUTPUT = 1,
  /** Bytes that are moved together. */
  UNIT_BYTES = 2,
  SIZES = 3,
  /** Bytes between neighbours in the input; negative = backwards. */
  STRIDES = 9,
  WORDS = 15,
}

/** Parameters of runArgExtreme: the input is seen as [OUTER, AXIS, INNER]. */
export const enum ArgParam {
  INPUT = 0,
  OUTPUT = 1,
  OUTER = 2,
  AXIS = 3,
  INNER = 4,
  /** An Element: F32, I32, U8 or I8. */
  ELEMENT = 5,
  /** 1 = int64 results, 0 = int32. */
  WIDE = 6,
  /** 1 = the smallest, 0 = the largest. */
  SMALLEST = 7,
  WORDS = 8,
}

/** Parameters of runGatherNd. */
export const enum GatherParam {
  INPUT = 0,
  INDICES = 1,
  OUTPUT = 2,
  /** Slices to take. */
  COUNT = 3,
  /** Indices per slice, up to 8. */
  DEPTH = 4,
  /** 1 = int64 indices, 0 = int32. */
  WIDE = 5,
  SLICE_BYTES = 6,
  /** Sizes of the input's first DEPTH dimensions. */
  SIZES = 7,
  /** Bytes between neighbours in them. */
  STRIDES = 15,
  WORDS = 23,
}

/** Parameters of runReduce: the largest or smallest over any of six dimensions. */
export const enum ReduceParam {
  INPUT = 0,
  OUTPUT = 1,
  OUTPUT_ELEMENTS = 2,
  /** An Element: F32, I32, U8 or I8. */
  ELEMENT = 3,
  /** 1 = the smallest, 0 = the largest. */
  SMALLEST = 4,
  INPUT_SIZES = 5,
  /** 0 marks a reduced dimension. */
  OUTPUT_STRIDES = 11,
  WORDS = 17,
}

/** Parameters of runDetection. A table holds 256 binary32 values by byte; 0 = the tensor is binary32 itself. */
export const enum DetectionParam {
  BOXES = 0,
  SCORES = 1,
  ANCHORS = 2,
  BOX_TABLE = 3,
  SCORE_TABLE = 4,
  ANCHOR_TABLE = 5,
  OUTPUT_BOXES = 6,
  OUTPUT_CLASSES = 7,
  OUTPUT_SCORES = 8,
  OUTPUT_COUNT = 9,
  BOX_COUNT = 10,
  /** Numbers per box; the first four count. */
  BOX_CODE = 11,
  /** Columns of the scores, background included. */
  COLUMNS = 12,
  /** Classes without background; those are the last columns. */
  CLASSES = 13,
  MAX_DETECTIONS = 14,
  CLASSES_PER_DETECTION = 15,
  DETECTIONS_PER_CLASS = 16,
  /** 1 = suppression class by class. */
  REGULAR = 17,
  /** Bits of binary32, as the rest. */
  SCORE_THRESHOLD = 18,
  IOU_THRESHOLD = 19,
  SCALE_Y = 20,
  SCALE_X = 21,
  SCALE_H = 22,
  SCALE_W = 23,
  WORDS = 24,
}
