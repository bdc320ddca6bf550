// Small files that ask for much: refused or read, in bounded memory and time.
// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HOSTILE_MODELS } from "../../helpers/hostile-models.ts";
import type { HostileResult } from "../../helpers/measure-hostile.ts";

const LIMIT_BASE = 64 * 2 ** 20;
const LIMIT_PER_FILE_BYTE = 8;
const LIMIT_MILLISECONDS = 2000;

/** What is no error in itself: large, but nothing is named more than once. */
const READ: Readonly<Record<string, string>> = {
  "one buffer, a million times": "accepted",
  "the longest description": "accepted",
  "a million graph inputs": "TW_GRAPH_INVALID",
  "a concatenation of a million": "TW_GRAPH_INVALID",
};

function measure(): HostileResult[] {
  const directory = mkdtempSync(join(tmpdir(), "tilewright-hostile-"));
  try {
    for (const [i, make] of Object.values(HOSTILE_MODELS).entries())
      writeFileSync(join(directory, `${i}.tflite`), make());
    const script = fileURLToPath(new URL("../../helpers/measure-hostile.ts", import.meta.url));
    const options = ["--import", "tsx", "--expose-gc", script, directory];
    const child = spawnSync(process.execPath, options, { encoding: "utf8", timeout: 60_000 });
    assert.is(child.status, 0, child.stderr);
    return child.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as HostileResult);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const results: HostileResult[] = [];
test("all hostile models are measured", () => {
  results.push(...measure());
  assert.equal(
    results.map((result) => result.name),
    Object.keys(HOSTILE_MODELS),
  );
});

for (const name of Object.keys(HOSTILE_MODELS))
  test(name, () => {
    const result = results.find((candidate) => candidate.name === name)!;
    assert.is(result.outcome, READ[name] ?? "TW_MODEL_LIMIT");
    const limit = LIMIT_PER_FILE_BYTE * result.fileBytes + LIMIT_BASE;
    assert.ok(result.growthBytes <= limit, `grew by ${result.growthBytes}, limit ${limit}`);
    assert.ok(result.milliseconds < LIMIT_MILLISECONDS, `${result.milliseconds} ms`);
  });

test.run();
