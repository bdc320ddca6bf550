// The .twx container: an executable as bytes and back. docs/formats.md describes every byte.
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";
import { crc32 } from "./crc32.ts";
import type { Executable } from "./executable.ts";
import {
  ALIGNMENT,
  alignUp,
  ENTRY,
  ENTRY_BYTES,
  FORMAT_VERSION,
  HEADER,
  HEADER_BYTES,
  MAGIC,
  MAX_SECTIONS,
  REQUIRED,
  SECTIONS,
  type SectionTag,
} from "./format.ts";
import { readSections, type ChipIds } from "./read-sections.ts";
import { damaged, type Section } from "./section-reader.ts";
import { writeSections } from "./write-sections.ts";

/**
 * Writes an executable as a .twx file. Constants that only NPU operators use are left out of its graph. Same executable,
 * same bytes.
 * @throws GraphError when the graph cannot be written as TFLite
 */
export function serialiseExecutable(executable: Executable): Uint8Array {
  const contents = writeSections(executable);
  const tableEnd = HEADER_BYTES + ENTRY_BYTES * SECTIONS.length;
  let end = tableEnd;
  const placed = SECTIONS.map((tag) => {
    const bytes = contents[tag];
    const offset = alignUp(end, ALIGNMENT);
    end = offset + bytes.length;
    return { tag, bytes, offset };
  });

  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  file.set(MAGIC);
  const { model, revision, productId, ecoId, customerId } = executable.chip;
  const head = { model, revision, productId, ecoId, customerId };
  for (const [name, value] of Object.entries(head))
    view.setUint32(HEADER[name as keyof typeof head], value, true);
  view.setUint32(HEADER.version, FORMAT_VERSION, true);
  view.setUint32(HEADER.fileBytes, end, true);
  view.setUint32(HEADER.sections, SECTIONS.length, true);
  for (const [i, { tag, bytes, offset }] of placed.entries()) {
    const entry = HEADER_BYTES + i * ENTRY_BYTES;
    view.setUint32(entry + ENTRY.tag, tagNumber(tag), true);
    view.setUint32(entry + ENTRY.flags, REQUIRED, true);
    view.setUint32(entry + ENTRY.offset, offset, true);
    view.setUint32(entry + ENTRY.bytes, bytes.length, true);
    view.setUint32(entry + ENTRY.crc, crc32(bytes), true);
    file.set(bytes, offset);
  }
  // Computed while its own word is 0.
  view.setUint32(HEADER.crc, crc32(file.subarray(0, tableEnd)), true);
  return file;
}

/**
 * Reads a .twx file. Everything is checked: checksums of all bytes, bounds, indices, and that every step finds the tensors
 * that it needs. Buffer contents and constants are views of `bytes`, which must not change while the executable is in use.
 * Memory beside `bytes` is bounded by a small multiple of their length plus 32 MiB.
 * @throws TypeError when `bytes` is not a Uint8Array
 * @throws ExecutableError TW_EXE_NOT_TWX, TW_EXE_VERSION, TW_EXE_DAMAGED with the byte offset of what is wrong
 */
export function parseExecutable(bytes: Uint8Array): Executable {
  return parse(bytes, true);
}

/**
 * parseExecutable for bytes whose digest was compared before: without the checksums of the sections, which is what takes longest.
 * Everything else is checked.
 */
export function parseVerified(bytes: Uint8Array): Executable {
  return parse(bytes, false);
}

function parse(bytes: Uint8Array, checksums: boolean): Executable {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("an executable is a Uint8Array");
  // A plain view: methods of subclasses such as Buffer mean other things.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const count = checkHeader(file, view);
  const sections = readTable(file, view, count, checksums);
  const chip: ChipIds = {
    model: view.getUint32(HEADER.model, true),
    revision: view.getUint32(HEADER.revision, true),
    productId: view.getUint32(HEADER.productId, true),
    ecoId: view.getUint32(HEADER.ecoId, true),
    customerId: view.getUint32(HEADER.customerId, true),
  };
  return readSections(sections, chip);
}

