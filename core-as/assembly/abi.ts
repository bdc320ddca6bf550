// Numbers that both sides of the WASM boundary name: status codes and record layouts.
// This file is compiled by AssemblyScript and by TypeScript, so it holds enums only.
// SPDX-License-Identifier: MIT

/** Result of every exported function that can fail. 0 = done; anything else: read the fault record. */
export const enum Status {
  OK = 0,
  /** The WASM memory cannot grow any further. */
  NO_MEMORY = 1,
  /** value does not fit block.field; detail = bits. */
  FIELD_RANGE = 2,
  /** No tiling fits. */
  TILING = 3,
  /** A coefficient stream does not fit its limits. */
  COEFFICIENTS = 4,
  /** A kernel was called with sizes that its caller should have refused. */
  BAD_ARGUMENT = 5,
  SIM_BAD_COMMAND = 16,
  SIM_BAD_STATE = 17,
  SIM_BAD_ADDRESS = 18,
  SIM_ALIGNMENT = 19,
  SIM_BAD_DESCRIPTOR = 20,
  SIM_BAD_COEFFICIENTS = 21,
  SIM_DOUBLE_WRITE = 22,
  SIM_LIMIT = 23,
}

/** Index of each 32-bit member of the fault record; -1 = does not apply. */
export const enum Fault {
  CODE = 0,
  /** Block id of hw/ (0 NN descriptor, 1 TP descriptor, 2 command, 3 coefficients). */
  BLOCK = 1,
  /** Field id within the block, as generated from hw/. */
  FIELD = 2,
  /** Word index within the descriptor, coefficient stream or command stream. */
  WORD_INDEX = 3,
  /** The offending value (low 32 bits). */
  VALUE = 4,
  /** Job index within the submit. */
  JOB = 5,
  /** GPU virtual address. */
  ADDRESS = 6,
  /** Field width in bits, or another limit that was broken. */
  LIMIT = 7,
  WORDS = 8,
}

// ---- CPU kernels: parameter blocks of 32-bit words; addresses are bytes, everything else counts elements ----

/** Parameters of runConv2d and runDepthwiseConv2d. Tensors are NHWC. */
export const enum ConvParam {
  INPUT = 0,
  /** Weights as prepareWeights left them. */
  WEIGHTS = 1,
  /** int32 per output channel, or 0 for none. */
  BIAS = 2,
  /** int32 per output channel: mantissas of the requantisation. */
  MULTIPLIERS = 3,
  /** int32 per output channel: exponents of the requantisation (positive = left). */
  SHIFTS = 4,
  OUTPUT = 5,
  BATCHES = 6,
  INPUT_H = 7,
  INPUT_W = 8,
  INPUT_C = 9,
  OUTPUT_H = 10,
  OUTPUT_W = 11,
  OUTPUT_C = 12,
  KERNEL_H = 13,
  KERNEL_W = 14,
  STRIDE_H = 15,
  STRIDE_W = 16,
  DILATION_H = 17,
  DILATION_W = 18,
  PAD_TOP = 19,
  PAD_LEFT = 20,
  /** Convolution: groups that divide both channel counts. Depthwise: output channels per input channel. */
  GROUPS = 21,
  INPUT_ZERO = 22,
  OUTPUT_ZERO = 23,
  CLAMP_MIN = 24,
  CLAMP_MAX = 25,
  /** 1 = int8 activations, 0 = uint8. */
  SIGNED = 26,
  WORDS = 27,
}

/** Parameters of runAdd; six dimensions, outermost first, a stride of 0 repeats the operand. */
export const enum AddParam {
  INPUT_1 = 0,
  INPUT_2 = 1,
  OUTPUT = 2,
  ZERO_1 = 3,
  ZERO_2 = 4,
  OUTPUT_ZERO = 5,
  MULTIPLIER_1 = 6,
  SHIFT_1 = 7,
  MULTIPLIER_2 = 8,
  SHIFT_2 = 9,
  OUTPUT_MULTIPLIER = 10,
  OUTPUT_SHIFT = 11,
  CLAMP_MIN = 12,
  CLAMP_MAX = 13,
  SIGNED = 14,
  /** Sizes of the output. */
  SIZES = 15,
  STRIDES_1 = 21,
  STRIDES_2 = 27,
  WORDS = 33,
}

/** Parameters of runAveragePool2d and runMaxPool2d. Tensors are NHWC. */
export const enum PoolParam {
  INPUT = 0,
  OUTPUT = 1,
  BATCHES = 2,
  INPUT_H = 3,
  INPUT_W = 4,
  CHANNELS = 5,
  OUTPUT_H = 6,
  OUTPUT_W = 7,
  FILTER_H = 8,
  FILTER_W = 9,
  STRIDE_H = 10,
  STRIDE_W = 11,
  PAD_TOP = 12,
  PAD_LEFT = 13,
  CLAMP_MIN = 14,
  CLAMP_MAX = 15,
  SIGNED = 16,
  WORDS = 17,
}

/** Parameters of runSoftmax, over the innermost dimension. */
export const enum SoftmaxParam {
  INPUT = 0,
  OUTPUT = 1,
  ROWS = 2,
  ROW_LENGTH = 3,
  MULTIPLIER = 4,
  /** Not negative. */
  LEFT_SHIFT = 5,
  /** Differences to the row's maximum below this one count as probability 0. */
  DIFF_MIN = 6,
  SIGNED = 7,
  WORDS = 8,
}

/** Parameters of runMean; six dimensions, outermost first, an output stride of 0 marks a reduced dimension. */
export const enum MeanParam {
  INPUT = 0,
  OUTPUT = 1,
  OUTPUT_ELEMENTS = 2,
  /** Input elements that make up one output element. */
  COUNT = 3,
  INPUT_ZERO = 4,
  OUTPUT_ZERO = 5,
  /** Rescaling of a sum, with the division by COUNT in it. */
  MULTIPLIER = 6,
  SHIFT = 7,
  SIGNED = 8,
  INPUT_SIZES = 9,
  OUTPUT_STRIDES = 15,
  WORDS = 21,
}

/** Parameters of runPad: six dimensions, outermost first, one-byte elements. */
export const enum PadParam {
  INPUT = 0,
  OUTPUT = 1,
  VALUE = 2,
  INPUT_SIZES = 3,
  /** Padding in front of each dimension. */
  BEFORE = 9,
  OUTPUT_SIZES = 15,
  WORDS = 21,
}

/** Parameters of runCopyBlocks; all sizes in bytes. */
export const enum CopyParam {
  INPUT = 0,
  OUTPUT = 1,
  BLOCKS = 2,
  BLOCK_BYTES = 3,
  INPUT_STRIDE = 4,
  OUTPUT_STRIDE = 5,
  /** 256 bytes that every byte is replaced through, or 0 for a plain copy. */
  LOOKUP = 6,
  WORDS = 7,
}
