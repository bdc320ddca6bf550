// Results of compilations that are kept: what a cache is, what names a result, and what an entry holds.
// SPDX-License-Identifier: MIT
import { compilerId } from "../../build/compiler-id.js";
import { parseVerified, serialiseExecutable } from "../executable/container.ts";
import { sha256Hex } from "../executable/bytes.ts";
import { alignUp } from "../executable/format.ts";
import type { Core } from "../core.ts";
import { checksum, CHECKSUM_WORDS } from "./checksum.ts";
import type { CompileResult } from "./compile.ts";
import type { CompileSettings } from "./options.ts";
import { pack, unpack } from "./packed.ts";
import type { PassTiming } from "./pipeline.ts";

/**
 * Where results of compilations are kept. It may lose entries at any time, and give damaged ones out: an entry is verified before it is
 * used. What it throws never fails a compilation.
 */
export interface CompileCache {
  /**
   * Bytes that were put under a key, or null.
   * @param key 64 hexadecimal digits
   */
  get(key: string): Promise<Uint8Array | null>;
  /** Keeps bytes in place of what the key had before. They are not changed afterwards. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** SHA-256 in hexadecimal digits, of a host that has a faster one than Web Cryptography. It must be right: results are named by it. */
  sha256?(bytes: Uint8Array): Promise<string>;
}

/** SHA-256 of bytes in hexadecimal digits; empty where the host has none. */
export type Digest = (bytes: Uint8Array) => Promise<string>;

/**
 * The fastest digest that there is: the cache's own or Web Cryptography's, which pages that are no secure context lack.
 * @param onError told what the cache threw
 */
export function digestWith(
  cache: CompileCache | undefined,
  onError: (error: unknown) => void = () => {},
): Digest {
  const usual: Digest =
    globalThis.crypto?.subtle === undefined ? () => Promise.resolve("") : sha256Hex;
  if (cache?.sha256 === undefined) return usual;
  return async (bytes) => {
    try {
      return await cache.sha256!(bytes);
    } catch (error) {
      onError(error);
      return usual(bytes);
    }
  };
}

/** What a result is named by, and how. */
export interface Wanted {
  modelSha256: string;
  settings: CompileSettings;
  digest: Digest;
}

/** The place of one result in a cache. Whatever the cache throws is reported and otherwise as if it were empty. */
export class CachedResult {
  private constructor(
    private readonly cache: CompileCache,
    private readonly core: Core,
    private readonly key: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  static async open(
    cache: CompileCache,
    core: Core,
    wanted: Wanted,
    onError: (error: unknown) => void = () => {},
  ): Promise<CachedResult> {
    return new CachedResult(cache, core, await cacheKey(wanted), onError);
  }

  /**
   * The result as it was compiled, or undefined.
   * @param model bytes of the file, whose constants an entry does not hold
   */
  async load(model: Uint8Array): Promise<CompileResult | undefined> {
    const timings: PassTiming[] = [];
    let before = performance.now();
    const note = (name: string): void => {
      const now = performance.now();
      timings.push({ name, milliseconds: now - before });
      before = now;
    };
    const found = await this.attempt(() => this.cache.get(this.key));
    if (!found) return undefined;
    note("read cache");
    const entry = readEntry(this.core, found, model);
    if (entry === null) return undefined;
    note("load");
    // Not spread: that would unpack everything.
    return Object.assign(entry, { timings, cached: true });
  }

  /**
   * Keeps a result.
   * @param model bytes of the file
   * @returns the bytes of its .twx file
   */
  async keep(result: CompileResult, model: Uint8Array): Promise<Uint8Array> {
    const { bytes, twx } = writeEntry(this.core, result, model);
    await this.attempt(() => this.cache.put(this.key, bytes));
    return twx;
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.onError(error);
      return undefined;
    }
  }
}

/**
 * Names a result by all that it depends on: the model's bytes, everything in the settings, and the compiler itself (version of the
 * package, digests of its sources and of the WASM core), so that another build never finds it.
 */
