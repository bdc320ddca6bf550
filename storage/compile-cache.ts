// Results of compilations in a directory.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import type { CompileCache } from "../core-as/compile/cache.ts";
import { sha256Hex } from "../core-as/executable/bytes.ts";
import { DirectoryStore } from "./directory-store.ts";

/** How much a directory of results may hold. */
export interface DirectoryCacheOptions {
  /** Bytes of all results together; what was not used for longest goes first. Default 256 MiB. */
  maxBytes?: number;
  /** Number of results; default 1024. */
  maxEntries?: number;
}

/** More bytes would keep everything else waiting: Web Cryptography copies them for a thread of its own. */
const MAX_DIGESTED_HERE = 2 ** 24;

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
    sha256: async (bytes) =>
      bytes.length > MAX_DIGESTED_HERE
        ? sha256Hex(bytes)
        : createHash("sha256").update(bytes).digest("hex"),
  };
}
