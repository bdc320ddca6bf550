// Uploaded executables on disk: <digest>.twx in one directory, bounded in size, verified whenever one is read.
// SPDX-License-Identifier: MIT
import { sha256Hex } from "../../core-as/executable/bytes.ts";
import { DirectoryStore } from "../../storage/directory-store.ts";
import type { ExecutableCache } from "../agent/cache.ts";

/** How much a cache directory may hold. */
export interface DiskCacheOptions {
  /** Bytes of all files together; what was not used for longest goes first. */
  maxBytes: number;
  /** Number of files; default 1024. */
  maxEntries?: number;
}

/**
 * Opens a cache for an agent; several processes may share the directory. Files are written beside their place and renamed, so
 * that a crash leaves no half ones; damaged ones are removed when they are read.
 * @throws Error of the file system when the directory cannot be made or read
 */
export async function openDiskCache(
  directory: string,
  options: DiskCacheOptions,
): Promise<ExecutableCache> {
  const store = new DirectoryStore(directory, { ...options, extension: ".twx", sync: true });
  await store.open();
  return {
    async get(digest) {
      const bytes = await store.get(digest);
      if (bytes === null || (await sha256Hex(bytes)) === digest) return bytes;
      await store.remove(digest);
      return null;
    },
    put: (digest, bytes) => store.put(digest, bytes),
  };
}
