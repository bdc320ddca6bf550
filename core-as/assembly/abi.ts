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

/** Index of each 32-bit word that decodeCoefs and the simulator count per coefficient buffer. */
export const enum CoefStats {
  /** Kernels in all streams, also those beyond the output's channels. */
  KERNELS = 0,
  /** Width of zero runs in the first stream. */
  ZRL_BITS = 1,
  /** Weights coded as a byte. */
  LITERALS = 2,
  /** Zero runs that are not empty. */
  RUNS = 3,
  /** Weights that differ from the zero point. */
  NONZERO = 4,
  /** Bytes from the start of the buffer to the end of the last stream. */
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
