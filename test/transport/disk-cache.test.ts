// Executables on disk: whole or not there, verified, bounded, whatever happened to the files meanwhile.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectBoard, openDiskCache, startServer } from "../../transport-ws/server/index.ts";
import { CountingTransport, TINY, TINY_BYTES } from "../helpers/board.ts";

const test = suite("disk cache");
let directory = "";

test.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), "tilewright-cache-"));
});
test.after.each(() => rmSync(directory, { recursive: true, force: true }));

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (value: number, size = 100): Uint8Array => new Uint8Array(size).fill(value);
const files = (): string[] => readdirSync(directory).sort();

test("keeps bytes over its own end", async () => {
  const [a, b] = [bytesOf(1), bytesOf(2)];
  const cache = await openDiskCache(directory, { maxBytes: 1000 });
  assert.is(await cache.get(digest(a)), null);
  await Promise.all([cache.put(digest(a), a), cache.put(digest(b), b), cache.put(digest(a), a)]);
  assert.equal(files(), [`${digest(a)}.twx`, `${digest(b)}.twx`].sort());
  const again = await openDiskCache(directory, { maxBytes: 1000 });
  assert.equal([await again.get(digest(a)), await again.get(digest(b))], [a, b]);
});

test("what is damaged is not given out, but removed", async () => {
  const a = bytesOf(1);
  const cache = await openDiskCache(directory, { maxBytes: 1000 });
  for (const damage of [bytesOf(9), bytesOf(1, 99), new Uint8Array(0)]) {
    await cache.put(digest(a), a);
    writeFileSync(join(directory, `${digest(a)}.twx`), damage);
    assert.is(await cache.get(digest(a)), null);
    assert.equal(files(), []);
  }
  await cache.put(digest(a), a);
  assert.equal(await cache.get(digest(a)), a);
});

test("what was not used for longest goes first, also after a new start", async () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((value) => bytesOf(value));
  const cache = await openDiskCache(directory, { maxBytes: 250 });
  await cache.put(digest(a!), a!);
  await cache.put(digest(b!), b!);
  await cache.get(digest(a!));
  await cache.put(digest(c!), c!);
  assert.equal(files(), [`${digest(a!)}.twx`, `${digest(c!)}.twx`].sort());
  utimesSync(join(directory, `${digest(c!)}.twx`), 1, 1);
  const again = await openDiskCache(directory, { maxBytes: 250 });
  await again.put(digest(d!), d!);
  assert.equal(files(), [`${digest(a!)}.twx`, `${digest(d!)}.twx`].sort());
  const smaller = await openDiskCache(directory, { maxBytes: 150 });
  assert.is(files().length, 1);
  await smaller.put(digest(bytesOf(5, 151)), bytesOf(5, 151));
  assert.is(files().length, 1);
});

test("half-written files of a crash are never read, and removed when they are old", async () => {
  const a = bytesOf(1);
  const left = join(directory, `${digest(a)}.0123456789abcdef.tmp`);
  const fresh = join(directory, `${digest(a)}.fedcba9876543210.tmp`);
  const foreign = join(directory, "notes.txt");
  for (const path of [left, fresh, foreign]) writeFileSync(path, "half");
  utimesSync(left, 1, 1);
  const cache = await openDiskCache(directory, { maxBytes: 1000 });
  assert.is(await cache.get(digest(a)), null);
  // Another process may be writing the fresh one; what is not ours is left alone.
  assert.equal([existsSync(left), existsSync(fresh), existsSync(foreign)], [false, true, true]);
});

test("names that are no digests lead nowhere", async () => {
  const cache = await openDiskCache(directory, { maxBytes: 1000 });
  for (const name of ["../etc/passwd", "", "A".repeat(64), "a".repeat(63)]) {
    await cache.get(name).then(
      () => assert.unreachable(),
      (error: unknown) => assert.instance(error, RangeError),
    );
  }
});

test("an agent goes on without its cache, and uses it after a new start", async () => {
  const lines: string[] = [];
  const serve = async (maxBytes: number): Promise<number> => {
    const cache = await openDiskCache(directory, { maxBytes });
    const transport = new CountingTransport();
    const log = (line: string): number => lines.push(line);
    const server = await startServer({
      transport,
      check: false,
      host: "127.0.0.1",
      port: 0,
      cache,
      log,
    });
    let uploads = 0;
    const board = await connectBoard(server.url, { onUploadProgress: () => uploads++ });
    await board.load(TINY);
    await board.close();
    await server.close(0);
    return uploads;
  };
  assert.ok((await serve(1e6)) > 0);
  assert.is(await serve(1e6), 0);
  writeFileSync(join(directory, `${digest(TINY_BYTES)}.twx`), "damaged");
  assert.ok((await serve(1e6)) > 0);
  rmSync(directory, { recursive: true });
  const gone = await openDiskCache(directory, { maxBytes: 1e6 });
  rmSync(directory, { recursive: true });
  const transport = new CountingTransport();
  const server = await startServer({
    check: false,
    transport,
    host: "127.0.0.1",
    port: 0,
    cache: gone,
    log: (line) => lines.push(line),
  });
  const board = await connectBoard(server.url);
  await board.load(TINY);
  assert.match(lines.join("\n"), "cache: Error: ENOENT");
  await board.close();
  await server.close(0);
});

test.run();
