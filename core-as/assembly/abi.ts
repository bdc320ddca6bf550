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
  /** A computed value makes the operator impossible: a division by zero, an index outside of its tensor. */
  BAD_DATA = 6,
  SIM_BAD_COMMAND = 16,
  SIM_BAD_STATE = 17,
  SIM_BAD_ADDRESS = 18,
  SIM_ALIGNMENT = 19,
  SIM_BAD_DESCRIPTOR = 20,
  SIM_BAD_COEFFICIENTS = 21,
  SIM_DOUBLE_WRITE = 22,
  SIM_LIMIT = 23,
  /** value = number of the other job. */
  SIM_OVERLAP = 24,
  CHECK_STREAM = 32,
  CHECK_STATE = 33,
  CHECK_ADDRESS = 34,
  CHECK_DESCRIPTOR = 35,
  CHECK_LIMIT = 36,
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

/**
 * The record of one NN job: what the compiler decided (in) and what the core planned (out).
 * All members are 32-bit words. Axes are the hardware's: x = fastest, y = rows, z = planes.
 */
export const enum NnJob {
  // ---- chip (in) ----
  /** NN core version, 7 or 8. */
  CORE_VERSION = 0,
  NN_CORES,
  /** Largest width of a zero-run length in bits. */
  ZRL_MAX,
  INPUT_DEPTH,
  ACCUM_DEPTH,
  /** Bytes of on-chip SRAM. */
  SRAM_BYTES,
  // ---- geometry, as the descriptor says it (in) ----
  IN_X,
  IN_Y,
  IN_Z,
  /** Output sizes before first-pixel pooling drops every second row and column. */
  OUT_X,
  OUT_Y,
  OUT_Z,
  KERNEL_X,
  KERNEL_Y,
  /** Signed; negative = padding before. */
  OFFSET_X,
  OFFSET_Y,
  IN_X_STRIDE,
  IN_Y_STRIDE,
  OUT_X_STRIDE,
  OUT_Y_STRIDE,
  FIRST_PIXEL,
  RELU,
  // ---- quantisation (in) ----
  IN_ZP,
  OUT_ZP,
  WEIGHT_ZP,
  /** Bits of binary32 scales. */
  IN_SCALE,
  WEIGHT_SCALE,
  OUT_SCALE,
  /** QuirkFlag bits: quirks of the reference to reproduce. */
  QUIRKS,
  // ---- tiling (in) ----
  TILE_OUT_X,
  TILE_OUT_Y,
  TILE_OUT_Z,
  TILE_KERNEL_X,
  TILE_KERNEL_Y,
  /** 1 when the accumulators are shared as for one-row kernels. */
  TILE_ONE_ROW,
  STRIDE,
  /** Largest sides of a tile besides what the buffers allow; 0 = only that. */
  TILE_LIMIT_X,
  TILE_LIMIT_Y,
  /** Both axes of the kernel footprint in the image cache (the reference uses x for both, Q20). */
  CACHE_KERNEL_X,
  CACHE_KERNEL_Y,
  /** CacheSplit. */
  CACHE_SPLIT,
  // ---- coefficients (in) ----
  /** CoefOrder. */
  ORDER,
  /** Input planes per kernel in the stream. */
  COEF_PLANES,
  /** Kernels in the stream. */
  COEF_KERNELS,
  ROWS,
  COLS,
  /** End of the second part of a split row: COLS, or ROWS as the reference has it (Q5). */
  REST_END,
  /** 1: rows longer than three weights go as 3 + rest. */
  SPLIT_ROWS,
  /** WeightSource. */
  SOURCE,
  /** Depthwise: stored planes per kernel (1, or 4 after destriding). */
  DW_PLANES,
  /** Depthwise: output channels per input channel. */
  DW_MULTIPLIER,
  /** Bytes of the transformed weights; reads behind them give 0. */
  WEIGHT_BYTES,
  /** Version 8: XORed into every stored weight, 0x80 for int8. (Version 7 gets weights in unsigned form.) */
  WEIGHT_FLIP,
  /** Byte that stands for a weight outside a depthwise kernel. */
  PAD_BYTE,
  /** Output values per channel in memory: distance of output offsets. */
  OUT_PLANE,
  /** Addition: the word that replaces the output offset, when IS_ADD. */
  ADD_WORD,
  IS_ADD,
  /** RunSearch. */
  RUN_SEARCH,
  /** Version 8: output channel o reads input channel o only. */
  NATIVE_DEPTHWISE,
  /** Experiment bits: mechanisms that no capture shows. */
  EXPERIMENTS,
  /** Version 7: address of COEF_KERNELS words, the channels in the order in which kernels are dealt; 0 = in their own order. */
  KERNEL_ORDER,
  // ---- planned (out) ----
  TILE_X,
  TILE_Y,
  INTERLEAVE,
  SUPERBLOCKS,
  KERNELS_PER_CORE,
  ZRL_BITS,
  /** Version 8: nibble i = bit length that symbol i stands for. */
  SYMBOL_MAP,
  /** Bytes of the whole coefficient buffer. */
  COEF_BYTES,
  /** Bytes that the cache plan counts. */
  COEF_CACHE_BYTES,
  IMAGE_MODE,
  IMAGE_START,
  IMAGE_END,
  KERNEL_MODE,
  KERNEL_START,
  KERNEL_END,
  PATTERN_MSB,
  PATTERN_LOW,
  PATTERN_HIGH,
  POST_MULTIPLIER,
  POST_SHIFT,
  /** Rounded stream size of core 0; up to 32 cores follow. */
  CORE_BYTES,
  WORDS = CORE_BYTES + 32,
}

