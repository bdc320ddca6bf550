// Element types as kernels number them, and numbers as bits of parameter words.
// SPDX-License-Identifier: MIT
import { Element } from "../../assembly/abi-kernels.ts";
import type { ElementType } from "../../ir/graph.ts";

const ELEMENTS: Partial<Record<ElementType, Element>> = {
  float32: Element.F32,
  int32: Element.I32,
  uint8: Element.U8,
  int8: Element.I8,
  int64: Element.I64,
  int16: Element.I16,
  bool: Element.BOOL,
};

/** Types that CAST converts. */
export const CAST_TYPES = Object.keys(ELEMENTS) as readonly ElementType[];

/** Types whose elements kernels compare and calculate with. */
export const NUMERIC_TYPES: readonly ElementType[] = ["float32", "int32", "uint8", "int8"];

/** @param type one of CAST_TYPES */
export function elementOfType(type: ElementType): Element {
  const element = ELEMENTS[type];
  if (element === undefined) throw new RangeError(`kernels have no elements of ${type}`);
  return element;
}

export function isByte(type: ElementType): boolean {
  return type === "uint8" || type === "int8";
}

/** A number as the bits of binary32. */
export function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0]!;
}