function cacheKey({ modelSha256, settings, digest }: Wanted): Promise<string> {
  const { chip, ...chosen } = settings;
  const named = sorted({ ...chosen, chip: chip.name, compiler: compilerId, model: modelSha256 });
  return digest(new TextEncoder().encode(JSON.stringify(named)));
}

/** The same value with members in one order; what is left out and what is undefined are alike. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

/** "TWC" and the version of this form. */
const MAGIC = [0x54, 0x57, 0x43, 0x02];
/** Checksum of all that follows it. */
const SUM_AT = 4;
/** What is packed, in order. Each has two little-endian words: bytes of its JSON and of its pool. */
const PARTS = ["executable", "model", "report"] as const;
const LENGTHS_AT = SUM_AT + 4 * CHECKSUM_WORDS;
const PARTS_AT = LENGTHS_AT + 8 * PARTS.length + 4;
const ALIGNMENT = 8;

/** What an entry holds. */
type CacheEntry = Required<Pick<CompileResult, "executable" | "model" | "report" | "twx">>;

/** An entry's bytes: magic, checksum, lengths, the packed parts, and the .twx file, to whose bytes the executable refers. */
function writeEntry(
  core: Core,
  { executable, model, report }: CompileResult,
  file: Uint8Array,
): { bytes: Uint8Array; twx: Uint8Array } {
  const twx = serialiseExecutable(executable);
  // Read back, so that its buffers are views of the file.
  const values = { executable: parseVerified(twx), model, report };
  const pieces = PARTS.flatMap((name) => {
    const { json, pool } = pack(values[name], { twx, file });
    return [new TextEncoder().encode(json), pool];
  });
  const twxAt = pieces.reduce((at, piece) => at + alignUp(piece.length, ALIGNMENT), PARTS_AT);
  const bytes = new Uint8Array(twxAt + twx.length);
  const view = new DataView(bytes.buffer);
  let at = PARTS_AT;
  for (const [i, piece] of pieces.entries()) {
    view.setUint32(LENGTHS_AT + 4 * i, piece.length, true);
    bytes.set(piece, at);
    at += alignUp(piece.length, ALIGNMENT);
  }
  bytes.set(twx, twxAt);
  bytes.set(MAGIC);
  for (const [i, word] of checksum(core, bytes.subarray(LENGTHS_AT)).entries())
    view.setInt32(SUM_AT + 4 * i, word, true);
  return { bytes, twx };
}

/**
 * Reads an entry; null when it is damaged or of another form. Model and report are unpacked when somebody asks for them. Buffers and
 * twx are views of `bytes`, the model's constants of `file`.
 */
function readEntry(core: Core, bytes: Uint8Array, file: Uint8Array): CacheEntry | null {
  if (bytes.length < PARTS_AT || MAGIC.some((byte, i) => bytes[i] !== byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sum = checksum(core, bytes.subarray(LENGTHS_AT));
  const isWhole = sum.every((word, i) => view.getInt32(SUM_AT + 4 * i, true) === word);
  return isWhole ? unpackEntry(bytes, view, file) : null;
}

function unpackEntry(bytes: Uint8Array, view: DataView, file: Uint8Array): CacheEntry | null {
  let at = PARTS_AT;
  const pieces = Array.from({ length: 2 * PARTS.length }, (_, i) => {
    const start = at;
    const length = view.getUint32(LENGTHS_AT + 4 * i, true);
    at += alignUp(length, ALIGNMENT);
    return bytes.subarray(start, start + length);
  });
  const twx = bytes.subarray(at);
  const part = (name: (typeof PARTS)[number]): unknown => {
    const index = 2 * PARTS.indexOf(name);
    const json = new TextDecoder().decode(pieces[index]);
    return unpack(json, { pool: pieces[index + 1]!, twx, file });
  };
  let [model, report]: [CacheEntry["model"]?, CacheEntry["report"]?] = [];
  try {
    return {
      executable: part("executable") as CacheEntry["executable"],
      get model() {
        return (model ??= part("model") as CacheEntry["model"]);
      },
      get report() {
        return (report ??= part("report") as CacheEntry["report"]);
      },
      twx,
    };
  } catch {
    return null;
  }
}
