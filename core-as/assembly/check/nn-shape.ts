// What the check needs to know of an NN job once its fields are in range.
// SPDX-License-Identifier: MIT

@unmanaged
export class NnShape {
  kernelX: u32;
  kernelY: u32;
  kernelZ: u32;
  kernelsPerCore: u32;
  depthwise: bool;
  weightZp: u32;
  kernelAddr: u32;
  outZ: u32;
  outAddr: u32;
  /** Bytes from plane to plane, and from the first to the last byte of one. */
  outPlane: u64;
  outPlaneBytes: u64;
}

export const nnShape: NnShape = changetype<NnShape>(memory.data(offsetof<NnShape>(), 8));
