// Bundles the compiler (dist/index.js, for browsers and Node) and the command line tool (dist/cli.js).
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { dts } from "rollup-plugin-dts";
import esbuild from "rollup-plugin-esbuild";

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));

/** Packages and Node's own modules stay imports. */
const external = (id) =>
  id.startsWith("node:") ||
  Object.keys(dependencies).some((name) => id === name || id.startsWith(`${name}/`));

/** Everything of the compiler lies in one chunk that both entries share; it holds no Node module. */
const isCore = (id) => /[\\/](core-as|build)[\\/]/.test(id);

const SHEBANG = "#!/usr/bin/env node";

export default [
  {
    input: { index: "core-as/index.ts", cli: "cli/main.ts" },
    external,
    output: {
      dir: "dist",
      format: "es",
      entryFileNames: "[name].js",
      chunkFileNames: "[name].js",
      manualChunks: (id) => (isCore(id) ? "core" : undefined),
      banner: (chunk) => (chunk.name === "cli" ? SHEBANG : ""),
    },
    plugins: [esbuild({ target: "es2022" })],
  },
  {
    input: { index: "core-as/index.ts" },
    external,
    output: { dir: "dist", format: "es" },
    plugins: [dts()],
  },
];
