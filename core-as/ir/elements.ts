// Bytes of a tensor as numbers: as they are stored, and as the real numbers that they stand for.
// SPDX-License-Identifier: MIT
import { elementBytes, type ElementType, type Quantisation } from "./graph.ts";

const READERS: Partial<Record<ElementType, (view: DataView, at: number) => number>> = {
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  bool: (view, at) => view.getUint8(at),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int32: (view, at) => view.getInt32(at, true),
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  uint64: (view, at) => Number(view.getBigUint64(at, true)),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/**
 * Elements as numbers, as they are stored.
 * @param bytes dense, little endian; bytes behind the last whole element do not count
 * @returns null for types that have no number form here (strings, packed and half-precision types)
 */
export function elementsOf(type: ElementType, bytes: Uint8Array): Float64Array | null {
  const read = READERS[type];
  if (read === undefined) return null;
  // Most tensors are bytes; copies of typed arrays are fast.
  if (type === "uint8" || type === "bool") return new Float64Array(bytes);
  if (type === "int8")
    return new Float64Array(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const width = elementBytes(type)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, i) =>
    read(view, i * width),
  );
}

/**
 * Elements as the real numbers they stand for: scale * (stored - zero point) where there is one scale, otherwise as stored.
 * @returns null as for elementsOf
 */
export function realValuesOf(
  { type, quantisation }: { type: ElementType; quantisation: Quantisation | null },
  bytes: Uint8Array,
): Float64Array | null {
  const elements = elementsOf(type, bytes);
  if (elements === null || quantisation === null || quantisation.scales.length !== 1)
    return elements;
  const scale = quantisation.scales[0]!;
  const zeroPoint = quantisation.zeroPoints[0]!;
  return elements.map((value) => scale * (value - zeroPoint));
}