/** Quirks of the reference (spec/quirks.md) that the core reproduces on demand. */
export const enum QuirkFlag {
  /** Q1: as many kernels for every core, reading past the end of weights and biases. */
  READ_PAST_END = 1,
  /** Q21: the kernel cache ends at 0 when the image cache alone exceeds the SRAM. */
  KERNEL_END_ZERO = 2,
  /** Q22: the post multiplier is truncated instead of rounded. */
  TRUNCATE_MULTIPLIER = 4,
  /** Q23: a shift outside its field wraps. */
  WRAP_SHIFT = 8,
  /** Unsigned arithmetic: a kernel taller than the input buffer does not limit the tile (lowering.md 0, 7). */
  WRAP_ROWS = 16,
  /** Q11, Q12: the symbol map of version 8 follows stored bytes instead of coded ones. */
  COUNT_STORED = 32,
  /** Q6: runs end with every input channel in the last superblock; in all others they go on, as captures show. */
  FLUSH_PLANES = 64,
}

/** What version 8 of the NN cores may do although no capture shows it (docs/cost-model.md, Experimental). */
export const enum Experiment {
  /** Both caches of the on-chip memory, with the ranges that captures have with caches off. */
  CACHES = 1,
  /** Tiles of more than four rows. */
  TALL_TILES = 2,
  /** Zero runs in coefficient streams. */
  ZERO_RUNS = 4,
}

/** What the on-chip memory holds when it does not hold both, coefficients and the input of a tile. */
export const enum CacheSplit {
  /** As the reference: the image unless the coefficients alone exceed the memory. */
  REFERENCE = 0,
  /** All coefficients, no image. */
  KERNELS = 1,
  /** The image; the coefficients get what is left. */
  IMAGE = 2,
}

export const enum CoefOrder {
  /** Blocks of up to six input channels of each kernel; 1x1 kernels. */
  POINTWISE = 0,
  /** Input channel by input channel, all kernels of a superblock in turn. */
  INTERLEAVED = 1,
}

export const enum WeightSource {
  /** Every plane of every kernel is stored. */
  DENSE = 0,
  /** A kernel stores only the planes of its own input channel; all others are PAD_BYTE. */
  DEPTHWISE = 1,
}

export const enum RunSearch {
  /** No zero runs. */
  NONE = 0,
  /** From the widest down, stop at the first worse (Q8). */
  GREEDY = 1,
  /** The smallest of all widths. */
  EXHAUSTIVE = 2,
  /** The width that ZRL_BITS says. */
  FIXED = 3,
}

/** The record of one TP descriptor; names as in core-as/hw/tp.ts. */
export const enum TpJob {
  IN_X_SIZE = 0,
  IN_Y_SIZE,
  IN_Z_SIZE,
  IN_STRIDE,
  IN_SLICE,
  WINDOW_X_START,
  WINDOW_Y_START,
  WINDOW_X_END,
  WINDOW_Y_END,
  TILE_X_SIZE,
  TILE_Y_SIZE,
  TILE_X_INC,
  TILE_Y_INC,
  LOOP_1_RESET,
  LOOP_2_RESET,
  LOOP_3_RESET,
  NO_FLUSH,
  INC_0,
  COUNT_0,
  INC_1,
  COUNT_1,
  INC_2,
  COUNT_2,
  INC_3,
  COUNT_3,
  INC_4,
  COUNT_4,
  INC_5,
  COUNT_5,
  INC_6,
  IN_ZP,
  OUT_ZP,
  /** 1 = values go through a look-up table in memory, with sign. */
  LOOKUP,
  /** Signed; outputs are divided by 2 to this power. */
  POST_SHIFT,
  /** Outputs are multiplied by 1 + this / 2^15. */
  POST_MULTIPLIER,
  WORDS,
}

/** Entry of a job in the list that emitCommands reads. */
export const enum CommandJob {
  /** 0 NN, 1 TP. */
  KIND = 0,
  DESCRIPTORS,
  /** Value of state 0x03950 for all descriptors but the last. */
  UNK_03950,
  /** Sequence tag; 0 = the job runs alone and the stream waits for it. */
  TAG,
  /** Tags that the stream waits for behind the job; 0 = none. A job without a tag needs none. */
  WAIT_A,
  WAIT_B,
  WORDS,
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

/** Index of each 32-bit word that decodeCoefs and the simulator count per coefficient buffer. */
export const enum CoefStats {
  /** Kernels in all streams, also those beyond the output's channels. */
  KERNELS = 0,
  /** Width of zero runs in the first stream; 0 in version 8, which has none. */
  ZRL_BITS = 1,
  /** Weights coded as a byte; in version 8 all. */
  LITERALS = 2,
  /** Zero runs that are not empty. */
  RUNS = 3,
  /** Weights that differ from the zero point. */
  NONZERO = 4,
  /** Bytes from the start of the buffer to the end of the last stream (version 7) or the biases (version 8). */
  BYTES = 5,
  /** First of sixteen words: kernels in each core's stream. */
  CORE_KERNELS = 8,
  WORDS = 24,
}

/** How halves are rounded when outputs are requantised; unknown for real hardware (spec/hardware.md 7). */
export const enum Rounding {
  HALF_EVEN = 0,
  HALF_UP = 1,
  HALF_AWAY = 2,
}

/** Bits of a buffer's access in a submit. */
export const enum Access {
  NONE = 0,
  READ = 1,
  WRITE = 2,
}
