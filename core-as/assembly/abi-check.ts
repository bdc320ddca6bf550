// Numbers of the pre-submit check that both sides of the WASM boundary name. Enums only, as in abi.ts.
// SPDX-License-Identifier: MIT

/** What checkSubmit knows about the chip and its caller's wishes: 32-bit words. */
export const enum CheckChip {
  /** NN core version, 7 or 8. */
  NN_VERSION = 0,
  NN_CORES,
  TP_CORES,
  /** Bytes of on-chip SRAM that cache plans may name. */
  SRAM_BYTES,
  /** 1 = values of the reference driver's parallel debug mode may appear. */
  PARALLEL,
  WORDS,
}

/** One buffer of a submit: 32-bit words. The list is in order of address. */
export const enum CheckBuffer {
  /** GPU address of the first byte. */
  ADDRESS = 0,
  BYTES,
  /** Access bits. */
  ACCESS,
  /** Where in WASM memory the contents are; 0 = not known. */
  CONTENTS,
  /** Bytes that are known, from the first one on. */
  HELD,
  /** Number in the caller's list. */
  INDEX,
  /** Bytes of memory behind the address that are this buffer's alone; at least BYTES, whole pages. */
  MAPPED,
  WORDS,
}

/** Why a submit was refused; the host has a sentence for each. */
export const enum CheckReason {
  NONE = 0,
  // ---- TW_CHECK_LIMIT ----
  STREAM_EMPTY,
  STREAM_BYTES,
  STREAM_ODD,
  BUFFER_COUNT,
  BUFFER_SIZE,
  BUFFER_ADDRESS,
  BUFFER_MAPPED,
  BUFFER_SPACE,
  BUFFER_OVERLAP,
  TP_CORES,
  COEFFICIENT_WORK,
  // ---- TW_CHECK_STREAM ----
  COMMAND,
  FIXED_POINT,
  COUNT,
  PADDING,
  NESTED,
  NO_JOB,
  NOT_SET,
  NOT_ENDED,
  NOT_FLUSHED,
  /** The job with tag `value` may still run where none may. */
  NOT_WAITED,
  /** Two jobs have tag `value` at a time. */
  TAG_TWICE,
  // ---- TW_CHECK_STATE ----
  STATE,
  STATE_VALUE,
  TAG,
  TAG_LAST,
  // ---- TW_CHECK_ADDRESS ----
  /** FROM to TO - 1 is not inside one buffer. */
  OUTSIDE,
  /** It is, but BUFFER does not grant ACCESS. */
  DIRECTION,
  /** Checked contents lie in a buffer that this submit may write. */
  WRITABLE,
  /** Checked contents lie where the caller knows none. */
  NOT_HELD,
  /** The job reads, FROM to TO - 1, what it writes. */
  READS_OUTPUT,
  /** Coefficient streams, FROM to TO - 1, leave their buffer. */
  STREAMS_OUTSIDE,
  /** Kernel DETAIL, which has no channel, would write FROM to TO - 1 behind all that is mapped of BUFFER. */
  SURPLUS_OUTSIDE,
  // ---- TW_CHECK_DESCRIPTOR ----
  /** VALUE = bits of descriptor word DETAIL that no field declares. */
  STRAY_BITS,
  /** A field has not the only known value, DETAIL. */
  CONSTANT,
  /** A field is not within FROM to TO, both included. */
  RANGE,
  /** A field is no multiple of DETAIL. */
  MULTIPLE,
  PATTERN,
  SRAM_OVERLAP,
  PARTIAL_TILE,
  RESET_COUNT,
  /** More elements, FROM, than bytes between the first and the last output, TO. */
  WRITES_TWICE,
  /** The coefficient buffer contradicts itself or the descriptor at its word DETAIL. */
  COEFFICIENTS,
  /** Entry DETAIL of a look-up table is no FP21 number. */
  TABLE,
}

/** More about a refusal than the fault record holds: 32-bit words; -1 = does not apply. */
export const enum CheckReport {
  /** CheckReason. */
  REASON = 0,
  FROM_LOW,
  FROM_HIGH,
  TO_LOW,
  TO_HIGH,
  /** Wanted access. */
  ACCESS,
  /** Number of a buffer in the caller's list. */
  BUFFER,
  DETAIL,
  /** Address of a state. */
  STATE,
  /** 0 = an NN job, 1 = a TP job. */
  KIND,
  WORDS,
}
