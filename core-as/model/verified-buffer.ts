// Access to an untrusted flatbuffer: every offset, size and length is checked before it is used, and everything that is
// built from the file is paid for from a budget, because a small file can name the same bytes any number of times.
// SPDX-License-Identifier: MIT
import { ByteBuffer } from "flatbuffers";
import { ModelFormatError } from "../errors.ts";
import type { TableSchema } from "./schema.ts";

/** Bytes of file identifier and root offset together. */
const HEADER_BYTES = 8;

/** Flatbuffer offsets reach this far. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** What a file may expand to in memory: a fixed part, and this many times its size. */
const BUDGET_BASE_BYTES = 32 * 2 ** 20;
const BUDGET_PER_FILE_BYTE = 4;

/** Estimated memory of JavaScript values, in bytes; rounded up, so that the sum is a bound and not a guess. */
export const COST = {
  /** An object of a few members. */
  object: 160,
  /** A typed array with its buffer object, elements excepted. */
  typedArray: 320,
  /** A plain array, elements excepted. */
  array: 48,
  /** One element of a plain array. */
  element: 8,
} as const;

export type ModelErrorCode = ConstructorParameters<typeof ModelFormatError>[0];

/** The file as a whole: bounds, primitive reads and the budget. */
export class VerifiedBuffer {
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Primitive reads; only for offsets that have been checked. */
  readonly bb: ByteBuffer;
  #budget: number;
  // Keeps a byte order mark: a tensor name is a name, not a document.
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /**
   * @param bytes the whole file; read in place, never written
   * @throws ModelFormatError TW_MODEL_LIMIT when longer than 2^31-1 bytes
   */
  constructor(bytes: Uint8Array) {
    if (bytes.length > MAX_FILE_BYTES)
      throw new ModelFormatError(
        "TW_MODEL_LIMIT",
        `the file has ${bytes.length} bytes, flatbuffers reach ${MAX_FILE_BYTES}`,
        MAX_FILE_BYTES,
      );
    this.bytes = bytes;
    this.size = bytes.length;
    this.bb = new ByteBuffer(bytes);
    this.#budget = BUDGET_BASE_BYTES + BUDGET_PER_FILE_BYTE * this.size;
  }

  /** Throws a ModelFormatError about the bytes at `byteOffset`. */
  fail(code: ModelErrorCode, message: string, byteOffset: number): never {
    throw new ModelFormatError(code, message, byteOffset);
  }

  /**
   * Pays for something that is about to be built.
   * @param bytes estimated memory
   * @param byteOffset the place in the file that asks for it
   * @throws ModelFormatError TW_MODEL_LIMIT when the file has used up its budget
   */
  charge(bytes: number, byteOffset: number): void {
    this.#budget -= bytes;
    if (this.#budget >= 0) return;
    const limit = BUDGET_BASE_BYTES + BUDGET_PER_FILE_BYTE * this.size;
    this.fail("TW_MODEL_LIMIT", `the file expands to more than ${limit} bytes`, byteOffset);
  }

  /**
   * The root table.
   * @param identifier the four characters that the file must have at byte 4
   * @throws ModelFormatError TW_MODEL_NOT_TFLITE without them; TRUNCATED or CORRUPT for a bad root offset
   */
  root<F extends string>(schema: TableSchema<F>, identifier: string): VerifiedTable<F> {
    if (this.size < HEADER_BYTES)
      this.fail("TW_MODEL_NOT_TFLITE", `${this.size} bytes are too few for a TFLite file`, 0);
    for (let i = 0; i < 4; i++)
      if (this.bytes[4 + i] !== identifier.charCodeAt(i))
        this.fail("TW_MODEL_NOT_TFLITE", `the file identifier is not ${identifier}`, 4);
    return new VerifiedTable(this, this.follow(0, "root offset"), schema);
  }

  /**
   * Target of the offset stored at `at` (which is inside the file): at least four bytes that are inside the file.
   * @param what name for the message
   */
  follow(at: number, what: string): number {
    const distance = this.bb.readUint32(at);
    if (distance === 0) this.fail("TW_MODEL_CORRUPT", `${what} points at itself`, at);

    const target = at + distance;
    if (target > this.size - 4)
      this.fail(
        "TW_MODEL_TRUNCATED",
        `${what} points at byte ${target} of a file of ${this.size} bytes`,
        at,
      );
    if (target % 4 !== 0)
      this.fail("TW_MODEL_CORRUPT", `${what} points at byte ${target}, not a multiple of 4`, at);
    return target;
  }

  /** Text of `length` bytes at `start`, which have been checked; pays for it. */
  text(start: number, length: number): string {
    if (length === 0) return "";
    this.charge(COST.object + 4 * length, start);
    // A copy, because browsers refuse to decode a view of shared memory.
    return this.#decoder.decode(new Uint8Array(this.bytes.subarray(start, start + length)));
  }
}

/** A table whose position, virtual table and size have been checked; fields are checked when they are read. */
export class VerifiedTable<F extends string = string> {
  readonly #vtable: number;
  readonly #vtableSize: number;
  readonly #tableSize: number;

