// The native addon on ordinary files: calls, refusals, and that nothing is left.
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadAddon } from "../../transport-node/addon.ts";
import { needTool } from "../helpers/tools.ts";

const SUITE = "native addon";
const { errno } = constants;
const test = suite(SUITE);

/** A request number as ioctl(2) numbers are made: read and write, of this size. */
const request = (bytes: number, number = 0x40): number =>
  (3 * 2 ** 30 + bytes * 2 ** 16 + 0x64 * 2 ** 8 + number) >>> 0;

/** Asks how many bytes can be read: works on pipes and ordinary files. Its number has no size. */
const FIONREAD = 0x541b;

let folder: string;
let path: string;
const PAGE = 4096;

test.before(() => {
  folder = mkdtempSync(join(tmpdir(), "tw-addon-"));
  path = join(folder, "file");
});
test.before.each(() =>
  writeFileSync(
    path,
    Uint8Array.from({ length: 3 * PAGE }, (_, i) => (i * 7 + (i >> 8)) & 255),
  ),
);
test.after(() => rmSync(folder, { recursive: true }));

const addon = loadAddon();
type File = Exclude<ReturnType<typeof addon.open>, number>;
type Mapping = Exclude<ReturnType<typeof addon.mmap>, number>;

function opened(name = path): File {
  const file = addon.open(name);
  if (typeof file === "number") throw new Error(`errno ${-file}`);
  return file;
}

function mapped(file: File, bytes = PAGE, offset = 0): Mapping {
  const mapping = addon.mmap(file, bytes, offset);
  if (typeof mapping === "number") throw new Error(`errno ${-mapping}`);
  return mapping;
}

/** Descriptors and mappings of this process that belong to the test's file. */
function held(): { descriptors: number; mappings: number } {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
  return {
    descriptors: links.filter((link) => link === path).length,
    mappings: maps.filter((line) => line.endsWith(path)).length,
  };
}

const isTypeError = (error: unknown): boolean => error instanceof TypeError;

const NOTHING = { descriptors: 0, mappings: 0 };

test("it is built from the sources that lie beside it", async () => {
  const { sourceHash } = (await import(resolve("transport-node/addon/source-hash.mjs"))) as {
    sourceHash(): string;
  };
  assert.is(addon.source, `tilewright-addon-source:${sourceHash()}`);
});

test("it does what it is for and nothing else", () =>
  assert.equal(Object.keys(addon).sort(), [
    "close", "ioctl", "ioctlAsync", "mmap", "munmap", "open", "read", "source", "write",
  ])); // prettier-ignore

test("opening fails with errno, or opens for good", () => {
  assert.is(addon.open(join(folder, "nothing")), -errno.ENOENT);
  assert.is(addon.open(folder), -errno.EISDIR);
  const file = opened();
  assert.equal(held(), { descriptors: 1, mappings: 0 });
  addon.close(file);
  addon.close(file);
  assert.equal(held(), NOTHING);
});

test("a descriptor does not reach children", () => {
  const file = opened();
  const list = execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
  addon.close(file);
  assert.not.match(list, path);
});

test("paths that are none are refused", () => {
  assert.throws(() => addon.open(""), /the path has 0 bytes, not 1 to 4095/);
  assert.throws(() => addon.open("x".repeat(5000)), /5000 bytes/);
  assert.throws(() => addon.open(`${path}\0x`), /zero byte/);
  assert.throws(() => addon.open(3 as never), /path was expected/);
});

test("a closed file is refused, even when its number belongs to another file", () => {
  const file = opened();
  addon.close(file);
  const other = openSync(path, "r+");
  try {
    const argument = new Uint8Array(16);
    assert.throws(() => addon.ioctl(file, request(16), argument), /closed before/);
    assert.throws(() => addon.ioctlAsync(file, request(16), argument), /closed before/);
    assert.throws(() => addon.mmap(file, PAGE, 0), /closed before/);
    addon.close(file);
    assert.equal(held(), { descriptors: 1, mappings: 0 }, "the other file is still open");
  } finally {
    closeSync(other);
  }
});

test("objects that are no files and no mappings are refused", () => {
  const file = opened();
  const mapping = mapped(file);
  const argument = new Uint8Array(16);
  for (const wrong of [{}, null, 3, mapping, new Proxy(file as object, {})] as never[])
    assert.throws(() => addon.ioctl(wrong, request(16), argument), isTypeError);
  assert.throws(() => addon.ioctl({} as never, request(16), argument), /opened file was expected/);
  for (const wrong of [{}, undefined, file] as never[])
    assert.throws(() => addon.read(wrong, 0, argument), isTypeError);
  assert.throws(() => addon.munmap(file as never), /mapping was expected/);
  addon.munmap(mapping);
  addon.close(file);
});

