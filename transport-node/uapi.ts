// The kernel interface of etnaviv as declarations: structures, request numbers, parameters, flags (spec/uapi.md 1).
// SPDX-License-Identifier: MIT
import { Layout, type Fields } from "./layout.ts";

/** One request: its number is made of direction, size, type and number, as Linux does it. */
export interface Ioctl<F extends Fields = Fields> {
  name: string;
  request: number;
  layout: Layout<F>;
}

const DIRECTION = { w: 1, rw: 3 } as const;
const DRM_TYPE = 0x64;
/** Numbers of the driver's own requests begin here. */
const DRIVER_BASE = 0x40;

/** Position of the size in a request number. */
export const REQUEST_SIZE_SHIFT = 16;

function ioctl<F extends Fields>(
  name: string,
  direction: keyof typeof DIRECTION,
  number: number,
  bytes: number,
  fields: F,
): Ioctl<F> {
  const request =
    DIRECTION[direction] * 2 ** 30 + bytes * 2 ** REQUEST_SIZE_SHIFT + DRM_TYPE * 2 ** 8 + number;
  return { name, request, layout: new Layout(name, bytes, fields) };
}

/** Generic: name, date and description are copied to the pointers, cut to the lengths, which become the real ones. */
export const VERSION = ioctl("VERSION", "rw", 0x00, 64, {
  major: [0, "i32"],
  minor: [4, "i32"],
  patch: [8, "i32"],
  nameBytes: [16, "u64"],
  name: [24, "u64"],
  dateBytes: [32, "u64"],
  date: [40, "u64"],
  descBytes: [48, "u64"],
  desc: [56, "u64"],
});

/** Generic: drops a buffer handle. */
export const GEM_CLOSE = ioctl("GEM_CLOSE", "w", 0x09, 8, { handle: [0, "u32"], pad: [4, "u32"] });

/** `pipe` is the core index, here and everywhere. */
export const GET_PARAM = ioctl("GET_PARAM", "rw", DRIVER_BASE, 16, {
  pipe: [0, "u32"],
  param: [4, "u32"],
  value: [8, "u64"],
});

export const GEM_NEW = ioctl("GEM_NEW", "rw", DRIVER_BASE + 2, 16, {
  size: [0, "u64"],
  flags: [8, "u32"],
  handle: [12, "u32"],
});

/** The offset at which the device file maps the buffer. */
export const GEM_INFO = ioctl("GEM_INFO", "rw", DRIVER_BASE + 3, 16, {
  handle: [0, "u32"],
  pad: [4, "u32"],
  offset: [8, "u64"],
});

/** Waits until the host may touch a buffer, at most until an absolute time of CLOCK_MONOTONIC. */
export const GEM_CPU_PREP = ioctl("GEM_CPU_PREP", "w", DRIVER_BASE + 4, 24, {
  handle: [0, "u32"],
  op: [4, "u32"],
  sec: [8, "i64"],
  nsec: [16, "i64"],
});

export const GEM_CPU_FINI = ioctl("GEM_CPU_FINI", "w", DRIVER_BASE + 5, 8, {
  handle: [0, "u32"],
  flags: [4, "u32"],
});

export const GEM_SUBMIT = ioctl("GEM_SUBMIT", "rw", DRIVER_BASE + 6, 72, {
  fence: [0, "u32"],
  pipe: [4, "u32"],
  execState: [8, "u32"],
  bosCount: [12, "u32"],
  relocsCount: [16, "u32"],
  streamBytes: [20, "u32"],
  bos: [24, "u64"],
  relocs: [32, "u64"],
  stream: [40, "u64"],
  flags: [48, "u32"],
  fenceFd: [52, "i32"],
  pmrs: [56, "u64"],
  pmrsCount: [64, "u32"],
  pad: [68, "u32"],
});

/** Waits for a fence, at most until an absolute time of CLOCK_MONOTONIC. */
export const WAIT_FENCE = ioctl("WAIT_FENCE", "w", DRIVER_BASE + 7, 32, {
  pipe: [0, "u32"],
  fence: [4, "u32"],
  flags: [8, "u32"],
  pad: [12, "u32"],
  sec: [16, "i64"],
  nsec: [24, "i64"],
});

export const GEM_USERPTR = ioctl("GEM_USERPTR", "rw", DRIVER_BASE + 8, 24, {
  pointer: [0, "u64"],
  size: [8, "u64"],
  flags: [16, "u32"],
  handle: [20, "u32"],
});

export const GEM_WAIT = ioctl("GEM_WAIT", "w", DRIVER_BASE + 9, 32, {
  pipe: [0, "u32"],
  handle: [4, "u32"],
  flags: [8, "u32"],
  pad: [12, "u32"],
  sec: [16, "i64"],
  nsec: [24, "i64"],
});

/** `iter` goes in and comes back as the next one; PM_DOMAIN_END after the last. */
export const PM_QUERY_DOM = ioctl("PM_QUERY_DOM", "rw", DRIVER_BASE + 0xa, 72, {
  pipe: [0, "u32"],
  iter: [4, "u8"],
  id: [5, "u8"],
  signals: [6, "u16"],
  name: [8, "char[64]"],
});

