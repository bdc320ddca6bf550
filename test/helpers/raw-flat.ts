// Hand-made flatbuffers, right and wrong ones: tables as lists of raw fields, and positions of stored values.
// SPDX-License-Identifier: MIT
import { Builder, type Offset } from "flatbuffers";

/** A value of a table's field, in the form in which it is stored. */
export type RawValue =
  | { i8: number }
  | { i32: number }
  | { u64: bigint }
  | { f32: number }
  | { ints: readonly number[] }
  | { floats: readonly number[] }
  | { longs: readonly bigint[] }
  | { bytes: Uint8Array }
  | { text: string }
  | { table: RawTable }
  | { tables: readonly RawTable[] };

/** Fields by id. An object that occurs twice is stored once and pointed at twice. */
export type RawTable = Readonly<Record<number, RawValue>>;

/** Bytes of a flatbuffer with this root table. */
export function rawFlat(root: RawTable, identifier = "TFL3"): Uint8Array {
  const b = new Builder(1024);
  const stored = new Map<object, Offset>();
  const vector = <T>(items: readonly T[], width: number, add: (item: T) => void): Offset => {
    b.startVector(width, items.length, width);
    for (let i = items.length - 1; i >= 0; i--) add(items[i]!);
    return b.endVector();
  };
  const child = (value: RawValue): Offset => {
    if ("ints" in value) return vector(value.ints, 4, (x) => b.addInt32(x));
    if ("floats" in value) return vector(value.floats, 4, (x) => b.addFloat32(x));
    if ("longs" in value) return vector(value.longs, 8, (x) => b.addInt64(x));
    if ("bytes" in value) return b.createByteVector(value.bytes);
    if ("text" in value) return b.createString(value.text);
    if ("table" in value) return table(value.table);
    if ("tables" in value) return vector(value.tables.map(table), 4, (x) => b.addOffset(x));
    return 0;
  };
  const once = (key: object, make: () => Offset): Offset => {
    const known = stored.get(key);
    if (known !== undefined) return known;
    const offset = make();
    stored.set(key, offset);
    return offset;
  };
  function table(raw: RawTable): Offset {
    return once(raw, () => {
      const fields = Object.entries(raw).map(([id, value]) => [Number(id), value] as const);
      const children = fields.map(([, value]) => once(value, () => child(value)));
      b.startObject(Math.max(-1, ...fields.map(([id]) => id)) + 1);
      for (const [i, [id, value]] of fields.entries())
        if ("i8" in value) b.addFieldInt8(id, value.i8, null);
        else if ("i32" in value) b.addFieldInt32(id, value.i32, null);
        else if ("u64" in value) b.addFieldInt64(id, value.u64, null);
        else if ("f32" in value) b.addFieldFloat32(id, value.f32, null);
        else b.addFieldOffset(id, children[i]!, 0);
      return b.endObject();
    });
  }
  b.finish(table(root), identifier);
  return b.asUint8Array().slice();
}

/**
 * Position of a stored value: field ids and vector indices in turn, from the root table on. The last step is not
 * followed: for a field it is the position of the field in its table, for an index that of the element.
 * @param widths bytes of the vector elements that the last step indexes
 */
export function locate(bytes: Uint8Array, path: readonly number[], width = 4): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const follow = (at: number) => at + view.getUint32(at, true);
  let at = 0;
  for (const [depth, step] of path.entries()) {
    const start = follow(at);
    if (depth % 2 === 0) {
      const vtable = start - view.getInt32(start, true);
      const slot = 4 + 2 * step;
      const distance =
        slot < view.getUint16(vtable, true) ? view.getUint16(vtable + slot, true) : 0;
      if (distance === 0) throw new Error(`field ${step} of path ${path.join(".")} is not stored`);
      at = start + distance;
    } else at = start + 4 + step * (depth === path.length - 1 ? width : 4);
  }
  return at;
}

/** A copy with a 32-bit word replaced. */
export function withWord(bytes: Uint8Array, at: number, word: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(at, word >>> 0, true);
  return copy;
}
