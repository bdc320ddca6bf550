// GPU addresses of one opened device: softpin lets user space choose them, so we keep the books (spec/uapi.md 6).
// SPDX-License-Identifier: MIT
import { TransportError } from "../core-as/errors.ts";
import { alignUp, PAGE_BYTES } from "../core-as/executable/format.ts";

const ADDRESS_END = 2 ** 32;

interface Hole {
  start: number;
  end: number;
}

/** Whole pages between the device's first softpin address and 2^32, handed out from the top. Address 0 never is. */
export class AddressSpace {
  /** From high to low, not touching each other. */
  private holes: Hole[];
  private readonly used = new Map<number, number>();

  /**
   * @param start first address, as the kernel reports it
   * @throws RangeError when it is no address below 2^32
   */
  constructor(start: number) {
    if (!Number.isInteger(start) || start < 0 || start >= ADDRESS_END)
      throw new RangeError(`an address heap cannot start at ${start}`);
    const first = Math.max(alignUp(start, PAGE_BYTES), PAGE_BYTES);
    this.holes = first < ADDRESS_END ? [{ start: first, end: ADDRESS_END }] : [];
  }

  /** Bytes handed out. */
  get usedBytes(): number {
    return [...this.used.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * The highest free range.
   * @param bytes rounded up to whole pages
   * @returns its first address
   * @throws RangeError for a size that is not a positive integer
   * @throws TransportError TW_IO_MEMORY when no hole is large enough
   */
  allocate(bytes: number): number {
    if (!Number.isInteger(bytes) || bytes <= 0)
      throw new RangeError(`a buffer of ${bytes} bytes needs no address`);
    const wanted = alignUp(bytes, PAGE_BYTES);
    const index = this.holes.findIndex(({ start, end }) => end - start >= wanted);
    const hole = this.holes[index];
    if (hole === undefined)
      throw new TransportError(
        "TW_IO_MEMORY",
        `no free GPU address range of ${wanted} bytes (${this.usedBytes} bytes in use, largest hole ` +
          `${Math.max(0, ...this.holes.map(({ start, end }) => end - start))}); release executables`,
      );
    hole.end -= wanted;
    if (hole.end === hole.start) this.holes.splice(index, 1);
    const address = hole.end;
    this.used.set(address, wanted);
    return address;
  }

  /**
   * Takes a range back, for others to use: the device must be through with it.
   * @throws RangeError for an address that was not handed out
   */
  free(address: number): void {
    const bytes = this.used.get(address);
    if (bytes === undefined) throw new RangeError(`0x${address.toString(16)} is not in use`);
    this.used.delete(address);
    const freed = { start: address, end: address + bytes };
    let index = this.holes.findIndex(({ start }) => start < address);
    if (index < 0) index = this.holes.length;
    const above = this.holes[index - 1];
    const below = this.holes[index];
    if (above?.start === freed.end) freed.end = above.end;
    if (below?.end === freed.start) freed.start = below.start;
    const first = above !== undefined && freed.end === above.end ? index - 1 : index;
    const last = below !== undefined && freed.start === below.start ? index + 1 : index;
    this.holes.splice(first, last - first, freed);
  }
}