test("the size in a request number has to be the argument's", () => {
  const file = opened();
  const message = /ioctl request 0xc0106440 takes 16 bytes and was given 15/;
  assert.throws(() => addon.ioctl(file, request(16), new Uint8Array(15)), message);
  assert.throws(() => addon.ioctlAsync(file, request(16), new Uint8Array(15)), message);
  assert.throws(() => addon.ioctl(file, request(16), new Uint8Array(17)), /given 17/);
  assert.throws(() => addon.ioctl(file, FIONREAD, new Uint8Array(4)), /takes 0 bytes/);
  const detached = new Uint8Array(16);
  structuredClone(detached, { transfer: [detached.buffer] });
  assert.throws(() => addon.ioctl(file, request(16), detached), /given 0/);
  for (const wrong of [-1, 2 ** 32, 1.5, NaN])
    assert.throws(() => addon.ioctl(file, wrong, new Uint8Array(16)), /ioctl request/);
  for (const wrong of [new Uint16Array(8), new ArrayBuffer(16), "x", undefined] as never[])
    assert.throws(() => addon.ioctl(file, request(16), wrong), /Uint8Array was expected/);
  addon.close(file);
});

test("an ordinary file knows no device requests: -ENOTTY, on both ways", async () => {
  const file = opened();
  const argument = Uint8Array.from({ length: 16 }, (_, i) => i);
  const copy = argument.slice();
  assert.is(addon.ioctl(file, request(16), argument), -errno.ENOTTY);
  assert.is(await addon.ioctlAsync(file, request(16), argument), -errno.ENOTTY);
  assert.equal(argument, copy);
  addon.close(file);
});

test("pointers go to 64-bit fields of the argument, and are gone afterwards", async () => {
  const file = opened();
  const call = (...pointers: { offset: number; buffer: Uint8Array }[]): number =>
    addon.ioctl(file, request(24), new Uint8Array(24), pointers);
  const buffer = new Uint8Array(8);
  for (const offset of [4, 20, 24, 2 ** 31])
    assert.throws(() => call({ offset, buffer }), /is no 64-bit field of an argument of 24 bytes/);
  for (const offset of [-8, 0.5, NaN])
    assert.throws(() => call({ offset, buffer }), /pointer offset/);
  assert.throws(() => call({ offset: 8, buffer }, { offset: 8, buffer }), /8 is given twice/);
  assert.throws(() => call({ offset: 8, buffer: [] as never }), /Uint8Array was expected/);
  assert.throws(
    () => call(...Array.from({ length: 9 }, () => ({ offset: 0, buffer }))),
    /9 pointers/,
  );
  assert.throws(() => addon.ioctl(file, request(8), buffer, {} as never), /array of pointers/);
  assert.throws(() => addon.ioctl(file, request(8), buffer, [null] as never), isTypeError);

  const argument = new Uint8Array(24).fill(0x11);
  const pointers = [{ offset: 8, buffer }];
  assert.is(addon.ioctl(file, request(24), argument, pointers), -errno.ENOTTY);
  assert.equal([...argument.subarray(8, 16)], Array(8).fill(0));
  argument.fill(0x11);
  assert.is(await addon.ioctlAsync(file, request(24), argument, pointers), -errno.ENOTTY);
  assert.equal([...argument.subarray(8, 16)], Array(8).fill(0));
  assert.ok(argument.subarray(0, 8).every((byte) => byte === 0x11));
  addon.close(file);
});

test("getters that pull the ground away change nothing", () => {
  const file = opened();
  const argument = new Uint8Array(24);
  const pointers = [
    {
      get offset(): number {
        addon.close(file);
        structuredClone(argument, { transfer: [argument.buffer] });
        return 8;
      },
      buffer: new Uint8Array(8),
    },
  ];
  assert.throws(() => addon.ioctl(file, request(24), argument, pointers), /closed before|given 0/);
  const thrower = [
    {
      get offset(): number {
        throw new Error("from the getter");
      },
      buffer: new Uint8Array(8),
    },
  ];
  const other = opened();
  assert.throws(
    () => addon.ioctl(other, request(24), new Uint8Array(24), thrower),
    /from the getter/,
  );
  addon.close(other);
});

test("a call on another thread outlives close and what happens to its buffers", async () => {
  const file = opened();
  const argument = new Uint8Array(24);
  const buffer = new Uint8Array(64 * 1024);
  const calls = Array.from({ length: 50 }, () =>
    addon.ioctlAsync(file, request(24), argument, [{ offset: 8, buffer }]),
  );
  addon.close(file);
  structuredClone(argument, { transfer: [argument.buffer] });
  structuredClone(buffer, { transfer: [buffer.buffer] });
  assert.throws(() => addon.ioctl(file, request(16), new Uint8Array(16)), /closed before/);
  assert.equal(new Set(await Promise.all(calls)), new Set([-errno.ENOTTY]));
  assert.equal(held(), NOTHING);
});

