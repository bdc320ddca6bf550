// Kinds of fields that frames are made of: how large, how written, how read and checked, and what the page says of them.
// SPDX-License-Identifier: MIT
import { protocolError, type FrameReader, type FrameWriter } from "./bytes.ts";

/** A field of a frame; `Out` is what reading gives, `In` what writing takes. */
export interface Field<Out, In = Out> {
  /** In docs/protocol.md, e.g. "u16". */
  readonly kind: string;
  readonly doc: string;
  /** Bytes of fields that always take the same; null otherwise. */
  readonly fixed: number | null;
  size(value: In): number;
  write(to: FrameWriter, value: In, name: string): void;
  read(from: FrameReader, name: string): Out;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
export type Values<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<infer Out, infer _In> ? Out : never;
};
export type Inputs<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<infer _Out, infer In> ? In : never;
};

const TWO_32 = 2 ** 32;

interface NumberCode {
  bytes: number;
  /** Largest value; values are whole numbers from 0. */
  max: number;
  set(view: DataView, at: number, value: number): void;
  get(view: DataView, at: number): number;
}

const NUMBERS = {
  u8: {
    bytes: 1,
    max: 0xff,
    set: (view, at, value) => view.setUint8(at, value),
    get: (view, at) => view.getUint8(at),
  },
  u16: {
    bytes: 2,
    max: 0xffff,
    set: (view, at, value) => view.setUint16(at, value, true),
    get: (view, at) => view.getUint16(at, true),
  },
  u32: {
    bytes: 4,
    max: 0xffffffff,
    set: (view, at, value) => view.setUint32(at, value, true),
    get: (view, at) => view.getUint32(at, true),
  },
  u53: {
    bytes: 8,
    max: Number.MAX_SAFE_INTEGER,
    set: (view, at, value) => {
      view.setUint32(at, value % TWO_32, true);
      view.setUint32(at + 4, Math.floor(value / TWO_32), true);
    },
    get: (view, at) => view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32,
  },
} as const satisfies Record<string, NumberCode>;

function whole(kind: keyof typeof NUMBERS, doc: string): Field<number> {
  const code: NumberCode = NUMBERS[kind];
  return {
    kind,
    doc,
    fixed: code.bytes,
    size: () => code.bytes,
    write(to, value, name) {
      if (!Number.isInteger(value) || value < 0 || value > code.max)
        throw new RangeError(`${name}: ${value} is no ${kind}`);
      code.set(to.view, to.take(code.bytes), value);
    },
    read(from, name) {
      const at = from.take(code.bytes, name);
      const value = code.get(from.view, at);
      if (value > code.max) throw protocolError(`${name} is larger than ${code.max}`, at);
      return value;
    },
  };
}

export const u16 = (doc: string): Field<number> => whole("u16", doc);
export const u32 = (doc: string): Field<number> => whole("u32", doc);
/** 64 bits that hold a number below 2^53. */
export const u53 = (doc: string): Field<number> => whole("u53", doc);

function float(kind: "f32" | "f64", doc: string): Field<number> {
  const bytes = kind === "f32" ? 4 : 8;
  return {
    kind,
    doc,
    fixed: bytes,
    size: () => bytes,
    write(to, value) {
      const at = to.take(bytes);
      if (kind === "f32") to.view.setFloat32(at, value, true);
      else to.view.setFloat64(at, value, true);
    },
    read(from, name) {
      const at = from.take(bytes, name);
      const value =
        kind === "f32" ? from.view.getFloat32(at, true) : from.view.getFloat64(at, true);
      if (!Number.isFinite(value)) throw protocolError(`${name} is not a finite number`, at);
      return value;
    },
  };
}

export const f32 = (doc: string): Field<number> => float("f32", doc);
export const f64 = (doc: string): Field<number> => float("f64", doc);

/** One byte: index in a list of words. */
export function choice<const T extends string>(words: readonly T[], doc: string): Field<T> {
  return {
    kind: `u8: ${words.map((word, i) => `${i} ${word}`).join(", ")}`,
    doc,
    fixed: 1,
    size: () => 1,
    write(to, value, name) {
      const index = words.indexOf(value);
      if (index < 0) throw new RangeError(`${name}: ${value} is none of ${words.join(", ")}`);
      to.bytes[to.take(1)] = index;
    },
    read(from, name) {
      const at = from.take(1, name);
      const word = words[from.bytes[at]!];
      if (word === undefined)
        throw protocolError(`${name} is ${from.bytes[at]}, the largest is ${words.length - 1}`, at);
      return word;
    },
  };
}

/** One byte, 0 or 1. */
export function flag(doc: string): Field<boolean> {
  const code = choice(["no", "yes"], doc);
  return {
    ...code,
    size: () => 1,
    write: (to, value, name) => code.write(to, value ? "yes" : "no", name),
    read: (from, name) => code.read(from, name) === "yes",
  };
}

