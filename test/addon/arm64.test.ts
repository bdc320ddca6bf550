// The cross-built addon for arm64, loaded by Node for arm64 under qemu.
// SPDX-License-Identifier: MIT
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addonFolder } from "../../transport-node/addon.ts";
import { findProgram, needTool } from "../helpers/tools.ts";

const SUITE = "native addon on arm64";
const test = suite(SUITE);
const require = createRequire(import.meta.url);

const qemu = findProgram("qemu-aarch64-static", "qemu-aarch64");
/** Libraries of a cross compiler; on other systems where QEMU_LD_PREFIX says. */
const sysroot = process.env["QEMU_LD_PREFIX"] ?? "/usr/aarch64-linux-gnu";
const node = spawnSync(resolve("scripts/fetch-arm64-node.sh"), ["--path-only"], {
  encoding: "utf8",
}).stdout.trim();

/** Runs in Node for arm64; prints one line of JSON. */
const SCRIPT = `
  const [loader, folder, path] = process.argv.slice(1);
  const addon = require(loader)(folder);
  const thrown = (call) => { try { call(); return "nothing"; } catch (error) { return error.message; } };
  // VERSION: of DRM's requests the one that qemu passes on.
  const request = 0xc0406400;
  (async () => {
    const file = addon.open(path);
    const mapping = addon.mmap(file, 4096, 0);
    const bytes = new Uint8Array(12);
    addon.read(mapping, 6, bytes);
    addon.write(mapping, 0, Uint8Array.of(72));
    const result = {
      arch: process.arch,
      prebuilt: require(loader).path(folder).includes("prebuilds"),
      source: addon.source,
      missing: addon.open(path + ".missing"),
      wrongSize: thrown(() => addon.ioctl(file, request, new Uint8Array(8))),
      notDevice: addon.ioctl(file, request, new Uint8Array(64)),
      notDeviceAsync: await addon.ioctlAsync(file, request, new Uint8Array(64), [{ offset: 24, buffer: bytes }]),
      text: Buffer.from(bytes).toString(),
    };
    addon.munmap(mapping);
    addon.close(file);
    result.closed = thrown(() => addon.ioctl(file, request, new Uint8Array(64)));
    result.unmapped = thrown(() => addon.read(mapping, 0, bytes));
    console.log(JSON.stringify(result));
  })();
`;

test("it loads, calls the system, refuses what it has to, and maps a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tw-arm64-"));
  const path = join(folder, "file");
  writeFileSync(path, "hello mapped world".padEnd(4096, "."));
  try {
    const out = execFileSync(
      qemu!,
      [node, "-e", SCRIPT, require.resolve("node-gyp-build"), addonFolder(), path],
      { encoding: "utf8", env: { ...process.env, QEMU_LD_PREFIX: sysroot, PREBUILDS_ONLY: "1" } },
    );
    const { sourceHash } = (await import(`${addonFolder()}/source-hash.mjs`)) as {
      sourceHash(): string;
    };
    assert.equal(JSON.parse(out), {
      arch: "arm64",
      prebuilt: true,
      source: `tilewright-addon-source:${sourceHash()}`,
      missing: -2,
      wrongSize: "ioctl request 0xc0406400 takes 64 bytes and was given 8",
      notDevice: -25,
      notDeviceAsync: -25,
      text: "mapped world",
      closed: "the file was closed before",
      unmapped: "the mapping was released before",
    });
    assert.match(execFileSync("head", ["-c", "5", path], { encoding: "utf8" }), "Hello");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

if (
  needTool(SUITE, "qemu-aarch64", qemu !== null) &&
  needTool(SUITE, "Node for arm64 (scripts/fetch-arm64-node.sh)", existsSync(node)) &&
  needTool(SUITE, `arm64 libraries in ${sysroot}`, existsSync(`${sysroot}/lib/libstdc++.so.6`))
)
  test.run();
