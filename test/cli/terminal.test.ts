// What standard output and error get: nothing that a terminal obeys, and an error in a line when they cannot be written.
// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { tilewright } from "../helpers/cli-process.ts";

const SAMPLE = resolve("examples/sample");
const RUN = ["run", join(SAMPLE, "digits.tflite"), "--input", join(SAMPLE, "three.png")];

test("control characters of names stay out of terminals, and JSON keeps them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tilewright-"));
  try {
    const labels = join(folder, "labels.txt");
    const name = "three\u001b[2J\u0007\u009b1A";
    writeFileSync(labels, ["zero", "one", "two", name].join("\n"));
    const text = await tilewright([...RUN, "--labels", labels, "--top", "1"]);
    assert.match(text.stdout, "three?[2J??1A");
    const json = await tilewright([...RUN, "--labels", labels, "--top", "1", "--json"]);
    assert.not.match(json.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    assert.is(JSON.parse(json.stdout).outputs[0].top[0].label, name);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

if (existsSync("/dev/full"))
  test("a full disk behind standard output is an error in one line", () => {
    const full = openSync("/dev/full", "w");
    try {
      for (const args of [
        ["targets"],
        ["compile", join(SAMPLE, "digits.tflite"), "-o", "-"],
        ["report", join(SAMPLE, "digits.tflite"), "--csv", "-"],
      ]) {
        const { status, stderr } = spawnSync(process.execPath, [resolve("dist/cli.js"), ...args], {
          stdio: ["ignore", full, "pipe"],
          encoding: "utf8",
        });
        const last = stderr.trimEnd().split("\n").at(-1);
        assert.is(
          last,
          "error: cannot write standard output: no space left on the device [TW_IO_NOT_FOUND]",
        );
        assert.is(status, 1);
      }
    } finally {
      closeSync(full);
    }
  });

test.run();
