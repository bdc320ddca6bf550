// The import rules hold, and the check would notice if they did not.
// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkLayers, importsOf, violationsIn } from "../../scripts/layers.ts";

test("every import obeys the rules", () => {
  const directories = ["core-as", "transport-node", "transport-ws", "cli"].filter(existsSync);
  assert.equal(checkLayers(directories), []);
});

test("imports are found in all their forms", () => {
  const text = `import a from "x";
import {
  b,
} from "./b.ts";
export { c } from "../c.ts";
import "node:fs";
const d = await import("y/z");`;
  assert.equal(importsOf("core-as/ir/file.ts", text), [
    "x",
    "core-as/ir/b",
    "core-as/c",
    "node:fs",
    "y/z",
  ]);
});

test("a broken rule is named", () => {
  const broken: [string, string, RegExp][] = [
    ["core-as/assembly/sim/nn.ts", 'import { x } from "../coef/encode";', /simulator/],
    ["core-as/assembly/cmd/emit.ts", 'import { x } from "../sim/nn";', /encoder/],
    ["core-as/inspect/disasm.ts", 'import { x } from "../compile/jobs.ts";', /from bytes/],
    ["core-as/ir/graph.ts", 'import { x } from "node:fs";', /platform/],
    ["core-as/hw/nn.ts", 'import { x } from "../errors.ts";', /hardware/],
  ];
  for (const [path, text, pattern] of broken) assert.match(violationsIn(path, text)[0]!, pattern);
});

test.run();
