// Makes a changed .twx file look whole again: all checksums right.
// SPDX-License-Identifier: MIT
import { crc32 } from "../../core-as/executable/crc32.ts";
import { ENTRY, ENTRY_BYTES, HEADER, HEADER_BYTES } from "../../core-as/executable/format.ts";

/** Sets all checksums right, in place. */
export function sealed(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const count = view.getUint32(HEADER.sections, true);
  for (let i = 0; i < count; i++) {
    const entry = HEADER_BYTES + i * ENTRY_BYTES;
    const offset = view.getUint32(entry + ENTRY.offset, true);
    const bytes = file.subarray(offset, offset + view.getUint32(entry + ENTRY.bytes, true));
    view.setUint32(entry + ENTRY.crc, crc32(bytes), true);
  }
  view.setUint32(HEADER.crc, 0, true);
  const tableEnd = HEADER_BYTES + count * ENTRY_BYTES;
  view.setUint32(HEADER.crc, crc32(file.subarray(0, tableEnd)), true);
  return file;
}
