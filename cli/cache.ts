// Where the command line keeps results of compilations.
// SPDX-License-Identifier: MIT
import { homedir } from "node:os";
import { join } from "node:path";
import type { CompileOptions } from "../core-as/index.ts";
import { err, note } from "./terminal.ts";

/** What --cache, --no-cache and TW_CACHE say: a directory, none, or nothing. */
export type CacheChoice = string | false | undefined;

/** Value of TW_CACHE that stands for --no-cache. */
const OFF = "off";

/** Started from its sources, which may change without a build: their results are not kept unasked. */
const IS_SOURCE = import.meta.url.endsWith(".ts");

/**
 * The cache that a verb compiles with.
 * @param byDefault whether results are kept in the user's directory when nothing is said
 */
export async function cacheOptions(
  choice: CacheChoice,
  byDefault: boolean,
): Promise<Pick<CompileOptions, "cache" | "onCacheError">> {
  if (choice === false || choice === OFF) return {};
  // An empty variable says nothing.
  const named = choice === "" ? undefined : choice;
  const directory = named ?? (byDefault && !IS_SOURCE ? userDirectory() : undefined);
  if (directory === undefined) return {};
  const { createDirectoryCache } = await import("../storage/compile-cache.ts");
  const cache = createDirectoryCache(directory);
  if (named === undefined) return { cache };
  return {
    cache,
    onCacheError: (error) =>
      note(`${err.yellow("warning:")} the cache ${directory} cannot be used: ${reasonOf(error)}`),
  };
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The system's place for what can be made again; undefined where the user has no home. */
function userDirectory(): string | undefined {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "tilewright");
  if (process.platform === "win32")
    return LOCALAPPDATA ? join(LOCALAPPDATA, "tilewright", "cache") : undefined;
  const home = homedir();
  if (home === "" || home === "/") return undefined;
  return process.platform === "darwin"
    ? join(home, "Library", "Caches", "tilewright")
    : join(home, ".cache", "tilewright");
}
