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
  /** Both axes of the kernel footprint in the image cache (the reference uses x for both, Q20). */
  CACHE_KERNEL_X,
  CACHE_KERNEL_Y,
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
  /** Byte that stands for a weight outside a depthwise kernel. */
  PAD_BYTE,
  /** Output values per channel in memory: distance of output offsets. */
  OUT_PLANE,
  /** Addition: the word that replaces the output offset, when IS_ADD. */
  ADD_WORD,
  IS_ADD,
  /** RunSearch. */
  RUN_SEARCH,
  // ---- planned (out) ----
  TILE_X,
  TILE_Y,
  INTERLEAVE,
  SUPERBLOCKS,
  KERNELS_PER_CORE,
  ZRL_BITS,
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
  WORDS,
}

/** Entry of a job in the list that emitCommands reads. */
export const enum CommandJob {
  /** 0 NN, 1 TP. */
  KIND = 0,
  DESCRIPTORS,
  /** Value of state 0x03950 for all descriptors but the last. */
  UNK_03950,
  WORDS,
}
