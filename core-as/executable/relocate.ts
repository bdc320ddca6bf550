// Relocations -> words: the bytes of every buffer once addresses are known.
// SPDX-License-Identifier: MIT
import { EncodeError } from "../errors.ts";
import type { ExecutablePartition, Relocation } from "./executable.ts";

/** Descriptors are aligned to this, so the low bits of their address carry a tag. */
const DESCRIPTOR_ALIGNMENT = 256;
const COEFFICIENT_ALIGNMENT = 64;
const ADDRESS_LIMIT = 2 ** 32;

/**
 * Patches all addresses in.
 * @param addresses GPU address of each buffer; null for one that has none and is never a target
 * @returns bytes of each buffer, null = zeros; buffers without relocations are not copied
 * @throws EncodeError TW_ENC_RELOC for a relocation that names no word or no address, or an address that is not aligned
 */
export function relocate(
  partition: Pick<ExecutablePartition, "buffers" | "relocations">,
  addresses: readonly (number | null)[],
): (Uint8Array | null)[] {
  const patched = new Map<number, DataView>();
  const result = partition.buffers.map(({ contents }) => contents);
  for (const relocation of partition.relocations) {
    const { buffer, byteOffset } = relocation;
    let view = patched.get(buffer);
    if (view === undefined) {
      const copy = result[buffer]?.slice();
      if (copy === undefined) fail(relocation, `buffer ${buffer} has no contents`);
      result[buffer] = copy;
      view = new DataView(copy.buffer);
      patched.set(buffer, view);
    }
    if (!Number.isInteger(byteOffset / 4) || byteOffset < 0 || byteOffset + 4 > view.byteLength)
      fail(relocation, `byte ${byteOffset} is no word of buffer ${buffer}`);
    const address = targetAddress(partition, relocation, addresses);
    const word = view.getUint32(byteOffset, true);
    view.setUint32(byteOffset, patch(relocation, word, address), true);
  }
  return result;
}

function targetAddress(
  { buffers }: Pick<ExecutablePartition, "buffers">,
  relocation: Relocation,
  addresses: readonly (number | null)[],
): number {
  const { target, addend } = relocation;
  const base = addresses[target];
  const buffer = buffers[target];
  if (base === undefined || base === null || buffer === undefined)
    fail(relocation, `buffer ${target} has no address`);
  if (!Number.isInteger(base) || base < 0 || base + buffer.bytes > ADDRESS_LIMIT)
    fail(relocation, `buffer ${target} lies at ${base}, outside the address space`);
  // The end of a buffer is a legal address: cores without work point there.
  if (!Number.isInteger(addend) || addend < 0 || addend > buffer.bytes)
    fail(relocation, `byte ${addend} is outside buffer ${target} of ${buffer.bytes} bytes`);
  return (base + addend) % ADDRESS_LIMIT;
}

function patch(relocation: Relocation, word: number, address: number): number {
  switch (relocation.kind) {
    case "address":
      return address;
    case "address26shift6":
      if (address % COEFFICIENT_ALIGNMENT !== 0)
        fail(relocation, `address ${address} is no multiple of ${COEFFICIENT_ALIGNMENT}`);
      return ((word & 0xfc000000) | (address / COEFFICIENT_ALIGNMENT)) >>> 0;
    case "descriptor":
      if (address % DESCRIPTOR_ALIGNMENT !== 0 || word >= DESCRIPTOR_ALIGNMENT)
        fail(relocation, `tag ${word} does not fit the low bits of address ${address}`);
      return address + word;
    default:
      return fail(relocation, `kind ${String(relocation.kind)} is unknown`);
  }
}

function fail({ buffer, byteOffset }: Relocation, message: string): never {
  throw new EncodeError("TW_ENC_RELOC", `relocation in buffer ${buffer}: ${message}`, {
    byteOffset,
  });
}
