// Where an agent keeps uploaded executables: by digest, bounded, oldest use goes first.
// SPDX-License-Identifier: MIT

/** Keeps bytes by their SHA-256 in hexadecimal. Losing an entry costs an upload, nothing else. */
export interface ExecutableCache {
  /** The bytes, or null when they are not there. They are right: an implementation verifies what it reads from outside. */
  get(digest: string): Promise<Uint8Array | null>;
  /** Keeps bytes whose digest was checked. The caller does not change them afterwards. */
  put(digest: string, bytes: Uint8Array): Promise<void>;
}

/** Sizes of cached executables in the order of their last use, for caches that differ in where the bytes are. */
export class LeastRecent {
  private readonly sizes = new Map<string, number>();
  private total = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxEntries: number,
  ) {}

  get bytes(): number {
    return this.total;
  }

  get entries(): number {
    return this.sizes.size;
  }

  has(digest: string): boolean {
    return this.sizes.has(digest);
  }

  /** Whether something of this size can be kept at all. */
  fits(bytes: number): boolean {
    return bytes <= this.maxBytes;
  }

  /** Notes a use; the entry is the last to go from now on. */
  touch(digest: string, bytes: number): void {
    this.remove(digest);
    this.sizes.set(digest, bytes);
    this.total += bytes;
  }

  remove(digest: string): void {
    this.total -= this.sizes.get(digest) ?? 0;
    this.sizes.delete(digest);
  }

  /** Takes out what is too much and returns it. */
  evict(): string[] {
    const gone: string[] = [];
    for (const digest of this.sizes.keys()) {
      if (this.total <= this.maxBytes && this.sizes.size <= this.maxEntries) break;
      gone.push(digest);
      this.remove(digest);
    }
    return gone;
  }
}

/** A cache in memory. Executables that are larger than the whole are not kept. */
export function createMemoryCache(
  options: { maxBytes?: number; maxEntries?: number } = {},
): ExecutableCache {
  const order = new LeastRecent(options.maxBytes ?? 256 * 2 ** 20, options.maxEntries ?? 64);
  const kept = new Map<string, Uint8Array>();
  return {
    async get(digest) {
      const bytes = kept.get(digest) ?? null;
      if (bytes !== null) order.touch(digest, bytes.length);
      return bytes;
    },
    async put(digest, bytes) {
      if (!order.fits(bytes.length)) return;
      kept.set(digest, bytes);
      order.touch(digest, bytes.length);
      for (const gone of order.evict()) kept.delete(gone);
    },
  };
}