/** As PM_QUERY_DOM; PM_SIGNAL_END after the last. */
export const PM_QUERY_SIG = ioctl("PM_QUERY_SIG", "rw", DRIVER_BASE + 0xb, 76, {
  pipe: [0, "u32"],
  domain: [4, "u8"],
  pad: [5, "u8"],
  iter: [6, "u16"],
  id: [8, "u16"],
  name: [10, "char[64]"],
});

export const PM_DOMAIN_END = 0xff;
export const PM_SIGNAL_END = 0xffff;

/** All requests, for tests and documentation. */
export const IOCTLS: readonly Ioctl[] = [
  VERSION,
  GET_PARAM,
  GEM_NEW,
  GEM_INFO,
  GEM_CPU_PREP,
  GEM_CPU_FINI,
  GEM_SUBMIT,
  WAIT_FENCE,
  GEM_USERPTR,
  GEM_WAIT,
  PM_QUERY_DOM,
  PM_QUERY_SIG,
  GEM_CLOSE,
];

/** An entry of a submit's buffer list; with softpin `presumed` is the buffer's GPU address. */
export const SUBMIT_BO = new Layout("SUBMIT_BO", 16, {
  flags: [0, "u32"],
  handle: [4, "u32"],
  presumed: [8, "u64"],
});

/** A relocation by the kernel; not used with softpin. */
export const SUBMIT_RELOC = new Layout("SUBMIT_RELOC", 24, {
  submitOffset: [0, "u32"],
  relocIndex: [4, "u32"],
  relocOffset: [8, "u64"],
  flags: [16, "u32"],
  pad: [20, "u32"],
});

/** A reading of a counter; `readOffset` counts 32-bit words of buffer `readIndex`, where word 0 gets the sequence number. */
export const PM_REQUEST = new Layout("PM_REQUEST", 20, {
  flags: [0, "u32"],
  domain: [4, "u8"],
  pad: [5, "u8"],
  signal: [6, "u16"],
  sequence: [8, "u32"],
  readOffset: [12, "u32"],
  readIndex: [16, "u32"],
});

/** Parameters of GET_PARAM. */
export const PARAM = {
  MODEL: 0x01,
  REVISION: 0x02,
  /** Thirteen words, 0x03 to 0x0f. */
  FEATURES_0: 0x03,
  FEATURES_12: 0x0f,
  STREAM_COUNT: 0x10,
  REGISTER_MAX: 0x11,
  THREAD_COUNT: 0x12,
  VERTEX_CACHE_SIZE: 0x13,
  SHADER_CORES: 0x14,
  PIXEL_PIPES: 0x15,
  VERTEX_OUTPUT_BUFFER: 0x16,
  BUFFER_SIZE: 0x17,
  INSTRUCTION_COUNT: 0x18,
  CONSTANTS: 0x19,
  VARYINGS: 0x1a,
  SOFTPIN_START: 0x1b,
  PRODUCT_ID: 0x1c,
  CUSTOMER_ID: 0x1d,
  ECO_ID: 0x1e,
} as const;

/** What SOFTPIN_START says where there is no softpin. */
export const NO_SOFTPIN = 2n ** 64n - 1n;

/** Flags of GEM_NEW. */
export const GEM = {
  CACHED: 0x10000,
  WRITE_COMBINED: 0x20000,
  UNCACHED: 0x40000,
  FORCE_MMU: 0x100000,
} as const;

/** Operations of GEM_CPU_PREP, ORed. */
export const PREP = { READ: 1, WRITE: 2, NOSYNC: 4 } as const;

/** Flags of WAIT_FENCE and GEM_WAIT. */
export const WAIT = { NONBLOCKING: 1 } as const;

/** Flags of GEM_SUBMIT. */
export const SUBMIT = { NO_IMPLICIT: 1, FENCE_FD_IN: 2, FENCE_FD_OUT: 4, SOFTPIN: 8 } as const;

/** Flags of SUBMIT_BO; the same as ExecutableBuffer.access. */
export const BO = { READ: 1, WRITE: 2 } as const;

/** Flags of PM_REQUEST: before or after the stream. */
export const PM = { PRE: 1, POST: 2 } as const;

/** Execution states of GEM_SUBMIT. NPU streams run in the 3D state. */
export const EXEC_STATE = { PIPE_3D: 0, PIPE_2D: 1, PIPE_VG: 2 } as const;

export const MAX_CORES = 4;

/** The kernel takes at most this many counter readings with a submit. */
export const PM_REQUEST_LIMIT = 128;

/** Driver name that VERSION returns. */
export const DRIVER_NAME = "etnaviv";

/** From this version on the driver reports product, customer and eco ids. */
export const IDS_SINCE = { major: 1, minor: 4 } as const;

/** The kernel's scheduler gives up on a job that shows no progress for this long. */
export const WATCHDOG_MS = 500;
