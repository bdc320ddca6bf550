// Numbers of recordings (.twr) that their writer and their reader share; docs/formats.md has the whole layout.
// SPDX-License-Identifier: MIT
import type { ErrorLocation } from "../../errors.ts";
import type { Evidence, StepTiming } from "../transport.ts";

/** 0x89 TWR, then the line ends that a transfer as text would change. */
export const MAGIC: readonly number[] = [0x89, 0x54, 0x57, 0x52, 0x0d, 0x0a, 0x1a, 0x0a];
export const FORMAT_VERSION = 1;

/** Byte offsets of the header. */
export const HEADER = {
  version: 8,
  model: 12,
  revision: 16,
  productId: 20,
  ecoId: 24,
  customerId: 28,
  reserved: 32,
  /** CRC-32 of everything before it. */
  crc: 36,
} as const;
export const HEADER_BYTES = 40;

/** Byte offsets of what stands before the contents of every record. */
export const RECORD = {
  tag: 0,
  /** Of the contents alone. */
  bytes: 4,
  /** 0, 1, 2, …: a record that is missing, doubled or moved is noticed. */
  index: 8,
  /** CRC-32 of the three words before and of the contents. */
  crc: 12,
} as const;
export const RECORD_HEAD_BYTES = 16;
/** Records begin at multiples of this; zeros in between. */
export const ALIGNMENT = 4;

/** Kinds of records, as four ASCII letters. */
export const TAGS = ["META", "BLOB", "LOAD", "RUNS", "ENDS"] as const;
export type RecordTag = (typeof TAGS)[number];

export const DIGEST_BYTES = 32;
/** What closing a recording adds at most; kept free below the limit. */
export const END_BYTES = RECORD_HEAD_BYTES + 4;
/** Largest number of bytes of a recording unless the caller says otherwise. */
export const DEFAULT_MAX_BYTES = 2 ** 30;

/** Stands for "no jobs" and "no string". */
export const NONE = 0xffffffff;

/** Bits of a run's options. */
export const FLAGS = { profile: 1, timeout: 2 } as const;
/** First word of what came of a load or a run. */
export const OUTCOME = { ok: 0, error: 1 } as const;

// The position in each list is the number in the file.
export const EVIDENCES: readonly Evidence[] = ["none", "simulated", "measured"];
export const STEP_KINDS: readonly StepTiming["kind"][] = ["npu", "cpu"];
/** Bit i of an error's mask: the number follows. */
export const PLACES: readonly Exclude<keyof ErrorLocation, "field">[] = [
  "op",
  "tensor",
  "job",
  "byteOffset",
  "wordIndex",
  "addrGpu",
];

/** The word of a tag. */
export function tagNumber(tag: RecordTag): number {
  return [...tag].reduce((word, letter, i) => word | (letter.charCodeAt(0) << (8 * i)), 0) >>> 0;
}
