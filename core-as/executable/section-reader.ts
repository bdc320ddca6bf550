// Reading the words of a .twx section, none of which is trusted.
// SPDX-License-Identifier: MIT
import { ExecutableError } from "../errors.ts";
import { NONE } from "./format.ts";

/** A section whose checksum is right. */
export interface Section {
  tag: string;
  bytes: Uint8Array;
  /** Position in the file. */
  offset: number;
}

/** @throws ExecutableError TW_EXE_DAMAGED, always */
export function damaged(message: string, byteOffset: number, cause?: unknown): never {
  const error = new ExecutableError("TW_EXE_DAMAGED", `${message} (at byte ${byteOffset})`, {
    byteOffset,
  });
  if (cause !== undefined) error.cause = cause;
  throw error;
}

/** Reads a section from its start; every failure names the byte of the file. */
export class SectionReader {
  private readonly view: DataView;
  private at = 0;

  constructor(readonly section: Section) {
    const { bytes } = section;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Position in the file of the next byte. */
  get byteOffset(): number {
    return this.section.offset + this.at;
  }

  get atEnd(): boolean {
    return this.at === this.section.bytes.length;
  }

  /** Fails about the word that was read last. */
  fail(message: string): never {
    damaged(`section ${this.section.tag}: ${message}`, Math.max(this.byteOffset - 4, 0));
  }

  u32(): number {
    if (this.at + 4 > this.section.bytes.length)
      damaged(`section ${this.section.tag} ends too early`, this.byteOffset);
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  /** A number below `limit`. */
  index(limit: number, what: string): number {
    const value = this.u32();
    if (value >= limit) this.fail(`${what} is ${value}, the limit is ${limit}`);
    return value;
  }

  /** A number below `limit`, or null. */
  optionalIndex(limit: number, what: string): number | null {
    const value = this.u32();
    if (value === NONE) return null;
    if (value >= limit) this.fail(`${what} is ${value}, the limit is ${limit}`);
    return value;
  }

  /** The member of a list that a number stands for. */
  member<T>(list: readonly T[], what: string): T {
    return list[this.index(list.length, what)]!;
  }

  /** `count` items; fails before it builds more than the section can hold. */
  list<T>(count: number, wordsEach: number, read: () => T): T[] {
    if (count * wordsEach * 4 > this.section.bytes.length - this.at)
      this.fail(`${count} entries do not fit the section`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** The next bytes as a view of the file. */
  take(count: number): Uint8Array {
    if (count > this.section.bytes.length - this.at)
      damaged(`section ${this.section.tag} ends too early`, this.byteOffset);
    const taken = this.section.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return taken;
  }

  /** Everything must have been read. */
  end(): void {
    if (!this.atEnd)
      damaged(
        `section ${this.section.tag} has ${this.section.bytes.length - this.at} bytes too many`,
        this.byteOffset,
      );
  }
}
