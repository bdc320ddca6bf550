// The hash of what the addon is built from. It goes into the binary, so that a test can tell stale prebuilt ones.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

const SOURCES = ["addon.c", "binding.gyp"];

/** SHA-256 of the sources, hexadecimal; line ends do not count. */
export function sourceHash() {
  const hash = createHash("sha256");
  for (const name of SOURCES)
    hash.update(readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("\r\n", "\n"));
  return hash.digest("hex");
}

if (argv[1] === fileURLToPath(import.meta.url)) console.log(sourceHash());
