// Version of the package, from its package.json.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";

/** package.json lies one level above both cli/ and dist/. */
const file = new URL("../package.json", import.meta.url);

export const VERSION: string = (JSON.parse(readFileSync(file, "utf8")) as { version: string })
  .version;