/** A whole number or null, which is written as all ones. */
export function maybe(doc: string): Field<number | null> {
  return {
    kind: "u53 or all ones = absent",
    doc,
    fixed: 8,
    size: () => 8,
    write(to, value, name) {
      if (value !== null) return whole("u53", doc).write(to, value, name);
      to.bytes.fill(0xff, to.take(8), to.at);
    },
    read(from, name) {
      const code = NUMBERS.u53;
      const at = from.take(8, name);
      const value = code.get(from.view, at);
      if (from.bytes.subarray(at, at + 8).every((byte) => byte === 0xff)) return null;
      if (value > code.max) throw protocolError(`${name} is larger than ${code.max}`, at);
      return value;
    },
  };
}

/** Bytes of a fixed number; reading gives a copy. */
export function fixedBytes(count: number, doc: string): Field<Uint8Array> {
  return {
    kind: `${count} bytes`,
    doc,
    fixed: count,
    size: () => count,
    write(to, value, name) {
      if (value.length !== count) throw new RangeError(`${name} has ${value.length} bytes`);
      to.copy(value);
    },
    read(from, name) {
      const at = from.take(count, name);
      return from.bytes.slice(at, at + count);
    },
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 with its length in bytes in front; longer texts are cut when written, refused when read. */
export function text(maxBytes: number, doc: string): Field<string> {
  const encode = (value: string): Uint8Array => {
    const bytes = encoder.encode(value);
    if (bytes.length <= maxBytes) return bytes;
    let end = maxBytes;
    // Not inside a character.
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    return bytes.subarray(0, end);
  };
  return {
    kind: `text: u16 length, then UTF-8, at most ${maxBytes} bytes`,
    doc,
    fixed: null,
    size: (value) => 2 + encode(value).length,
    write(to, value) {
      const bytes = encode(value);
      to.view.setUint16(to.take(2), bytes.length, true);
      to.copy(bytes);
    },
    read(from, name) {
      const at = from.take(2, name);
      const length = from.view.getUint16(at, true);
      if (length > maxBytes)
        throw protocolError(`${name} has ${length} bytes, at most ${maxBytes} are allowed`, at);
      const start = from.take(length, name);
      try {
        return decoder.decode(from.bytes.subarray(start, start + length));
      } catch {
        throw protocolError(`${name} is not UTF-8`, start);
      }
    },
  };
}

/** Entries of one layout with their number in front. The number is checked against the bytes that are left. */
export function list<F extends Fields>(
  fields: F,
  max: number,
  doc: string,
): Field<Values<F>[], readonly Inputs<F>[]> & { readonly entry: F } {
  const smallest = Object.values(fields).reduce((sum, { fixed }) => sum + (fixed ?? 2), 0);
  return {
    kind: `list: u16 count, at most ${max}, then the entries`,
    doc,
    fixed: null,
    entry: fields,
    size: (values) => values.reduce((sum, value) => sum + sizeOf(fields, value), 2),
    write(to, values, name) {
      if (values.length > max) throw new RangeError(`${name} has ${values.length} entries`);
      to.view.setUint16(to.take(2), values.length, true);
      for (const value of values) writeFields(fields, to, value);
    },
    read(from, name) {
      const at = from.take(2, name);
      const count = from.view.getUint16(at, true);
      if (count > max)
        throw protocolError(`${name} has ${count} entries, at most ${max} are allowed`, at);
      if (count * smallest > from.left)
        throw protocolError(`${name}: ${count} entries do not fit the frame`, at);
      return Array.from({ length: count }, () => readFields(fields, from));
    },
  };
}

/** Everything up to the frame's end; written from parts without joining them before, read as a view. */
export function rest(doc: string): Field<Uint8Array, readonly Uint8Array[]> {
  return {
    kind: "bytes up to the frame's end",
    doc,
    fixed: null,
    size: (parts) => parts.reduce((sum, { length }) => sum + length, 0),
    write(to, parts) {
      for (const part of parts) to.copy(part);
    },
    read(from, name) {
      const at = from.take(from.left, name);
      return from.bytes.subarray(at);
    },
  };
}

export function sizeOf<F extends Fields>(fields: F, values: Inputs<F>): number {
  let size = 0;
  for (const name in fields) size += fields[name]!.fixed ?? fields[name]!.size(values[name]);
  return size;
}

export function writeFields<F extends Fields>(fields: F, to: FrameWriter, values: Inputs<F>): void {
  for (const name in fields) fields[name]!.write(to, values[name], name);
}

export function readFields<F extends Fields>(fields: F, from: FrameReader): Values<F> {
  const values: Record<string, unknown> = {};
  for (const name in fields) values[name] = fields[name]!.read(from, name);
  return values as Values<F>;
}
