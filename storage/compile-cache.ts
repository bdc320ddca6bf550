// Results of compilations in a directory.
// SPDX-License-Identifier: MIT
import type { CompileCache } from "../core-as/compile/cache.ts";
import { DirectoryStore } from "./directory-store.ts";

export interface DirectoryCacheOptions {
  /** Bytes of all results together; what was not used for longest goes first. Default 256 MiB. */
  maxBytes?: number;
  /** Number of results; default 1024. */
  maxEntries?: number;
}

/**
 * A cache for `compile` in a directory, <key>.twc for each result. The directory is made when the first result is kept, for its owner
 * alone. Several processes may share it.
 * @throws RangeError when maxBytes is not more than 0
 */
export function createDirectoryCache(
  directory: string,
  { maxBytes = 256 * 2 ** 20, maxEntries = 1024 }: DirectoryCacheOptions = {},
): CompileCache {
  const store = new DirectoryStore(directory, { extension: ".twc", maxBytes, maxEntries });
  let opened: Promise<void> | undefined;
  return {
    get: (key) => store.get(key),
    async put(key, bytes) {
      opened ??= store.open();
      await opened.catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      await store.put(key, bytes);
    },
  };
}
