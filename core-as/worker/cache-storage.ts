// Results of compilations in a browser's Cache storage.
// SPDX-License-Identifier: MIT
import type { CompileCache } from "../compile/cache.ts";

export interface CacheStorageOptions {
  /** Bytes of all results together; what was not used for longest goes first. Default 256 MiB. */
  maxBytes?: number;
}

/** Entries are named by addresses that nobody fetches; the name is reserved (RFC 2606), so that nobody could. */
const ADDRESS = "https://tilewright.invalid/";
const BYTES = "content-length";

/**
 * A cache for `compile` in the Cache storage of a page or worker, shared by all of its origin; the bytes stay on this machine.
 * @param name of the cache in the storage
 * @returns undefined where there is no Cache storage: pages that are no secure context, and Node
 * @throws RangeError when maxBytes is not more than 0
 */
export function createCacheStorageCache(
  name = "tilewright",
  { maxBytes = 256 * 2 ** 20 }: CacheStorageOptions = {},
): CompileCache | undefined {
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes is ${maxBytes}, it must be more than 0`);
  const { caches } = globalThis as { caches?: CacheStorage };
  return caches && new CacheStorageCache(caches, name, maxBytes);
}

class CacheStorageCache implements CompileCache {
  constructor(
    private readonly storage: CacheStorage,
    private readonly name: string,
    private readonly maxBytes: number,
  ) {}

  async get(key: string): Promise<Uint8Array | null> {
    const cache = await this.storage.open(this.name);
    const response = await cache.match(addressOf(key));
    if (response === undefined) return null;
    const bytes = new Uint8Array(await response.arrayBuffer());
    // The storage lists what was put last at the end: putting it again notes the use.
    const [last] = (await cache.keys()).slice(-1);
    if (last?.url !== addressOf(key)) await cache.put(addressOf(key), responseOf(bytes));
    return bytes;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.maxBytes) return;
    const cache = await this.storage.open(this.name);
    await this.makeRoom(cache, addressOf(key), bytes.length);
    await cache.put(addressOf(key), responseOf(bytes));
  }

  /** Removes what was not used for longest until `wanted` bytes more have room. */
  private async makeRoom(cache: Cache, address: string, wanted: number): Promise<void> {
    const kept: { request: Request; bytes: number }[] = [];
    for (const request of await cache.keys()) {
      if (request.url === address) continue;
      const response = await cache.match(request);
      kept.push({ request, bytes: Number(response?.headers.get(BYTES) ?? 0) });
    }
    let total = wanted + kept.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { request, bytes } of kept) {
      if (total <= this.maxBytes) break;
      await cache.delete(request);
      total -= bytes;
    }
  }
}

const addressOf = (key: string): string => `${ADDRESS}${key}`;

function responseOf(bytes: Uint8Array): Response {
  const headers = { "content-type": "application/octet-stream", [BYTES]: String(bytes.length) };
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
}
