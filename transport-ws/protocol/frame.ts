// A frame's declaration, and the encoder and decoder that follow from it.
// SPDX-License-Identifier: MIT
import { FrameReader, FrameWriter, protocolError } from "./bytes.ts";
import {
  readFields,
  sizeOf,
  writeFields,
  type Fields,
  type Inputs,
  type Values,
} from "./fields.ts";

export type Sender = "client" | "agent" | "both";

/** One kind of frame: its first byte, then the fields in order without gaps. */
export interface Frame<F extends Fields> {
  readonly name: string;
  /** First byte. */
  readonly type: number;
  readonly from: Sender;
  readonly doc: string;
  readonly fields: F;
}

export type FrameValues<T> = T extends Frame<infer F> ? Values<F> : never;
export type FrameInputs<T> = T extends Frame<infer F> ? Inputs<F> : never;

export function frame<F extends Fields>(
  name: string,
  type: number,
  from: Sender,
  doc: string,
  fields: F,
): Frame<F> {
  return { name, type, from, doc, fields };
}

/** @throws RangeError when a value does not fit its field: a mistake of ours */
export function encodeFrame<F extends Fields>(layout: Frame<F>, values: Inputs<F>): Uint8Array {
  const writer = new FrameWriter(1 + sizeOf(layout.fields, values));
  writer.bytes[writer.take(1)] = layout.type;
  writeFields(layout.fields, writer, values);
  return writer.bytes;
}

/**
 * Reads a frame whose first byte was looked at before. Lengths and counts are checked before anything is allocated for them.
 * @throws TransportError TW_IO_PROTOCOL with the byte offset of what is wrong
 */
export function decodeFrame<F extends Fields>(layout: Frame<F>, bytes: Uint8Array): Values<F> {
  const reader = readerOf(layout, bytes);
  const values = readFields(layout.fields, reader);
  reader.end();
  return values;
}

/**
 * Reads only the first fields of a frame: those that are the same in every version of the protocol.
 * @throws TransportError TW_IO_PROTOCOL
 */
export function decodeStart<S extends Fields, F extends S>(
  layout: Frame<F>,
  start: S,
  bytes: Uint8Array,
): Values<S> {
  return readFields(start, readerOf(layout, bytes));
}

function readerOf<F extends Fields>(layout: Frame<F>, bytes: Uint8Array): FrameReader {
  if (bytes[0] !== layout.type)
    throw protocolError(`frame ${layout.name} was expected, type ${bytes[0] ?? "none"} came`, 0);
  const reader = new FrameReader(bytes, layout.name);
  reader.take(1, "type");
  return reader;
}

/** Byte of a frame at which a field begins; only fields of fixed size lie before it. */
export function offsetOf<F extends Fields>(layout: Frame<F>, field: keyof F & string): number {
  let at = 1;
  for (const name in layout.fields) {
    if (name === field) return at;
    const { fixed } = layout.fields[name]!;
    if (fixed === null) break;
    at += fixed;
  }
  throw new RangeError(`${layout.name}.${field} has no fixed place`);
}
