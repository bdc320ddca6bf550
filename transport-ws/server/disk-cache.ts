// Uploaded executables on disk: <digest>.twx in one directory, bounded in size, verified whenever one is read.
// SPDX-License-Identifier: MIT
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../core-as/inspect/canonical.ts";
import { LeastRecent, type ExecutableCache } from "../agent/cache.ts";

/** How much a cache directory may hold. */
export interface DiskCacheOptions {
  /** Bytes of all files together; what was not used for longest goes first. */
  maxBytes: number;
  /** Number of files; default 1024. */
  maxEntries?: number;
}

const FILE = /^([0-9a-f]{64})\.twx$/;
const TEMPORARY = /^[0-9a-f]{64}\.[0-9a-f]{16}\.tmp$/;
/** A temporary file that nobody has written to for so long was left behind by a crash. */
const ABANDONED_MS = 600_000;

/**
 * Opens a cache for an agent; several processes may share the directory. Files are written beside their place and renamed, so
 * that a crash leaves no half ones; damaged ones are removed when they are read.
 * @throws Error of the file system when the directory cannot be made or read
 */
export async function openDiskCache(
  directory: string,
  { maxBytes, maxEntries = 1024 }: DiskCacheOptions,
): Promise<ExecutableCache> {
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes is ${maxBytes}, it must be more than 0`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const cache = new DiskCache(directory, new LeastRecent(maxBytes, maxEntries));
  await cache.scan();
  return cache;
}

class DiskCache implements ExecutableCache {
  /** Writes take turns. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly order: LeastRecent,
  ) {}

  /** Takes stock: what is there, by its last use; what a crash left behind goes. */
  async scan(): Promise<void> {
    const found: { digest: string; bytes: number; used: number }[] = [];
    for (const name of await readdir(this.directory)) {
      const path = join(this.directory, name);
      const digest = FILE.exec(name)?.[1];
      if (digest === undefined && !TEMPORARY.test(name)) continue;
      const info = await stat(path).catch(() => null);
      if (info === null || !info.isFile()) continue;
      if (digest !== undefined) found.push({ digest, bytes: info.size, used: info.mtimeMs });
      else if (Date.now() - info.mtimeMs > ABANDONED_MS) await remove(path);
    }
    found.sort((a, b) => a.used - b.used);
    for (const { digest, bytes } of found) this.order.touch(digest, bytes);
    await this.evict();
  }

  async get(digest: string): Promise<Uint8Array | null> {
    const path = this.pathOf(digest);
    const info = await stat(path).catch(() => null);
    if (info === null || !this.order.fits(info.size)) return null;
    const bytes = await readFile(path).catch(() => null);
    if (bytes === null) return null;
    // A plain view: methods of Buffer mean other things.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if ((await sha256Hex(plain)) !== digest) {
      this.order.remove(digest);
      await remove(path);
      return null;
    }
    this.order.touch(digest, plain.length);
    // The order of use outlives the process; where that is not possible it begins anew.
    await utimes(path, new Date(), new Date()).catch(() => {});
    return plain;
  }

  put(digest: string, bytes: Uint8Array): Promise<void> {
    const written = this.turn.then(() => this.write(digest, bytes));
    this.turn = written.catch(() => {});
    return written;
  }

  private async write(digest: string, bytes: Uint8Array): Promise<void> {
    if (!this.order.fits(bytes.length)) return;
    const path = this.pathOf(digest);
    const temporary = join(this.directory, `${digest}.${randomBytes(8).toString("hex")}.tmp`);
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await remove(temporary);
      throw error;
    }
    this.order.touch(digest, bytes.length);
    await this.evict();
  }

  private async evict(): Promise<void> {
    for (const digest of this.order.evict()) await remove(this.pathOf(digest));
  }

  /** @throws RangeError for what is no digest: it would be a path elsewhere */
  private pathOf(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError("that is no SHA-256 in hexadecimal");
    return join(this.directory, `${digest}.twx`);
  }
}

/** Somebody else may have been faster. */
async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => {});
}
