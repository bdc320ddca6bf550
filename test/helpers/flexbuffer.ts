// Writes flexbuffer maps of one width; the encoder of the flatbuffers package misplaces floats among wider values.
// SPDX-License-Identifier: MIT

const TYPE = { NULL: 0, INT: 1, FLOAT: 3, STRING: 5, MAP: 9, BOOL: 26 };

/** Bytes that grow, with numbers of one width. */
class FlexWriter {
  readonly bytes: number[] = [];

  constructor(readonly width: 4 | 8) {}

  put(write: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(this.width));
    write(view);
    this.bytes.push(...new Uint8Array(view.buffer));
  }

  int(value: number): void {
    if (this.width === 8) this.put((view) => view.setBigInt64(0, BigInt(value), true));
    else this.put((view) => view.setInt32(0, value, true));
  }

  float(value: number): void {
    if (this.width === 8) this.put((view) => view.setFloat64(0, value, true));
    else this.put((view) => view.setFloat32(0, value, true));
  }

  /** Distance back to a place. */
  offset(target: number): void {
    this.int(this.bytes.length - target);
  }

  /** Text with its length in front and a zero behind; returns where it begins. */
  text(value: string): number {
    this.int(value.length);
    const start = this.bytes.length;
    this.bytes.push(...new TextEncoder().encode(value), 0);
    return start;
  }
}

function typeOf(value: unknown): number {
  if (value === null) return TYPE.NULL;
  if (typeof value === "boolean") return TYPE.BOOL;
  if (typeof value === "string") return TYPE.STRING;
  return Number.isInteger(value) ? TYPE.INT : TYPE.FLOAT;
}

/**
 * A map of numbers, booleans, nulls and strings. Whole numbers are stored as integers.
 * @param width bytes of all numbers
 */
export function flexbuffer(
  entries: Readonly<Record<string, unknown>>,
  width: 4 | 8 = 4,
): Uint8Array {
  const writer = new FlexWriter(width);
  const names = Object.keys(entries).sort();
  const keys = names.map((name) => writer.text(name));
  const texts = names.map((name) =>
    typeof entries[name] === "string" ? writer.text(entries[name]) : 0,
  );
  writer.int(names.length);
  const keyList = writer.bytes.length;
  for (const key of keys) writer.offset(key);

  writer.offset(keyList);
  writer.int(width);
  writer.int(names.length);
  const values = writer.bytes.length;
  for (const [i, name] of names.entries()) {
    const type = typeOf(entries[name]);
    if (type === TYPE.STRING) writer.offset(texts[i]!);
    else if (type === TYPE.FLOAT) writer.float(entries[name] as number);
    else writer.int(Number(entries[name]));
  }
  const bits = width === 8 ? 3 : 2;
  for (const name of names) {
    const type = typeOf(entries[name]);
    writer.bytes.push((type << 2) | (type === TYPE.STRING ? 0 : bits));
  }
  writer.offset(values);
  writer.bytes.push((TYPE.MAP << 2) | bits, width);
  return Uint8Array.from(writer.bytes);
}
