// Generated pages hold what the code holds.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ERROR_CODES } from "../../core-as/errors.ts";
import { constraintsOf } from "../../core-as/legalise/partition.ts";

test("docs/errors.md has one heading for each code, in order", () => {
  const page = readFileSync("docs/errors.md", "utf8");
  const headings = [...page.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
  assert.equal(headings, Object.keys(ERROR_CODES));
});

test("docs/support.md names every constraint", () => {
  const page = readFileSync("docs/support.md", "utf8");
  for (const mode of ["compatible", "optimised"] as const)
    for (const { id, sentence } of constraintsOf(mode)) {
      assert.ok(page.includes(id), id);
      assert.ok(page.includes(sentence), sentence);
    }
});

test.run();
