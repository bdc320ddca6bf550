// Results in a directory: bounded, for several processes, and whatever happens to the files is a miss and no error.
// SPDX-License-Identifier: MIT
import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { Core } from "../../core-as/core.ts";
import { createDirectoryCache } from "../../storage/compile-cache.ts";

const SAMPLE = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const KEYS = ["1", "2", "3", "4"].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
  string,
];

const test = suite("directory cache");
let directory = "";
test.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), "tilewright-results-"));
});
test.after.each(() => rmSync(directory, { recursive: true, force: true }));
const names = (): string[] => readdirSync(directory).sort();

test("a second start finds what the first one kept", async () => {
  const core = await Core.create();
  const place = join(directory, "not", "there", "yet");
  const first = await compile(SAMPLE, { core, cache: createDirectoryCache(place) });
  const again = await compile(SAMPLE, { core, cache: createDirectoryCache(place) });
  assert.equal([first.cached, again.cached], [false, true]);
  assert.equal(again.executable, first.executable);
  const [name] = readdirSync(place);
  assert.match(name!, /^[0-9a-f]{64}\.twc$/);
  assert.is(statSync(place).mode & 0o777, 0o700);
  assert.is(statSync(join(place, name!)).mode & 0o777, 0o600);
});

test("truncated, replaced and unreadable files are compiled anew and replaced", async () => {
  const core = await Core.create();
  const cache = createDirectoryCache(directory);
  await compile(SAMPLE, { core, cache });
  const path = join(directory, names()[0]!);
  const whole = readFileSync(path);
  const damages: (() => void)[] = [
    () => truncateSync(path, 1000),
    () => truncateSync(path, 0),
    () => writeFileSync(path, "something else"),
    () => rmSync(path),
  ];
  for (const damage of damages) {
    damage();
    const errors: unknown[] = [];
    const onCacheError = (error: unknown): void => void errors.push(error);
    assert.is((await compile(SAMPLE, { core, cache, onCacheError })).cached, false);
    assert.equal(errors, []);
    assert.ok(whole.equals(readFileSync(path)));
    assert.is((await compile(SAMPLE, { core, cache })).cached, true);
  }
});

test("a place that cannot be used is reported, and the model compiled all the same", async () => {
  const core = await Core.create();
  const file = join(directory, "a file");
  writeFileSync(file, "");
  const places = [file, join(file, "below"), "/proc/tilewright/cache"];
  const locked = join(directory, "locked");
  mkdirSync(locked);
  chmodSync(locked, 0o500);
  // The superuser may write everywhere.
  if (process.getuid?.() !== 0) places.push(locked);
  for (const place of places) {
    const errors: NodeJS.ErrnoException[] = [];
    const onCacheError = (error: unknown): void => void errors.push(error as NodeJS.ErrnoException);
    const cache = createDirectoryCache(place);
    assert.is((await compile(SAMPLE, { core, cache, onCacheError })).cached, false);
    assert.is(errors.length, 1, place);
    assert.ok(errors[0]!.code, place);
  }
});

test("is bounded: what was not used for longest goes first", async () => {
  const bytes = new Uint8Array(100);
  const cache = createDirectoryCache(directory, { maxBytes: 250 });
  const [a, b, c, d] = KEYS;
  await cache.put(a, bytes);
  await cache.put(b, bytes);
  assert.ok(await cache.get(a));
  await cache.put(c, bytes);
  assert.equal(names(), [`${a}.twc`, `${c}.twc`]);
  const few = createDirectoryCache(directory, { maxEntries: 2 });
  await few.put(d, bytes);
  assert.equal(names(), [`${c}.twc`, `${d}.twc`]);
  // More than the whole is not kept, and pushes nothing out.
  await cache.put(a, new Uint8Array(251));
  assert.equal(names(), [`${c}.twc`, `${d}.twc`]);
  assert.throws(() => createDirectoryCache(directory, { maxBytes: 0 }), RangeError);
});

const WRITER = `
  const { createDirectoryCache } = await import(process.argv[1]);
  const cache = createDirectoryCache(process.argv[2], { maxBytes: 400_000 });
  const keys = ["a", "b", "c", "d", "e", "f"].map((digit) => digit.repeat(64));
  let hits = 0;
  for (let i = 0; i < 60; i++) {
    const key = keys[(i * 5 + Number(process.argv[3])) % keys.length];
    await cache.put(key, new Uint8Array(100_000).fill(key.charCodeAt(0)));
    for (const other of keys) {
      const bytes = await cache.get(other);
      if (bytes === null) continue;
      hits++;
      if (bytes.length !== 100_000 || bytes.some((byte) => byte !== other.charCodeAt(0)))
        throw new Error("torn: " + other);
    }
  }
  console.log(hits);
`;

test("processes share it: every entry is whole, whoever writes or removes meanwhile", async () => {
  const run = promisify(execFile);
  const module = new URL("../../dist/node.js", import.meta.url).href;
  const outcomes = await Promise.all(
    [0, 1, 2].map((seed) =>
      run(process.execPath, ["--input-type=module", "-e", WRITER, module, directory, `${seed}`]),
    ),
  );
  for (const { stdout } of outcomes) assert.ok(Number(stdout) > 0, stdout);
  const left = names();
  assert.ok(left.length >= 1 && left.length <= 4, left.join(" "));
  assert.ok(left.every((name) => name.endsWith(".twc")));
  assert.ok(existsSync(directory));
});

test.run();
