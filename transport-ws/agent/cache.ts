// Where an agent keeps uploaded executables: by digest, bounded, oldest use goes first.
// SPDX-License-Identifier: MIT

/** Keeps bytes by their SHA-256 in hexadecimal. Losing an entry costs an upload, nothing else. */
export interface ExecutableCache {
  /** The bytes, or null when they are not there. They are right: an implementation verifies what it reads from outside. */
  get(digest: string): Promise<Uint8Array | null>;
  /** Keeps bytes whose digest was checked. The caller does not change them afterwards. */
  put(digest: string, bytes: Uint8Array): Promise<void>;
}

/** A cache in memory. Executables that are larger than the whole are not kept. */
export function createMemoryCache({
  maxBytes = 256 * 2 ** 20,
  maxEntries = 64,
}: { maxBytes?: number; maxEntries?: number } = {}): ExecutableCache {
  /** In the order of their last use. */
  const kept = new Map<string, Uint8Array>();
  let total = 0;
  const remove = (digest: string): void => {
    total -= kept.get(digest)?.length ?? 0;
    kept.delete(digest);
  };
  const keep = (digest: string, bytes: Uint8Array): void => {
    remove(digest);
    kept.set(digest, bytes);
    total += bytes.length;
  };
  return {
    async get(digest) {
      const bytes = kept.get(digest) ?? null;
      if (bytes !== null) keep(digest, bytes);
      return bytes;
    },
    async put(digest, bytes) {
      if (bytes.length > maxBytes) return;
      keep(digest, bytes);
      for (const oldest of kept.keys()) {
        if (total <= maxBytes && kept.size <= maxEntries) return;
        remove(oldest);
      }
    },
  };
}
