// Builds the native addon: `build` in place for this machine, `prebuild` the committed ones for linux x64 and arm64.
// Usage: node scripts/addon.mjs build|prebuild
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { existsSync, realpathSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ADDON = fileURLToPath(new URL("../transport-node/addon", import.meta.url));
const require = createRequire(import.meta.url);

/** Node's own headers, where its installation has them: then nothing has to be downloaded. */
function nodeHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, "include/node/node_api.h")) ? prefix : null;
}

function environment(extra = {}) {
  const headers = nodeHeaders();
  const env = { ...process.env, ...extra };
  if (headers !== null) env.npm_config_nodedir = headers;
  return env;
}

function run(script, args, extra) {
  execFileSync(process.execPath, [script, ...args], {
    cwd: ADDON,
    env: environment(extra),
    stdio: "inherit",
  });
}

/** One entry a prebuilt binary. */
const TARGETS = [
  { arch: "x64", strip: "strip", env: {} },
  {
    arch: "arm64",
    strip: "aarch64-linux-gnu-strip",
    env: { CC: "aarch64-linux-gnu-gcc", CXX: "aarch64-linux-gnu-g++" },
  },
];

function prebuild() {
  const gyp = require.resolve("node-gyp/bin/node-gyp.js");
  for (const { arch, strip, env } of TARGETS) {
    const args = ["--napi", "--tag-libc", "--strip", "--strip-bin", strip];
    args.push("--arch", arch, "--platform", "linux", "--name", "tilewright");
    args.push("--target", process.versions.node, "--node-gyp", gyp, "--quiet");
    run(require.resolve("prebuildify/bin.js"), args, { ...env, PREBUILD_LIBC: "glibc" });
  }
  rmSync(resolve(ADDON, "build"), { recursive: true, force: true });
}

const [, , command] = process.argv;
if (command === "build") run(require.resolve("node-gyp/bin/node-gyp.js"), ["rebuild"]);
else if (command === "prebuild") prebuild();
else {
  console.error("usage: node scripts/addon.mjs build|prebuild");
  process.exitCode = 2;
}
