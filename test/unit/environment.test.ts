// Environment variables: one list, and nothing reads what is not in it.
// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ENVIRONMENT, environmentHelp } from "../../cli/env.ts";

/** Tests are left out here: they also tell their own child processes things by variables. */
const PRODUCT = ["cli", "core-as", "transport-node", "transport-ws", "storage", "bench", "scripts"];

function sources(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => {
    try {
      return readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => /\.(ts|mjs)$/.test(name))
        .map((name) => join(folder, name));
    } catch {
      return [];
    }
  });
}

/** Names of variables that a source reads. */
function namesIn(source: string): string[] {
  const single = /\benv(?:\.|\[")([A-Z][A-Z0-9_]+)\b/g;
  const option = /\.env\(\s*"([A-Z][A-Z0-9_]+)"/g;
  const several = /\{([^{}=]*)\}\s*=\s*process\.env\b/g;
  return [
    ...[...source.matchAll(single)].map((match) => match[1]!),
    ...[...source.matchAll(option)].map((match) => match[1]!),
    ...[...source.matchAll(several)].flatMap((match) =>
      match[1]!
        .split(",")
        .map((part) => part.split(":")[0]!.trim())
        .filter((name) => /^[A-Z][A-Z0-9_]+$/.test(name)),
    ),
  ];
}

function variablesOf(folders: readonly string[]): Map<string, string> {
  const read = new Map<string, string>();
  for (const path of sources(folders))
    for (const name of namesIn(readFileSync(path, "utf8"))) read.set(name, path);
  return read;
}

test("every variable that the product reads is in the list", () => {
  const known = ENVIRONMENT.map(({ name }) => name);
  const unknown = [...variablesOf(PRODUCT)].filter(([name]) => !known.includes(name));
  assert.equal(unknown, []);
});

test("every variable of the list is read by somebody", () => {
  const read = variablesOf([...PRODUCT, "test"]);
  const unread = ENVIRONMENT.filter(({ name }) => !read.has(name)).map(({ name }) => name);
  assert.equal(unread, []);
});

test("the list is in the help and in the page, each name once", () => {
  const names = ENVIRONMENT.map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
  const page = readFileSync("docs/environment.md", "utf8");
  for (const { name, reader } of ENVIRONMENT) {
    assert.ok(page.includes(`\`${name}\``), name);
    assert.is(environmentHelp().includes(name), reader === "command line", name);
  }
});

test.run();
