// Reads the scalars of a flexbuffer map, the form in which custom operators keep their options. The bytes are not trusted.
// SPDX-License-Identifier: MIT

/** A scalar; null for a null value; undefined for a string, a vector or another type that is not a scalar. */
export type FlexValue = number | boolean | null | undefined;

/** Options have a dozen entries; more than this is no options map. */
const MAX_ENTRIES = 256;
const MAX_KEY_BYTES = 256;

const TYPE = {
  NULL: 0,
  INT: 1,
  UINT: 2,
  FLOAT: 3,
  INDIRECT_INT: 6,
  INDIRECT_UINT: 7,
  INDIRECT_FLOAT: 8,
  MAP: 9,
  BOOL: 26,
} as const;

class FlexError extends Error {}

/** Bounds-checked little-endian reads of 1, 2, 4 or 8 bytes. */
class FlexReader {
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private check(at: number, width: number): void {
    if (!(at >= 0 && at + width <= this.bytes.length))
      throw new FlexError(`${width} bytes at ${at} are outside of ${this.bytes.length} bytes`);
  }

  uint(at: number, width: number): number {
    this.check(at, width);
    if (width === 1) return this.view.getUint8(at);
    if (width === 2) return this.view.getUint16(at, true);
    if (width === 4) return this.view.getUint32(at, true);
    return Number(this.view.getBigUint64(at, true));
  }

  int(at: number, width: number): number {
    this.check(at, width);
    if (width === 1) return this.view.getInt8(at);
    if (width === 2) return this.view.getInt16(at, true);
    if (width === 4) return this.view.getInt32(at, true);
    return Number(this.view.getBigInt64(at, true));
  }

  float(at: number, width: number): number {
    this.check(at, width);
    if (width === 4) return this.view.getFloat32(at, true);
    if (width === 8) return this.view.getFloat64(at, true);
    throw new FlexError(`a float of ${width} bytes at ${at}`);
  }

  /** Follows the offset at `at`, which counts backwards. */
  target(at: number, width: number): number {
    const target = at - this.uint(at, width);
    this.check(target, 1);
    return target;
  }

  key(at: number): string {
    let key = "";
    for (let i = at; this.uint(i, 1) !== 0; i++) {
      if (key.length === MAX_KEY_BYTES) throw new FlexError(`a key at ${at} has no end`);
      key += String.fromCharCode(this.uint(i, 1));
    }
    return key;
  }

  /** The value of one map entry; `packed` holds its type and, for indirect types, the width of what it points to. */
  value(at: number, width: number, packed: number): FlexValue {
    const inner = 1 << (packed & 3);
    switch (packed >> 2) {
      case TYPE.NULL:
        return null;
      case TYPE.INT:
        return this.int(at, width);
      case TYPE.UINT:
        return this.uint(at, width);
      case TYPE.FLOAT:
        return this.float(at, width);
      case TYPE.BOOL:
        return this.uint(at, width) !== 0;
      case TYPE.INDIRECT_INT:
        return this.int(this.target(at, width), inner);
      case TYPE.INDIRECT_UINT:
        return this.uint(this.target(at, width), inner);
      case TYPE.INDIRECT_FLOAT:
        return this.float(this.target(at, width), inner);
      default:
        return undefined;
    }
  }
}

/** Entries of the map at the root. A map is: ... keys offset, keys width, length | values | one type byte per value. */
function readMap(bytes: Uint8Array): Map<string, FlexValue> {
  const reader = new FlexReader(bytes);
  const end = bytes.length;
  const rootWidth = reader.uint(end - 1, 1);
  const rootType = reader.uint(end - 2, 1);
  if (![1, 2, 4, 8].includes(rootWidth)) throw new FlexError(`the root has ${rootWidth} bytes`);
  if (rootType >> 2 !== TYPE.MAP) throw new FlexError(`the root has the type ${rootType >> 2}`);

  const width = 1 << (rootType & 3);
  const values = reader.target(end - 2 - rootWidth, rootWidth);
  const count = reader.uint(values - width, width);
  if (count > MAX_ENTRIES) throw new FlexError(`the map has ${count} entries`);
  const keys = reader.target(values - 3 * width, width);
  const keyWidth = reader.uint(values - 2 * width, width);
  if (![1, 2, 4, 8].includes(keyWidth)) throw new FlexError(`keys have ${keyWidth} bytes`);

  const map = new Map<string, FlexValue>();
  for (let i = 0; i < count; i++) {
    const key = reader.key(reader.target(keys + i * keyWidth, keyWidth));
    const packed = reader.uint(values + count * width + i, 1);
    map.set(key, reader.value(values + i * width, width, packed));
  }
  return map;
}

/**
 * Scalars of the map that a flexbuffer holds; values of other types are listed as undefined.
 * @returns the entries by key, or a sentence when the bytes are no map or point outside of themselves
 */
export function readFlexMap(bytes: Uint8Array): Map<string, FlexValue> | string {
  try {
    return readMap(bytes);
  } catch (error) {
    if (error instanceof FlexError) return error.message;
    throw error;
  }
}