  /**
   * @param start from VerifiedBuffer.follow
   * @throws ModelFormatError TRUNCATED or CORRUPT
   */
  constructor(
    readonly file: VerifiedBuffer,
    readonly start: number,
    readonly schema: TableSchema<F>,
  ) {
    const { bb, size } = file;
    const name = schema.name;

    const vtable = start - bb.readInt32(start);
    if (vtable < 0 || vtable % 2 !== 0)
      file.fail("TW_MODEL_CORRUPT", `${name} has its field list at byte ${vtable}`, start);
    if (vtable > size - 4)
      file.fail("TW_MODEL_TRUNCATED", `${name} has its field list at byte ${vtable}`, start);

    const vtableSize = bb.readUint16(vtable);
    const tableSize = bb.readUint16(vtable + 2);
    if (vtableSize < 4 || vtableSize % 2 !== 0)
      file.fail("TW_MODEL_CORRUPT", `the field list of ${name} has ${vtableSize} bytes`, vtable);
    if (vtableSize > size - vtable)
      file.fail("TW_MODEL_TRUNCATED", `the field list of ${name} has ${vtableSize} bytes`, vtable);
    if (tableSize < 4)
      file.fail("TW_MODEL_CORRUPT", `${name} has a size of ${tableSize} bytes`, vtable + 2);
    if (tableSize > size - start)
      file.fail("TW_MODEL_TRUNCATED", `${name} has a size of ${tableSize} bytes`, vtable + 2);

    this.#vtable = vtable;
    this.#vtableSize = vtableSize;
    this.#tableSize = tableSize;
  }

