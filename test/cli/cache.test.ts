// Results that the command line keeps: when it is told to, for whom it does so unasked, and what it says.
// SPDX-License-Identifier: MIT
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tilewright } from "../helpers/cli-process.ts";

const MODEL = resolve("examples/sample/digits.tflite");
const INPUT = ["--input", resolve("examples/sample/seven.png")];

const test = suite("cli cache");
let folder = "";
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), "tilewright-cli-cache-"));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

const kept = (...path: string[]): string[] => {
  const directory = join(folder, ...path);
  return existsSync(directory) ? readdirSync(directory) : [];
};

async function run(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await tilewright(args, {
    cwd: folder,
    env: { TW_CACHE: "", XDG_CACHE_HOME: join(folder, "user"), ...env },
  });
  assert.is(code, 0, stderr);
  return stdout + stderr;
}

test("compile loads what it compiled before when it is told where, and writes the same file", async () => {
  const compile = ["compile", MODEL, "--cache", "results"];
  assert.match(await run([...compile, "-o", "one.twx"]), /\ncompiled in [\d.]+ ms/);
  assert.match(await run([...compile, "-o", "two.twx"]), /\nloaded from the cache in [\d.]+ ms/);
  await run(["compile", MODEL, "-o", "three.twx"]);
  const [one, two, three] = ["one", "two", "three"].map((name) =>
    readFileSync(join(folder, `${name}.twx`)),
  );
  assert.ok(one!.equals(two!) && one!.equals(three!));
  assert.is(kept("results").length, 1);
  assert.is(JSON.parse(await run([...compile, "--json"])).cached, true);
  assert.match(await run([...compile, "--target", "imx8mp"]), /\ncompiled in/);
  assert.is(kept("results").length, 2);
});

test("TW_CACHE is a default, and --no-cache goes before it", async () => {
  const env = { TW_CACHE: "results" };
  await run(["compile", MODEL], env);
  assert.is(kept("results").length, 1);
  assert.match(await run(["compile", MODEL], env), /loaded from the cache/);
  assert.match(await run(["compile", MODEL, "--no-cache"], env), /compiled in/);
  assert.match(await run(["compile", MODEL], { TW_CACHE: "off" }), /compiled in/);
});

test("run keeps results in the user's directory for caches; compile and report do not unasked", async () => {
  await run(["compile", MODEL]);
  await run(["report", MODEL]);
  assert.equal(kept("user"), []);
  const first = await run(["run", MODEL, ...INPUT]);
  assert.is(kept("user", "tilewright").length, 1);
  const again = await run(["run", MODEL, ...INPUT]);
  const withoutTime = (text: string): string => text.replace(/\d+ ms/, "");
  assert.is(withoutTime(again), withoutTime(first));
  rmSync(join(folder, "user"), { recursive: true });
  await run(["run", MODEL, ...INPUT, "--no-cache"]);
  await run(["run", MODEL, ...INPUT], { TW_CACHE: "off" });
  assert.equal(kept("user"), []);
});

test("a place that cannot be used is a warning when it was named, and nothing otherwise", async () => {
  writeFileSync(join(folder, "file"), "");
  const said = await run(["compile", MODEL, "--cache", "file"]);
  assert.match(said, /warning: the cache file cannot be used: EEXIST/);
  const silent = await run(["run", MODEL, ...INPUT], { XDG_CACHE_HOME: join(folder, "file") });
  assert.not.match(silent, "warning");
});

test.run();
