// Softpin: GPU addresses that we choose ourselves, from the top of the 32-bit space downwards (spec/uapi.md 6).
// SPDX-License-Identifier: MIT
import { EncodeError } from "../errors.ts";
import type { ExecutablePartition } from "./executable.ts";
import { alignUp, PAGE_BYTES } from "./format.ts";

/** End of the GPU address space. */
export const ADDRESS_TOP = 2 ** 32;

/**
 * Gives every buffer of a partition an address of its own, in whole pages, the first buffer highest. The command stream
 * gets none (null): the kernel copies it.
 * @param top addresses are below this multiple of 4096
 * @returns by buffer index
 * @throws EncodeError TW_ENC_RELOC for another top, or when they do not all fit above address 0
 */
export function assignAddresses(
  { buffers }: Pick<ExecutablePartition, "buffers">,
  top = ADDRESS_TOP,
): (number | null)[] {
  if (!Number.isInteger(top / PAGE_BYTES) || top < 0 || top > ADDRESS_TOP)
    throw new EncodeError(
      "TW_ENC_RELOC",
      `addresses cannot end at ${top}: not a multiple of ${PAGE_BYTES} up to 2^32`,
    );
  let next = top;
  return buffers.map(({ role, bytes }, index) => {
    if (role === "stream") return null;
    next -= alignUp(bytes, PAGE_BYTES);
    // Address 0 stays free: everywhere it means "none".
    if (next <= 0)
      throw new EncodeError(
        "TW_ENC_RELOC",
        `buffer ${index} of ${bytes} bytes does not fit below address 0x${top.toString(16)}`,
      );
    return next;
  });
}

/** Bytes that `assignAddresses` hands out for a partition. */
export function addressSpan({ buffers }: Pick<ExecutablePartition, "buffers">): number {
  return buffers.reduce(
    (sum, { role, bytes }) => (role === "stream" ? sum : sum + alignUp(bytes, PAGE_BYTES)),
    0,
  );
}
