// Files by their key in one directory: whole or not there, bounded in size, for several processes at once.
// SPDX-License-Identifier: MIT
import { randomBytes } from "node:crypto";
import {
  mkdir,
  open,
  readdir,
  rename,
  stat,
  unlink,
  utimes,
  type FileHandle,
} from "node:fs/promises";
import { dirname, join } from "node:path";

export interface DirectoryStoreOptions {
  /** Ending of the files, with its dot. */
  extension: string;
  /** Bytes of all files together; what was not used for longest goes first. */
  maxBytes: number;
  /** Number of files; default 1024. */
  maxEntries?: number;
  /** Wait until written bytes are on the disk. Without it a power failure may leave a damaged file. Default: false. */
  sync?: boolean;
}

const KEY = /^[0-9a-f]{64}$/;
const TEMPORARY = /^[0-9a-f]{64}\.[0-9a-f]{16}\.tmp$/;
/** A temporary file that nobody has written to for so long was left behind by a crash. */
const ABANDONED_MS = 600_000;

/**
 * Keeps bytes by 64 hexadecimal digits. Files are written beside their place and renamed, so that nobody ever reads half of one. The
 * last use is the file's time, so it outlives the process and counts for all that share the directory.
 */
export class DirectoryStore {
  private readonly extension: string;
  private readonly maxBytes: number;
  private readonly maxEntries: number;
  private readonly sync: boolean;
  /** Writes take turns. */
  private turn: Promise<void> = Promise.resolve();
  /** Time of the last use that was noted, in seconds; two uses never have the same one. */
  private lastUse = 0;

  /** @throws RangeError when maxBytes is not more than 0 */
  constructor(
    private readonly directory: string,
    { extension, maxBytes, maxEntries = 1024, sync = false }: DirectoryStoreOptions,
  ) {
    if (!(maxBytes > 0)) throw new RangeError(`maxBytes is ${maxBytes}, it must be more than 0`);
    this.extension = extension;
    this.maxBytes = maxBytes;
    this.maxEntries = maxEntries;
    this.sync = sync;
  }

  /**
   * Makes the directory when it is missing, and removes what is too much and what a crash left behind.
   * @throws Error of the file system
   */
  async open(): Promise<void> {
    await makeDirectory(this.directory);
    await this.tidy();
  }

  /** The bytes, not verified; null when they cannot be read or are more than the store may hold. */
  async get(key: string): Promise<Uint8Array | null> {
    const path = this.pathOf(key);
    // Where the use cannot be noted the order begins anew with the next process.
    const noted = this.touch(path).catch(() => {});
    const bytes = await this.read(path).catch(() => null);
    await noted;
    return bytes;
  }

  /**
   * Keeps bytes in place of what was there.
   * @throws Error of the file system
   */
  put(key: string, bytes: Uint8Array): Promise<void> {
    const written = this.turn.then(() => this.write(this.pathOf(key), bytes));
    this.turn = written.catch(() => {});
    return written;
  }

  async remove(key: string): Promise<void> {
    await remove(this.pathOf(key));
  }

  private async read(path: string): Promise<Uint8Array | null> {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > this.maxBytes) return null;
      const bytes = new Uint8Array(size);
      const middle = size >> 1;
      const halves = [bytes.subarray(0, middle), bytes.subarray(middle)] as const;
      const read = await Promise.all([readAt(file, halves[0], 0), readAt(file, halves[1], middle)]);
      return read.every(Boolean) ? bytes : null;
    } finally {
      await file.close();
    }
  }

  private async write(path: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.maxBytes) return;
    const stem = path.slice(0, -this.extension.length);
    const temporary = `${stem}.${randomBytes(8).toString("hex")}.tmp`;
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        if (this.sync) await file.sync();
      } finally {
        await file.close();
      }
      await this.touch(temporary);
      await rename(temporary, path);
    } catch (error) {
      await remove(temporary);
      throw error;
    }
    await this.tidy();
  }

  private touch(path: string): Promise<void> {
    this.lastUse = Math.max(Date.now() / 1000, this.lastUse + 1e-5);
    return utimes(path, this.lastUse, this.lastUse);
  }

  /** Takes stock of the directory and makes room. */
  private async tidy(): Promise<void> {
    const kept: { path: string; bytes: number; used: number }[] = [];
    for (const name of await readdir(this.directory)) {
      const isOurs = name.endsWith(this.extension) && KEY.test(name.slice(0, 64));
      const isEntry = isOurs && name.length === 64 + this.extension.length;
      if (!isEntry && !TEMPORARY.test(name)) continue;
      const path = join(this.directory, name);
      const info = await stat(path).catch(() => null);
      if (info === null || !info.isFile()) continue;
      if (isEntry) kept.push({ path, bytes: info.size, used: info.mtimeMs });
      else if (Date.now() - info.mtimeMs > ABANDONED_MS) await remove(path);
    }
    kept.sort((a, b) => b.used - a.used);
    let total = 0;
    for (const [index, { path, bytes }] of kept.entries()) {
      total += bytes;
      if (total > this.maxBytes || index >= this.maxEntries) await remove(path);
    }
  }

  /** @throws RangeError for what is no key: it would be a path elsewhere */
  private pathOf(key: string): string {
    if (!KEY.test(key)) throw new RangeError("that is no SHA-256 in hexadecimal");
    return join(this.directory, `${key}${this.extension}`);
  }
}

/** Fills `bytes` with what lies at a position of a file; false where it ends before. */
async function readAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, position + at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}

/** Makes a directory and those above it. Not with "recursive": below /proc Node then tries for ever. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path) throw error;
    await makeDirectory(parent);
    await mkdir(path, { mode: 0o700 });
  }
}

/** Somebody else may have been faster. */
async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => {});
}
