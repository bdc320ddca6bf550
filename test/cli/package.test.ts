// The bundles as users get them.
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as source from "../../core-as/index.ts";

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  version: string;
  bin: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
};

/** Names that a bundle imports, each once. */
function importsOfBundle(name: string): string[] {
  const text = readFileSync(`dist/${name}.js`, "utf8");
  const lines = text.matchAll(
    /^(?:import|export) (?:[^;]* from )?'([^']+)';$|import\('([^']+)'\)/gm,
  );
  return [...new Set([...lines].map((match) => (match[1] ?? match[2])!))];
}

test("everything that package.json names exists", () => {
  for (const entry of Object.values(manifest.exports))
    for (const path of typeof entry === "string" ? [entry] : Object.values(entry))
      assert.ok(existsSync(path), path);
  for (const path of Object.values(manifest.bin)) assert.ok(existsSync(path), path);
});

test("the library imports nothing that a browser lacks", () => {
  assert.equal(importsOfBundle("index"), ["./core.js", "flatbuffers"]);
  assert.equal(importsOfBundle("core"), ["flatbuffers"]);
});

test("the command line tool imports Node's modules and declared dependencies only", () => {
  for (const name of importsOfBundle("cli")) {
    const isDeclared = Object.keys(manifest.dependencies).some(
      (dependency) => name === dependency || name.startsWith(`${dependency}/`),
    );
    assert.ok(isDeclared || name.startsWith("node:") || name === "./core.js", name);
  }
});

test("the library exports what its source does", async () => {
  const name: string = "tilewright";
  const built = (await import(name)) as object;
  assert.equal(Object.keys(built).sort(), Object.keys(source).sort());
});

test("the tool starts by its first line and knows its version", () => {
  assert.match(readFileSync("dist/cli.js", "utf8"), /^#!\/usr\/bin\/env node\n/);
  const text = execFileSync(process.execPath, ["dist/cli.js", "--version"], { encoding: "utf8" });
  assert.is(text.trim(), manifest.version);
});

test.run();