/** Checks header and section table as a whole; returns the number of sections. */
function checkHeader(file: Uint8Array, view: DataView): number {
  if (file.length < MAGIC.length || MAGIC.some((byte, i) => file[i] !== byte))
    throw new ExecutableError(
      "TW_EXE_NOT_TWX",
      "the file does not begin like a Tilewright executable (at byte 0)",
      { byteOffset: 0 },
    );
  if (file.length < HEADER_BYTES)
    damaged(`the file ends after ${file.length} bytes, inside its header`, file.length);
  const version = view.getUint32(HEADER.version, true);
  if (version !== FORMAT_VERSION)
    throw new ExecutableError(
      "TW_EXE_VERSION",
      `the executable has format version ${version}, this build reads ${FORMAT_VERSION} (at byte ${HEADER.version})`,
      { byteOffset: HEADER.version },
    );
  const fileBytes = view.getUint32(HEADER.fileBytes, true);
  if (fileBytes !== file.length)
    damaged(`the file has ${file.length} bytes, its header says ${fileBytes}`, HEADER.fileBytes);
  const count = view.getUint32(HEADER.sections, true);
  const tableEnd = HEADER_BYTES + count * ENTRY_BYTES;
  if (count > MAX_SECTIONS || tableEnd > file.length)
    damaged(`${count} sections do not fit the file`, HEADER.sections);
  const head = file.slice(0, tableEnd);
  head.fill(0, HEADER.crc, HEADER.crc + 4);
  checkSum("the header", head, view.getUint32(HEADER.crc, true), HEADER.crc);
  checkZeros(file, HEADER.reserved, HEADER_BYTES);
  return count;
}

/** Sections by tag. They lie one behind the other, so that every byte of the file is checked by someone. */
function readTable(
  file: Uint8Array,
  view: DataView,
  count: number,
  checksums: boolean,
): Record<SectionTag, Section> {
  const found = new Map<string, Section>();
  let end = HEADER_BYTES + count * ENTRY_BYTES;
  for (let i = 0; i < count; i++) {
    const entry = HEADER_BYTES + i * ENTRY_BYTES;
    const word = (offset: number): number => view.getUint32(entry + offset, true);
    const tag = tagText(word(ENTRY.tag));
    const [offset, length] = [word(ENTRY.offset), word(ENTRY.bytes)];
    if (offset !== alignUp(end, ALIGNMENT))
      damaged(`section ${tag} begins at byte ${offset}`, entry + ENTRY.offset);
    if (length > file.length - offset)
      damaged(`section ${tag} has ${length} bytes, the file ends before`, entry + ENTRY.bytes);
    checkZeros(file, end, offset);
    checkZeros(file, entry + ENTRY.reserved, entry + ENTRY_BYTES);
    const bytes = file.subarray(offset, offset + length);
    if (checksums) checkSum(`section ${tag}`, bytes, word(ENTRY.crc), offset);
    end = offset + length;
    if (found.has(tag)) damaged(`there are two sections ${tag}`, entry);
    found.set(tag, { tag, bytes, offset });
    refuseUnknown(tag, word(ENTRY.flags), entry + ENTRY.flags);
  }
  if (end !== file.length) damaged(`bytes follow the last section`, end);
  for (const tag of SECTIONS)
    if (!found.has(tag)) damaged(`there is no section ${tag}`, HEADER.sections);
  return Object.fromEntries(found) as Record<SectionTag, Section>;
}

function refuseUnknown(tag: string, flags: number, byteOffset: number): void {
  if (flags > REQUIRED) damaged(`section ${tag} has flags ${flags}`, byteOffset);
  const isKnown = (SECTIONS as readonly string[]).includes(tag);
  if (isKnown || (flags & REQUIRED) === 0) return;
  throw new ExecutableError(
    "TW_EXE_VERSION",
    `the executable needs its section ${tag}, which this build does not know (at byte ${byteOffset})`,
    { byteOffset },
  );
}

function checkSum(what: string, bytes: Uint8Array, expected: number, byteOffset: number): void {
  const actual = crc32(bytes);
  if (actual === expected) return;
  const hex = (value: number): string => value.toString(16).padStart(8, "0");
  damaged(`${what} has the checksum ${hex(actual)}, not ${hex(expected)}`, byteOffset);
}

function checkZeros(file: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to && at < file.length; at++)
    if (file[at] !== 0) damaged("unused bytes are not 0", at);
}

function tagNumber(tag: string): number {
  return [...tag].reduce((word, letter, i) => word | (letter.charCodeAt(0) << (8 * i)), 0) >>> 0;
}

function tagText(word: number): string {
  return String.fromCharCode(...[0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff));
}
