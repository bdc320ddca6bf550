// Structures of the kernel interface as declarations: name, offset and type of every field, from which readers and writers follow.
// SPDX-License-Identifier: MIT

/** Integer types of a C structure, and fixed arrays of characters. */
export type FieldType = "u8" | "u16" | "u32" | "i32" | "u64" | "i64" | `char[${number}]`;

/** Offset in bytes and type. */
export type FieldSpec = readonly [offset: number, type: FieldType];

type ValueOf<T extends FieldType> = T extends "u64" | "i64"
  ? bigint
  : T extends `char[${number}]`
    ? string
    : number;

export type Fields = Readonly<Record<string, FieldSpec>>;

/** Values of a structure: numbers, bigints for 64-bit fields, strings for arrays of characters. */
export type Values<F extends Fields> = { [K in keyof F]: ValueOf<F[K][1]> };

const INTEGER_BYTES = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 } as const;

/** Bytes of a field. */
export function fieldBytes(type: FieldType): number {
  if (type in INTEGER_BYTES) return INTEGER_BYTES[type as keyof typeof INTEGER_BYTES];
  return Number(/^char\[(\d+)\]$/.exec(type)![1]);
}

/** One structure, little endian. */
export class Layout<F extends Fields> {
  /**
   * @param bytes size with all padding
   * @throws RangeError when fields overlap, are not aligned or leave the structure
   */
  constructor(
    readonly name: string,
    readonly bytes: number,
    readonly fields: F,
  ) {
    let end = 0;
    const sorted = Object.entries(fields).sort(([, [a]], [, [b]]) => a - b);
    for (const [field, [offset, type]] of sorted) {
      const size = fieldBytes(type);
      const alignment = type.startsWith("char") ? 1 : size;
      if (offset < end || offset % alignment !== 0 || offset + size > bytes)
        throw new RangeError(`${name}.${field} of ${size} bytes cannot lie at ${offset}`);
      end = offset + size;
    }
  }

  /** A new structure; fields without a value, and padding, are zero. */
  create(values: Partial<Values<F>> = {}): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    this.write(bytes, values);
    return bytes;
  }

  /** Structures behind each other, as the kernel takes lists. */
  createList(list: readonly Partial<Values<F>>[]): Uint8Array {
    const bytes = new Uint8Array(this.bytes * list.length);
    for (const [i, values] of list.entries())
      this.write(bytes.subarray(i * this.bytes, (i + 1) * this.bytes), values);
    return bytes;
  }

  /**
   * Sets some fields.
   * @throws RangeError when a value does not fit its field
   */
  write(bytes: Uint8Array, values: Partial<Values<F>>): void {
    const view = this.viewOf(bytes);
    for (const [field, value] of Object.entries(values)) {
      const spec = this.fields[field];
      if (spec === undefined) throw new RangeError(`${this.name} has no field ${field}`);
      writeField(view, spec, value as number | bigint | string, `${this.name}.${field}`);
    }
  }

  /** All fields. */
  read(bytes: Uint8Array): Values<F> {
    const view = this.viewOf(bytes);
    const entries = Object.entries(this.fields).map(([field, spec]) => [
      field,
      readField(view, spec),
    ]);
    return Object.fromEntries(entries) as Values<F>;
  }

  private viewOf(bytes: Uint8Array): DataView {
    if (bytes.length !== this.bytes)
      throw new RangeError(`${this.name} has ${this.bytes} bytes, not ${bytes.length}`);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

function readField(view: DataView, [offset, type]: FieldSpec): number | bigint | string {
  switch (type) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u64":
      return view.getBigUint64(offset, true);
    case "i64":
      return view.getBigInt64(offset, true);
    default:
      return textOf(new Uint8Array(view.buffer, view.byteOffset + offset, fieldBytes(type)));
  }
}

/** Text up to the first zero byte; bytes that are no UTF-8 become replacement characters. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function writeField(
  view: DataView,
  [offset, type]: FieldSpec,
  value: number | bigint | string,
  what: string,
): void {
  if (type.startsWith("char")) {
    const text = new TextEncoder().encode(String(value));
    if (text.length >= fieldBytes(type))
      throw new RangeError(`${what}: ${text.length} bytes of text do not fit ${type}`);
    new Uint8Array(view.buffer, view.byteOffset + offset, fieldBytes(type)).fill(0).set(text);
    return;
  }
  const bits = fieldBytes(type) * 8;
  const isSigned = type.startsWith("i");
  if (bits === 64 ? typeof value !== "bigint" : !Number.isInteger(value))
    throw new RangeError(`${what}: ${value} is not an integer for ${type}`);
  const integer = BigInt(value);
  const low = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
  const high = isSigned ? 1n << BigInt(bits - 1) : 1n << BigInt(bits);
  if (integer < low || integer >= high)
    throw new RangeError(`${what}: ${value} does not fit ${type}`);
  if (bits === 8) view.setUint8(offset, Number(integer));
  else if (bits === 16) view.setUint16(offset, Number(integer), true);
  else if (bits === 32) view.setUint32(offset, Number(BigInt.asUintN(32, integer)), true);
  else view.setBigUint64(offset, BigInt.asUintN(64, integer), true);
}
