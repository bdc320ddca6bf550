// Reading the fields of a recording's record, none of which is trusted.
// SPDX-License-Identifier: MIT
import { hexOf } from "../../executable/bytes.ts";
import { TransportError } from "../../errors.ts";
import { DIGEST_BYTES, NONE } from "./format.ts";

/** @throws TransportError TW_IO_RECORD, always, with the offset in the recording */
export function damaged(what: string, byteOffset: number): never {
  throw new TransportError(
    "TW_IO_RECORD",
    `the recording is damaged: ${what} (at byte ${byteOffset}); record anew or copy the file again`,
    { byteOffset },
  );
}

/** Reads the contents of a record from its start. */
export class FieldsReader {
  private readonly view: DataView;
  private at = 0;

  /**
   * @param what the record in error texts
   * @param offset position of `bytes` in the recording
   */
  constructor(
    private readonly what: string,
    private readonly bytes: Uint8Array,
    private readonly offset: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Fails about what was read last. */
  fail(message: string): never {
    damaged(`${this.what}: ${message}`, this.offset + Math.max(this.at - 4, 0));
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** A number below `limit`. */
  index(limit: number, what: string): number {
    const value = this.u32();
    if (value >= limit) this.fail(`${what} is ${value}, the limit is ${limit}`);
    return value;
  }

  /** A finite number, not negative. */
  amount(what: string): number {
    const value = this.view.getFloat64(this.skip(8), true);
    if (!(value >= 0 && value < Infinity)) this.fail(`${what} is ${value}`);
    return value;
  }

  /** The member of a list that a number stands for. */
  member<T>(list: readonly T[], what: string): T {
    return list[this.index(list.length, what)]!;
  }

  optionalText(): string | undefined {
    const length = this.u32();
    if (length === NONE) return undefined;
    if (length > this.left) this.fail(`a text of ${length} bytes, ${this.left} are left`);
    const at = this.skip(length);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes.subarray(at, this.at));
    } catch {
      return this.fail("a text is not UTF-8");
    }
  }

  text(): string {
    return this.optionalText() ?? this.fail("a text is missing");
  }

  /** A SHA-256 in hexadecimal form. */
  digest(): string {
    const at = this.skip(DIGEST_BYTES);
    return hexOf(this.bytes.subarray(at, this.at));
  }

  /** A list of items of at least `leastBytes` each; fails before it builds more than the record can hold. */
  list<T>(leastBytes: number, read: () => T): T[] {
    return this.items(this.u32(), leastBytes, read);
  }

  /** The same, or null when there is no list. */
  optionalList<T>(leastBytes: number, read: () => T): T[] | null {
    const count = this.u32();
    return count === NONE ? null : this.items(count, leastBytes, read);
  }

  /** Everything that is left, as a view of the recording. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, (this.at = this.bytes.length));
  }

  /** Everything must have been read. */
  end(): void {
    if (this.left > 0)
      damaged(`${this.what} has ${this.left} bytes too many`, this.offset + this.at);
  }

  private get left(): number {
    return this.bytes.length - this.at;
  }

  private items<T>(count: number, leastBytes: number, read: () => T): T[] {
    if (count * leastBytes > this.left) this.fail(`${count} entries do not fit the record`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  private skip(length: number): number {
    if (length > this.left) damaged(`${this.what} ends too early`, this.offset + this.bytes.length);
    this.at += length;
    return this.at - length;
  }
}
