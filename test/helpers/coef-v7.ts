// A plain encoder of version 7 coefficient buffers for simulator tests, written from
// spec/coefficients-v7.md alone.
// SPDX-License-Identifier: MIT

export interface KernelV7 {
  /** Raw bytes [z][y][x]. */
  weights: ArrayLike<number>;
  /** The 32-bit word after the first weight, zero points already folded in. */
  bias: number;
  /** The 32-bit word after the last weight. */
  offset: number;
}

export interface CoefsV7 {
  kernelX: number;
  kernelY: number;
  kernelZ: number;
  /** Output channels of the descriptor: more than 8 make 1x1 kernels pointwise. */
  outZ: number;
  /** Kernels per core and superblock. */
  perCore: number;
  weightZp: number;
  zrlBits: number;
  /** NN cores of the chip. */
  cores: number;
  /** Kernels of each core that takes part, in stream order. */
  kernels: readonly (readonly KernelV7[])[];
}

class Bits {
  readonly bytes: number[] = [];
  private bit = 0;

  put(value: number, count: number): void {
    for (let i = 0; i < count; i++, this.bit++) {
      if ((this.bit & 7) === 0) this.bytes.push(0);
      if ((value >>> i) & 1) this.bytes[this.bytes.length - 1]! |= 1 << (this.bit & 7);
    }
  }
}

function encodeCore(c: CoefsV7, kernels: readonly KernelV7[]): number[] {
  const bits = new Bits();
  const longest = 2 ** c.zrlBits - 1;
  let run = 0;
  const weight = (value: number): void => {
    if (c.zrlBits > 0 && run < longest && value === c.weightZp) {
      run++;
      return;
    }
    bits.put(run, c.zrlBits);
    bits.put(value, 8);
    run = 0;
  };
  const word = (value: number): void => {
    if (run > 0) {
      bits.put(run - 1, c.zrlBits);
      bits.put(c.weightZp, 8);
      run = 0;
    }
    bits.put(value, 32);
  };

  const plane = planeOrder(c.kernelX, c.kernelY);
  const pointwise = c.kernelX === 1 && c.kernelY === 1 && c.outZ > 8;
  const taps = Array.from({ length: c.kernelZ }, (_, z) => plane.map((t) => z * plane.length + t));
  const size = pointwise ? 6 : 1;
  const blocks: number[][] = [];
  for (let z = 0; z < taps.length; z += size) blocks.push(taps.slice(z, z + size).flat());

  bits.put(c.zrlBits, 8);
  bits.put(kernels.length, 16);
  for (let first = 0; first < kernels.length; first += c.perCore) {
    for (const [block, order] of blocks.entries())
      for (const kernel of kernels.slice(first, first + c.perCore)) {
        for (const [index, tap] of order.entries()) {
          weight(kernel.weights[tap]!);
          if (block === 0 && index === 0) word(kernel.bias);
        }
        if (block === blocks.length - 1) word(kernel.offset);
      }
  }
  while (bits.bytes.length % 64 !== 0) bits.bytes.push(0);
  return bits.bytes;
}

/** Row pairs; the first three columns of both rows, then the other columns. */
function planeOrder(kernelX: number, kernelY: number): number[] {
  const order: number[] = [];
  for (let y = 0; y < kernelY; y += 2)
    for (const [from, to] of [
      [0, Math.min(3, kernelX)],
      [3, kernelX],
    ] as const)
      for (let row = y; row < Math.min(y + 2, kernelY); row++)
        for (let x = from; x < to; x++) order.push(row * kernelX + x);
  return order;
}

/** The whole buffer: size table, then one stream per core. */
export function encodeCoefsV7(c: CoefsV7): Uint8Array {
  const streams = c.kernels.map((kernels) => encodeCore(c, kernels));
  const header = Math.ceil((4 * c.cores) / 64) * 64;
  const buffer = new Uint8Array(header + streams.reduce((sum, s) => sum + s.length, 0));
  const view = new DataView(buffer.buffer);
  let at = header;
  for (const [core, stream] of streams.entries()) {
    view.setUint32(core * 4, stream.length, true);
    buffer.set(stream, at);
    at += stream.length;
  }
  return buffer;
}

/**
 * Deals channels to cores as the reference does: contiguous groups within a superblock (spec 4).
 */
export function dealKernels(
  kernels: readonly KernelV7[],
  cores: number,
  perCore: number,
): KernelV7[][] {
  const used = Math.min(kernels.length, cores);
  const dealt: KernelV7[][] = Array.from({ length: used }, () => []);
  const most = Math.ceil(kernels.length / used);
  let next = 0;
  for (let done = 0; done < most; done += perCore) {
    const n = Math.min(perCore, most - done);
    for (const core of dealt)
      for (let j = 0; j < n && next < kernels.length; j++) core.push(kernels[next++]!);
  }
  return dealt.filter((core) => core.length > 0);
}
