// What every coefficient decoder is asked for and what it returns, whatever the version.
// SPDX-License-Identifier: MIT

/** Bias (u32), then a u32: output offset (version 7) or output channel (version 8). */
export const KERNEL_RECORD_BYTES: usize = 8;
/** Kernel and weight (u32), tap (u32). */
export const TAP_ENTRY_BYTES: usize = 8;

/** A decode: the descriptor's view of a coefficient buffer, and the places of the results. */
@unmanaged
export class CoefRequest {
  source: usize;
  /** Bytes that may be read from `source` on. */
  bytes: u32;
  /** NN cores of the chip. */
  cores: u32;
  kernelX: u32;
  kernelY: u32;
  kernelZ: u32;
  /** Kernels per core and superblock. */
  perCore: u32;
  outZ: u32;
  zeroPoint: u32;
  /** Version 8: every kernel has one plane, that of its own channel. */
  depthwise: bool;
  /** CoefStats words. */
  stats: usize;

  /**
   * Set by open: cores with a stream, kernels in all streams, bytes from `source` to the end of
   * what belongs to the buffer.
   */
  coresUsed: u32;
  kernels: u32;
  streamBytes: u32;
  /** Set by open: the most entries that decode can make, and the bytes that it needs to work. */
  entriesMax: u64;
  workBytes: u64;

  /**
   * Allocated by the caller between open and decode: workBytes bytes, and the results, first the
   * weights that differ from the zero point. entries = 0: the same walk through the streams, but no
   * weights are kept and LITERALS and RUNS are not counted.
   */
  workspace: usize;
  entries: usize;
  entryCount: u32;
  /** KERNEL_RECORD_BYTES for each kernel. */
  records: usize;
}

/** Access to one decoded weight; inlined, as it is done for every weight. */
export abstract class Tap {
  /** kernel << 10 | (weight - zero point) in 10 bits, then the tap (z * ky + y) * kx + x. */
  @inline
  static pack(at: usize, kernel: u32, weight: i32, tap: u32): void {
    store<u32>(at, (kernel << 10) | ((<u32>weight) & 0x3ff));
    store<u32>(at, tap, 4);
  }

  @inline
  static kernel(at: usize): u32 {
    return load<u32>(at) >> 10;
  }

  @inline
  static weight(at: usize): i32 {
    return (load<i32>(at) << 22) >> 22;
  }

  @inline
  static index(at: usize): u32 {
    return load<u32>(at, 4);
  }
}
