// What every coefficient decoder is asked for and what it returns, whatever the version.
// SPDX-License-Identifier: MIT

/** Bias (u32), output offset (u32). */
export const KERNEL_RECORD_BYTES: usize = 8;
/** Kernel and weight (u32), tap (u32). */
export const TAP_ENTRY_BYTES: usize = 8;

/** Upper bound of decoded entries: every coded weight takes at least eight bits of the stream. */
export function entryBytesMax(streamBytes: u32): u64 {
  return <u64>streamBytes * <u64>TAP_ENTRY_BYTES;
}

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
  /** CoefStats words. */
  stats: usize;

  /**
   * Set by open: cores with a stream, kernels in all streams, bytes from `source` to the last
   * stream's end.
   */
  coresUsed: u32;
  kernels: u32;
  streamBytes: u32;

  /**
   * Results, allocated by the caller between open and decode: weights that differ from the zero
   * point.
   */
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
