// Values as JSON and bytes, and back: JSON is what an engine reads fastest when it has just started, typed arrays are put back into it.
// SPDX-License-Identifier: MIT

const ARRAYS = { Uint8Array, Float32Array, Int32Array } as const;
type ArrayName = keyof typeof ARRAYS;

type Path = readonly (string | number)[];

/**
 * What JSON has no form for: where it belongs, and a typed array's type, source, offset and length in bytes, or the text of a number
 * or of undefined.
 */
type Patch =
  | readonly [path: Path, type: ArrayName, source: string, at: number, bytes: number]
  | readonly [path: Path, text: string];

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
    end = Math.ceil((at + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return at;
  };
  const walk = (item: unknown, path: Path): unknown => {
    if (ArrayBuffer.isView(item)) {
      patches.push([path, ...placeOf(item, sources, add)]);
      return 0;
    }
    if (item === undefined || (typeof item === "number" && !isJsonNumber(item))) {
      patches.push([path, Object.is(item, -0) ? "-0" : String(item)]);
      return 0;
    }
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
    at = Math.ceil((at + bytes.length) / ALIGNMENT) * ALIGNMENT;
  }
  return { json, pool };
}

/**
 * The value that was packed. Bytes are views of their source; other typed arrays are copies.
 * @param sources those that were given to `pack`, and its pool
 */
export function unpack(json: string, sources: Sources): unknown {
  const { value, patches } = JSON.parse(json) as { value: { value: unknown }; patches: Patch[] };
  for (const patch of patches) {
    const [path] = patch;
    let parent = value as unknown as Record<string | number, unknown>;
    for (let i = 0; i < path.length - 1; i++)
      parent = parent[path[i]!] as Record<string | number, unknown>;
    parent[path.at(-1)!] = patch.length === 2 ? scalarOf(patch[1]) : arrayOf(patch, sources);
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
): [type: ArrayName, source: string, at: number, bytes: number] {
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
  [, type, name, at, bytes]: Extract<Patch, { length: 5 }>,
  sources: Sources,
): Uint8Array | Float32Array | Int32Array {
  const source = sources[name];
  if (source === undefined || at + bytes > source.length)
    throw new RangeError(`${bytes} bytes at ${at} of ${name} do not exist`);
  const view = source.subarray(at, at + bytes);
  return type === "Uint8Array" ? view : new ARRAYS[type](view.slice().buffer);
}
