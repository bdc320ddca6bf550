// Values as JSON and bytes, and back: JSON is what an engine reads fastest when it has just started, typed arrays are put back into it.
// SPDX-License-Identifier: MIT
import { alignUp } from "../executable/format.ts";

const ARRAYS = { Uint8Array, Float32Array, Int32Array } as const;
type ArrayName = keyof typeof ARRAYS;

type Path = readonly (string | number)[];

/** What JSON has no form for: a typed array's type, source, offset and length in bytes, or the text of a number or of undefined. */
type Special =
  readonly [type: ArrayName, source: string, at: number, bytes: number] | readonly [text: string];

/** Where something special belongs: below the first `shared` members of the path before. */
type Patch = readonly [shared: number, rest: Path, ...special: Special];

/** Bytes that packed values may refer to, by name. */
export type Sources = Readonly<Record<string, Uint8Array>>;

/** Name of the source that `pack` makes. */
const POOL = "pool";
const ALIGNMENT = 8;

export interface Packed {
  json: string;
  /** The source "pool": what lies in no other source. */
  pool: Uint8Array;
}

/**
 * Packs a value of plain objects, lists, texts, numbers, truth values, null, undefined and typed arrays (bytes, binary32, int32).
 * @param sources typed arrays that are views of one of these are not copied
 * @throws TypeError for any other value
 */
export function pack(value: unknown, sources: Sources): Packed {
  const patches: Patch[] = [];
  const pooled: Uint8Array[] = [];
  let end = 0;
  const add = (bytes: Uint8Array): number => {
    const at = end;
    pooled.push(bytes);
    end = alignUp(at + bytes.length, ALIGNMENT);
    return at;
  };
  let last: Path = [];
  const patch = (path: Path, ...special: Special): number => {
    let shared = 0;
    while (path[shared] === last[shared] && shared < path.length - 1) shared++;
    patches.push([shared, path.slice(shared), ...special]);
    last = path;
    return 0;
  };
  const walk = (item: unknown, path: Path): unknown => {
    if (ArrayBuffer.isView(item)) return patch(path, ...placeOf(item, sources, add));
    if (item === undefined || (typeof item === "number" && !isJsonNumber(item)))
      return patch(path, Object.is(item, -0) ? "-0" : String(item));
    if (Array.isArray(item)) return item.map((member, i) => walk(member, [...path, i]));
    if (typeof item !== "object" || item === null) {
      if (["function", "symbol", "bigint"].includes(typeof item))
        throw new TypeError(`a ${typeof item} cannot be packed`);
      return item;
    }
    if (Object.getPrototypeOf(item) !== Object.prototype)
      throw new TypeError(`${item.constructor?.name} cannot be packed`);
    return Object.fromEntries(
      Object.entries(item).map(([name, member]) => [name, walk(member, [...path, name])]),
    );
  };
  const json = JSON.stringify({ value: walk({ value }, []), patches });
  const pool = new Uint8Array(end);
  let at = 0;
  for (const bytes of pooled) {
    pool.set(bytes, at);
    at = alignUp(at + bytes.length, ALIGNMENT);
  }
  return { json, pool };
}

/**
 * The value that was packed. Bytes are views of their source; other typed arrays are views of one copy of the pool.
 * @param sources those that were given to `pack`, and its pool
 */
export function unpack(json: string, sources: Sources): unknown {
  const { value, patches } = JSON.parse(json) as { value: { value: unknown }; patches: Patch[] };
  // Aligned, and nobody else's.
  const copy = new Uint8Array(sources[POOL]!).buffer;
  // The values that the path before leads through; a shared member is not looked up again.
  const parents = [value as Record<string | number, unknown>];
  for (const patch of patches) {
    const [shared, rest] = patch;
    const last = rest.length - 1;
    for (let i = 0; i < last; i++)
      parents[shared + i + 1] = parents[shared + i]![rest[i]!] as (typeof parents)[0];
    parents[shared + last]![rest[last]!] =
      patch.length === 3 ? scalarOf(patch[2]) : arrayOf(patch, sources, copy);
  }
  return value.value;
}

const isJsonNumber = (value: number): boolean => Number.isFinite(value) && !Object.is(value, -0);

const scalarOf = (text: string): number | undefined =>
  text === "undefined" ? undefined : Number(text);

function placeOf(
  view: ArrayBufferView,
  sources: Sources,
  add: (bytes: Uint8Array) => number,
): Special {
  const type = Object.keys(ARRAYS).find((name) => view instanceof ARRAYS[name as ArrayName]);
  if (type === undefined) throw new TypeError(`${view.constructor.name} cannot be packed`);
  const { buffer, byteOffset, byteLength } = view;
  for (const [name, source] of Object.entries(sources)) {
    const at = byteOffset - source.byteOffset;
    const isInside = buffer === source.buffer && at >= 0 && at + byteLength <= source.length;
    if (type === "Uint8Array" && isInside) return [type, name, at, byteLength];
  }
  const at = add(new Uint8Array(buffer, byteOffset, byteLength));
  return [type as ArrayName, POOL, at, byteLength];
}

function arrayOf(
  [, , type, name, at, bytes]: Extract<Patch, { length: 6 }>,
  sources: Sources,
  pool: ArrayBuffer,
): Uint8Array | Float32Array | Int32Array {
  const source = sources[name];
  if (source === undefined || at + bytes > source.length)
    throw new RangeError(`${bytes} bytes at ${at} of ${name} do not exist`);
  if (type === "Uint8Array") return source.subarray(at, at + bytes);
  return new ARRAYS[type](pool, at, bytes / ARRAYS[type].BYTES_PER_ELEMENT);
}
