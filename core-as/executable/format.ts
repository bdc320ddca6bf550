// Numbers of the .twx container that its writer and its reader share (docs/formats.md has the whole layout).
// SPDX-License-Identifier: MIT
import type { BufferRole, ExecutableJob, LayerBound, Placement, Relocation } from "./executable.ts";

/** 0x89 TWX, then the line ends that a transfer as text would change. */
export const MAGIC: readonly number[] = [0x89, 0x54, 0x57, 0x58, 0x0d, 0x0a, 0x1a, 0x0a];
export const FORMAT_VERSION = 1;

export const HEADER_BYTES = 64;
export const ENTRY_BYTES = 32;
/** Sections and buffer contents begin at multiples of this. */
export const ALIGNMENT = 64;
export const MAX_SECTIONS = 64;
/** Flag of a section table entry: a reader that does not know the section must refuse the file. */
export const REQUIRED = 1;

/** Byte offsets of the header's words. */
export const HEADER = {
  version: 8,
  fileBytes: 12,
  sections: 16,
  crc: 20,
  model: 24,
  revision: 28,
  productId: 32,
  ecoId: 36,
  customerId: 40,
  /** From here to the end: zeros. */
  reserved: 44,
} as const;

/** Byte offsets of a section table entry's words. */
export const ENTRY = { tag: 0, flags: 4, offset: 8, bytes: 12, crc: 16, reserved: 20 } as const;

/** Sections that every file has, in the order in which they are written; all are required. */
export const SECTIONS = [
  "STRS",
  "META",
  "GRAF",
  "PART",
  "BUFS",
  "RELO",
  "JOBS",
  "PORT",
  "STEP",
  "PLAC",
  "QUIR",
  "ACCU",
  "DATA",
] as const;
export type SectionTag = (typeof SECTIONS)[number];

/** Written behind the others, required, and only where they say anything: older readers refuse what they would get wrong. */
export const SOMETIMES = ["PLNR"] as const;
export type SometimesTag = (typeof SOMETIMES)[number];

/** Stands for "no index" and "no string". */
export const NONE = 0xffffffff;

/** All buffers together, in whole pages: far above any model for these chips, far below their 32-bit address space. */
export const MAX_BUFFER_BYTES = 2 ** 30;
export const PAGE_BYTES = 4096;

// The position in each list is the number in the file.
export const ROLES: readonly BufferRole[] = [
  "tensor",
  "coefficients",
  "descriptor",
  "stream",
  "table",
];
export const RELOCATION_KINDS: readonly Relocation["kind"][] = [
  "address",
  "address26shift6",
  "descriptor",
];
export const JOB_KINDS: readonly ExecutableJob["kind"][] = ["NN", "TP"];
export const STEP_KINDS = ["npu", "cpu"] as const;
export const PLACES: readonly Placement["place"][] = ["npu", "cpu"];
/** Evidence of placements; index 0 = none, for operators on the CPU. */
export const EVIDENCES: readonly Placement["evidence"][] = [
  null,
  "captured",
  "never captured",
  "newer driver, not captured",
  "experimental: no capture shows this",
];
export const ACCURACY_LEVELS: readonly LayerBound["accuracy"][] = ["exact", "balanced", "fast"];
export const INPUT_MODELS: readonly LayerBound["inputs"][] = ["uniform", "propagated", "pictures"];
export const MODES = ["compatible", "optimised"] as const;

export const alignUp = (bytes: number, alignment: number): number =>
  Math.ceil(bytes / alignment) * alignment;