test("mapped bytes are the file's, both ways", () => {
  const file = opened();
  const mapping = mapped(file, 2 * PAGE, PAGE);
  const bytes = readFileSync(path);
  const target = new Uint8Array(100);
  addon.read(mapping, 5, target);
  assert.equal(target, new Uint8Array(bytes.subarray(PAGE + 5, PAGE + 105)));
  addon.write(mapping, 2 * PAGE - 3, Uint8Array.of(1, 2, 3));
  assert.equal([...readFileSync(path).subarray(-3)], [1, 2, 3]);
  // Views of larger buffers are taken as the views that they are.
  const large = new Uint8Array(10).fill(9);
  addon.read(mapping, 2 * PAGE - 3, large.subarray(4, 7));
  assert.equal([...large], [9, 9, 9, 9, 1, 2, 3, 9, 9, 9]);
  addon.munmap(mapping);
  addon.close(file);
});

test("a mapping ends where it ends", () => {
  const file = opened();
  const mapping = mapped(file);
  const buffer = new Uint8Array(8);
  for (const offset of [PAGE - 7, PAGE, 2 ** 52])
    for (const call of [addon.read, addon.write])
      assert.throws(() => call(mapping, offset, buffer), /leave the mapping of 4096 bytes/);
  for (const offset of [-1, 0.5, NaN]) assert.throws(() => addon.read(mapping, offset, buffer));
  addon.read(mapping, PAGE, new Uint8Array(0));
  addon.munmap(mapping);
  addon.munmap(mapping);
  assert.throws(() => addon.read(mapping, 0, buffer), /released before/);
  assert.throws(() => addon.write(mapping, 0, buffer), /released before/);
  assert.equal(held(), { descriptors: 1, mappings: 0 });
  addon.close(file);
});

test("a mapping lives on when its file is closed", () => {
  const file = opened();
  const mapping = mapped(file);
  addon.close(file);
  const target = new Uint8Array(4);
  addon.read(mapping, 0, target);
  assert.equal(target, new Uint8Array(readFileSync(path).subarray(0, 4)));
  addon.munmap(mapping);
  assert.equal(held(), NOTHING);
});

test("mappings that cannot be are refused or fail with errno", () => {
  const file = opened();
  assert.is(addon.mmap(file, PAGE, 1), -errno.EINVAL);
  assert.throws(() => addon.mmap(file, 0, 0), /at least 1 byte/);
  assert.throws(() => addon.mmap(file, 2 ** 41, 0), /mapping length/);
  assert.throws(() => addon.mmap(file, -PAGE, 0), /mapping length/);
  addon.close(file);
});

test("what JavaScript forgets is released: descriptors and mappings", async () => {
  const script = `
    import { readdirSync, readlinkSync, readFileSync } from "node:fs";
    import { loadAddon } from ${JSON.stringify(resolve("transport-node/addon.ts"))};
    const addon = loadAddon();
    const path = ${JSON.stringify(path)};
    const count = () => readdirSync("/proc/self/fd").filter((fd) => {
      try { return readlinkSync("/proc/self/fd/" + fd) === path; } catch { return false; }
    }).length + readFileSync("/proc/self/maps", "utf8").split("\\n").filter((line) => line.endsWith(path)).length;
    (() => { for (let i = 0; i < 20; i++) { const file = addon.open(path); for (let j = 0; j < 3; j++) addon.mmap(file, 4096, 0); } })();
    const before = count();
    for (let i = 0; i < 100 && count() > 0; i++) { gc(); await new Promise((resolve) => setImmediate(resolve)); }
    console.log(before, count());
  `;
  const out = execFileSync(
    process.execPath,
    ["--expose-gc", "--import", "tsx", "--input-type=module", "-e", script],
    { encoding: "utf8" },
  );
  const [before, after] = out.trim().split(" ").map(Number);
  assert.ok(before! >= 20 + 20, `${before} before`);
  assert.is(after, 0);
});

test("a thousand rounds leave nothing", async () => {
  for (let i = 0; i < 1000; i++) {
    const file = opened();
    const mapping = mapped(file);
    const call = i % 10 === 0 ? addon.ioctlAsync(file, request(16), new Uint8Array(16)) : null;
    addon.close(file);
    addon.munmap(mapping);
    if (call !== null) assert.is(await call, -errno.ENOTTY);
  }
  assert.equal(held(), NOTHING);
});

test("worker threads load it, too, and take their files with them", async () => {
  const { Worker } = await import("node:worker_threads");
  const { addonFolder } = await import("../../transport-node/addon.ts");
  const code = `
    const addon = require("node-gyp-build")(${JSON.stringify(addonFolder())});
    const file = addon.open(${JSON.stringify(path)});
    addon.mmap(file, 4096, 0);
    addon.ioctlAsync(file, ${request(16)}, new Uint8Array(16));
    require("node:worker_threads").parentPort.postMessage(typeof file);
  `;
  const worker = new Worker(code, { eval: true });
  const message = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.is(message, "object");
  await new Promise((resolve) => worker.once("exit", resolve));
  assert.equal(held(), NOTHING);
});

if (needTool(SUITE, "Linux", process.platform === "linux")) test.run();
