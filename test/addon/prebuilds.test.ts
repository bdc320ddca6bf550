// The committed binaries: for the right machines, of the sources beside them, and loadable on old systems.
// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addonFolder } from "../../transport-node/addon.ts";
import { readElfNeeds } from "./elf.ts";

const FOLDER = "transport-node/addon";
const { sourceHash } = (await import(`../../${FOLDER}/source-hash.mjs`)) as {
  sourceHash(): string;
};

/** Newest glibc symbols that may be asked for: those of the first systems that Node 20 itself runs on, and older. */
const NEWEST = { x64: [2, 14], arm64: [2, 17] } as const;

/** Calls that a preloaded library has to see: under the names that such libraries have always had. */
const CALLS = ["close", "ioctl", "mmap", "munmap", "open"];

for (const [arch, [major, minor]] of Object.entries(NEWEST)) {
  const path = `${FOLDER}/prebuilds/linux-${arch}/tilewright.glibc.node`;

  test(`${arch}: the only binary of its folder, small, for its machine`, () => {
    assert.equal(readdirSync(`${FOLDER}/prebuilds/linux-${arch}`), ["tilewright.glibc.node"]);
    const file = readFileSync(path);
    assert.is(readElfNeeds(file).machine, arch);
    assert.ok(file.length < 100_000, `${file.length} bytes`);
  });

  test(`${arch}: built from addon.c and binding.gyp as they are now`, () => {
    const marks = readFileSync(path, "latin1").match(/tilewright-addon-source:[0-9a-f]{64}/g);
    assert.equal(
      marks,
      [`tilewright-addon-source:${sourceHash()}`],
      'stale: run "npm run prebuild:addon" where both compilers are',
    );
  });

  test(`${arch}: needs nothing newer than GLIBC_${major}.${minor}`, () => {
    const { libraries, versions } = readElfNeeds(readFileSync(path));
    const allowed = ["libc.so.6", `ld-linux-aarch64.so.1`];
    assert.ok(
      libraries.every((name) => allowed.includes(name)),
      String(libraries),
    );
    assert.ok(versions.length > 0);
    for (const version of versions) {
      const numbers = /^GLIBC_(\d+)\.(\d+)/.exec(version);
      assert.ok(numbers, version);
      const [a, b] = [Number(numbers![1]), Number(numbers![2])];
      assert.ok(a < major || (a === major && b <= minor), version);
    }
  });

  test(`${arch}: calls the system by plain names, and only the calls that it is for`, () => {
    const { imports } = readElfNeeds(readFileSync(path));
    const names = imports.filter((name) => !name.startsWith("napi_") && !name.startsWith("_"));
    const others = [
      "calloc",
      "free",
      "malloc",
      "memcpy",
      "memset",
      "snprintf",
      "strlen",
      "vsnprintf",
    ];
    assert.equal(names.filter((name) => !others.includes(name)).sort(), CALLS);
    assert.not.ok(
      imports.some((name) => /_chk$|open_2|open64_2|syscall/.test(name)),
      String(imports),
    );
  });

  test(`${arch}: holds no path of the machine that built it`, () =>
    assert.not.match(readFileSync(path, "latin1"), /\/(work|home|root|Users)\//));
}

test("a build of this machine, if there is one, is of the sources as they are now", () => {
  const path = `${FOLDER}/build/Release/tilewright.node`;
  if (!existsSync(path)) return;
  assert.match(
    readFileSync(path, "latin1"),
    `tilewright-addon-source:${sourceHash()}`,
    'stale and preferred to the prebuilt one: run "npm run build:addon" or delete it',
  );
});

test("the package takes along what loads and what builds", () => {
  const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
  for (const name of ["prebuilds", "binding.gyp", "addon.c", "source-hash.mjs"])
    assert.ok(files.includes(`${FOLDER}/${name}`), name);
  // In the root npm would build it at every installation.
  assert.not.ok(existsSync("binding.gyp"));
  assert.ok(existsSync(`${addonFolder()}/binding.gyp`));
});

test.run();
