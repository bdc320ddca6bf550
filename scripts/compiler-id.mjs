// Names a build of the compiler: whatever could change a result changes the name, so that results that another build kept are not found.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Digested as build/core.wasm. */
const ASSEMBLY = "core-as/assembly";
/** Constants of its enums are compiled into the other side too. */
const SHARED = [`${ASSEMBLY}/abi.ts`, `${ASSEMBLY}/abi-check.ts`, `${ASSEMBLY}/abi-kernels.ts`];

/** Paths of files below a folder, in one order on every system. */
function filesBelow(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (!entry.isDirectory()) return [path];
      return path === ASSEMBLY ? [] : filesBelow(root, path);
    });
}

/**
 * Version of the package, and a digest of the compiler's sources, its WASM core and the versions of the packages that it uses.
 * @param root folder of the repository
 */
export function compilerId(root = ROOT) {
  const { version, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const hash = createHash("sha256").update(JSON.stringify({ version, dependencies }));
  for (const path of ["build/core.wasm", ...SHARED, ...filesBelow(root, "core-as")]) {
    if (!existsSync(join(root, path))) continue;
    const bytes = readFileSync(join(root, path));
    hash.update(`\n${path} ${bytes.length}\n`).update(bytes);
  }
  return `${version}-${hash.digest("hex").slice(0, 32)}`;
}

/** build/compiler-id.js */
export function compilerIdModule() {
  return `export const compilerId = "${compilerId()}";\n`;
}

/** For rollup: bundles the name of what is bundled, not of what was built last. */
export function compilerIdPlugin() {
  return {
    name: "compiler-id",
    load: (id) => (/[\\/]build[\\/]compiler-id\.js$/.test(id) ? compilerIdModule() : null),
  };
}