  /**
   * Position of a field in the file, 0 when the table leaves it out.
   * @param width bytes of the field
   */
  at(field: F, width: number): number {
    const slot = 4 + 2 * this.schema.ids[field];
    if (slot + 2 > this.#vtableSize) return 0;

    const distance = this.file.bb.readUint16(this.#vtable + slot);
    if (distance === 0) return 0;
    if (distance < 4 || distance + width > this.#tableSize)
      this.file.fail(
        "TW_MODEL_CORRUPT",
        `${this.label(field)} lies outside its table`,
        this.#vtable + slot,
      );
    return this.start + distance;
  }

  /** "Table.field", for messages. */
  label(field: F): string {
    return `${this.schema.name}.${field}`;
  }

  int8(field: F, fallback: number): number {
    const at = this.at(field, 1);
    return at === 0 ? fallback : this.file.bb.readInt8(at);
  }

  uint8(field: F, fallback: number): number {
    const at = this.at(field, 1);
    return at === 0 ? fallback : this.file.bb.readUint8(at);
  }

  int32(field: F, fallback: number): number {
    const at = this.at(field, 4);
    return at === 0 ? fallback : this.file.bb.readInt32(at);
  }

  uint32(field: F, fallback: number): number {
    const at = this.at(field, 4);
    return at === 0 ? fallback : this.file.bb.readUint32(at);
  }

  float32(field: F, fallback: number): number {
    const at = this.at(field, 4);
    return at === 0 ? fallback : this.file.bb.readFloat32(at);
  }

  /** An unsigned 64-bit number; 0 when left out, rounded (upwards of 2^53) but never small when it is large. */
  uint64(field: F): number {
    const at = this.at(field, 8);
    if (at === 0) return 0;
    return this.file.bb.readUint32(at) + 2 ** 32 * this.file.bb.readUint32(at + 4);
  }

  /** A table that this one points at, null when left out. */
  table<G extends string>(field: F, schema: TableSchema<G>): VerifiedTable<G> | null {
    const at = this.at(field, 4);
    if (at === 0) return null;
    return new VerifiedTable(this.file, this.file.follow(at, this.label(field)), schema);
  }

  /**
   * A vector, null when left out. All of its elements are inside the file.
   * @param elementSize bytes
   */
  vector(field: F, elementSize: number): VerifiedVector | null {
    const at = this.at(field, 4);
    if (at === 0) return null;
    const { file } = this;
    const start = file.follow(at, this.label(field));

    const length = file.bb.readUint32(start);
    if (length * elementSize > file.size - start - 4)
      file.fail(
        "TW_MODEL_TRUNCATED",
        `${this.label(field)} has ${length} elements of ${elementSize} bytes`,
        start,
      );
    return new VerifiedVector(file, start + 4, length, this.label(field));
  }

  /** A string, null when left out. Bytes that are not UTF-8 become U+FFFD. */
  string(field: F): string | null {
    const bytes = this.vector(field, 1);
    if (bytes === null) return null;

    const { file } = this;
    const end = bytes.start + bytes.length;
    if (end >= file.size)
      file.fail("TW_MODEL_TRUNCATED", `${this.label(field)} has no final zero`, bytes.start - 4);
    if (file.bytes[end] !== 0)
      file.fail("TW_MODEL_CORRUPT", `${this.label(field)} has no final zero`, end);
    return file.text(bytes.start, bytes.length);
  }
}

/** A vector whose elements are all inside the file. */
export class VerifiedVector {
  /**
   * @param start position of the first element; the length stands in the four bytes before
   * @param length number of elements
   */
  constructor(
    readonly file: VerifiedBuffer,
    readonly start: number,
    readonly length: number,
    readonly label: string,
  ) {}

  /** Elements of a vector of int32 as an array; pays for it. */
  ints(): number[] {
    const { file, start, length } = this;
    file.charge(COST.array + COST.element * length, start - 4);
    const values = new Array<number>(length);
    for (let i = 0; i < length; i++) values[i] = file.bb.readInt32(start + 4 * i);
    return values;
  }

  /** Elements of a vector of float32; pays for it. */
  floats(): Float32Array {
    const { file, start, length } = this;
    file.charge(COST.typedArray + 4 * length, start - 4);
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = file.bb.readFloat32(start + 4 * i);
    return values;
  }

  /**
   * Element of a vector of int64.
   * @param index 0..length-1
   * @throws ModelFormatError CORRUPT when it does not fit 32 bits
   */
  int64(index: number): number {
    const at = this.start + 8 * index;
    const low = this.file.bb.readInt32(at);
    if (this.file.bb.readInt32(at + 4) !== low >> 31)
      this.file.fail(
        "TW_MODEL_CORRUPT",
        `${this.label}[${index}] is ${this.file.bb.readInt64(at)}, beyond 32 bits`,
        at,
      );
    return low;
  }

  /**
   * Element of a vector of tables.
   * @param index 0..length-1
   */
  table<F extends string>(index: number, schema: TableSchema<F>): VerifiedTable<F> {
    const target = this.file.follow(this.start + 4 * index, this.label);
    return new VerifiedTable(this.file, target, schema);
  }

  /** The elements of a vector of bytes as a view of the file. */
  view(): Uint8Array {
    return this.file.bytes.subarray(this.start, this.start + this.length);
  }
}
