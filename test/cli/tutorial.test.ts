// The commands of docs/tutorial.md do what it says, one after the other, in an empty folder with the sample.
// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const CLI = resolve("dist/cli.js");
const TEXT = readFileSync("docs/tutorial.md", "utf8");

/** Commands that a reader types on this machine, in order. */
const COMMANDS = [...TEXT.matchAll(/^ {4}\$ (.+)$/gm)].map((match) => match[1]!);

/** What the tutorial says that a command shows. */
const SHOWN: readonly [command: RegExp, output: RegExp][] = [
  [/ report .*a311d$/m, /predicted [\d.]+ ms.*\n[^]*if this were free/],
  [/ compile /, /digits\.twx: [\d.]+ KiB/],
  [/ run digits\.twx --input/, /^ +3 .* three$/m],
  [/ compare /, /whole model, probabilities: equal/],
  [/ boards /, /a311d +sim +simulated/],
  [/ run .* --labels .*$/, /^ +3 .* three$/m],
  [/ report .* --profile /, /simulated/],
  [/ replay:/, /simulated when it was recorded/],
];

test("every command of the tutorial works and shows what the text says", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tutorial-"));
  mkdirSync(join(folder, "examples"));
  cpSync("examples/sample", join(folder, "examples/sample"), { recursive: true });
  // Port 9370 may be taken on this machine: the board listens on any free one, which its first line names.
  const script = COMMANDS.map((command) => {
    if (command.includes(" serve "))
      return (
        `${command.replace("tilewright", `node "${CLI}"`).replace(/ &$/, "")} --listen 127.0.0.1:0 > board.log & ` +
        "until grep -q ws:// board.log; do sleep 0.1; done\n" +
        'BOARD=$(grep -m1 -o "ws://[0-9.:]*" board.log)'
      );
    return `echo "§ ${command.replace(/"/g, "")}"\n${command.replace("ws://127.0.0.1:9370", '"$BOARD"')}`;
  }).join("\n");
  const { code, out, err } = await bash(
    `set -e\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\ntilewright() { node "${CLI}" "$@"; }\n${script}\n`,
    folder,
  );
  rmSync(folder, { recursive: true });
  assert.is(code, 0, err);
  const parts = out.split(/^§ /m).slice(1);
  for (const [command, output] of SHOWN) {
    const part = parts.find((one) => command.test(one.split("\n")[0]!));
    assert.ok(part, `no command ${command}`);
    assert.match(part, output);
  }
});

test("the program of the tutorial uses what the package exports", async () => {
  const names = [...TEXT.matchAll(/`?(create\w+|open\w+|connectBoard|compile|chipByName)\(/g)];
  const exported = new Set(
    (
      await Promise.all(["index", "node", "ws"].map((name) => import(resolve(`dist/${name}.js`))))
    ).flatMap((module) => Object.keys(module)),
  );
  assert.ok(names.length > 5);
  for (const [, name] of names) assert.ok(exported.has(name!), `${name} is not exported`);
});

function bash(script: string, cwd: string): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    const child = spawn("bash", ["-c", script], { cwd });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    child.on("close", (code) => done({ code: code ?? -1, out, err }));
  });
}

test.run();
