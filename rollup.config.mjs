// Bundles each export of the package and the command line tool into dist/. What two of them share is a chunk of its own, so that
// classes such as NpuError exist once.
// SPDX-License-Identifier: MIT
import { existsSync, readFileSync } from "node:fs";
import { dts } from "rollup-plugin-dts";
import esbuild from "rollup-plugin-esbuild";
import { compilerIdPlugin } from "./scripts/compiler-id.mjs";

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));

/** Exports of the package by the name of their bundle. */
const EXPORTS = Object.fromEntries(
  Object.entries({
    index: "core-as/index.ts",
    node: "transport-node/index.ts",
    ws: "transport-ws/index.ts",
    "ws-node": "transport-ws/server/node.ts",
    "ws-server": "transport-ws/server/index.ts",
    "ws-pool": "transport-ws/pool/index.ts",
    worker: "core-as/worker/index.ts",
    "sim-thread": "core-as/worker/sim-thread.ts",
    "sim-thread-node": "transport-node/sim-thread.ts",
  }).filter(([, path]) => existsSync(path)),
);

/** Packages and Node's own modules stay imports. */
const external = (id) =>
  id.startsWith("node:") ||
  Object.keys(dependencies).some((name) => id === name || id.startsWith(`${name}/`));

/** Everything of the compiler lies in one chunk that all share; it holds no Node module, and no package for workers. */
const isCore = (id) => /[\\/](core-as(?![\\/]worker[\\/])|build)[\\/]/.test(id);

const SHEBANG = "#!/usr/bin/env node";

export default [
  {
    input: { ...EXPORTS, cli: "cli/main.ts" },
    external,
    output: {
      dir: "dist",
      format: "es",
      entryFileNames: "[name].js",
      chunkFileNames: ({ name }) => (name === "core" ? "core.js" : "shared-[name].js"),
      manualChunks: (id) => (isCore(id) ? "core" : undefined),
      banner: (chunk) => (chunk.name === "cli" ? SHEBANG : ""),
    },
    plugins: [compilerIdPlugin(), esbuild({ target: "es2022" })],
  },
  {
    input: EXPORTS,
    external,
    output: { dir: "dist", format: "es", chunkFileNames: "shared-[name].d.ts" },
    plugins: [dts()],
  },
];
