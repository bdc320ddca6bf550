// Building the addon from its sources, as users with a compiler do.
// SPDX-License-Identifier: MIT
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { needTool, works } from "../helpers/tools.ts";

const SUITE = "native addon from source";
const test = suite(SUITE);
const require = createRequire(import.meta.url);
const prefix = dirname(dirname(realpathSync(process.execPath)));
const hasHeaders = existsSync(join(prefix, "include/node/node_api.h"));

test("node-gyp builds it without a warning, and it loads", () => {
  const folder = mkdtempSync(join(tmpdir(), "tw-build-"));
  try {
    for (const name of ["addon.c", "binding.gyp", "source-hash.mjs"])
      cpSync(join("transport-node/addon", name), join(folder, name));
    const result = spawnSync(
      process.execPath,
      [require.resolve("node-gyp/bin/node-gyp.js"), "rebuild", `--nodedir=${prefix}`],
      { cwd: folder, encoding: "utf8" },
    );
    assert.is(result.status, 0, result.stderr);
    assert.not.match(result.stderr + result.stdout, /warning:/);
    const script = `
      const addon = require(${JSON.stringify(require.resolve("node-gyp-build"))})(${JSON.stringify(folder)});
      const file = addon.open(${JSON.stringify(join(folder, "addon.c"))});
      const mapping = addon.mmap(file, 4096, 0);
      const bytes = new Uint8Array(2);
      addon.read(mapping, 0, bytes);
      console.log(addon.source.length, Buffer.from(bytes).toString());
    `;
    const out = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" });
    assert.is(out.trim(), `${"tilewright-addon-source:".length + 64} //`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

if (
  needTool(SUITE, "C compiler", works("cc", "--version")) &&
  needTool(SUITE, "make", works("make", "--version")) &&
  needTool(SUITE, "python3", works("python3", "--version")) &&
  needTool(SUITE, "Node headers beside node", hasHeaders)
)
  test.run();
