// Copies what the tests need of the shared goldens into the repository: npm run import-captured -- CORPUS
// SPDX-License-Identifier: MIT
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packCase, type CapturedCase } from "../test/helpers/captured.ts";
import cases from "../test/helpers/visible-cases.mjs";

const corpus = process.argv[2];
if (corpus === undefined) throw new Error("usage: import-captured CORPUS");
for (const target of ["a311d"]) {
  const packed: Record<string, CapturedCase> = {};
  for (const name of cases)
    packed[name] = packCase(
      JSON.parse(readFileSync(join(corpus, "golden", target, `${name}.json`), "utf8")),
    );
  const init = JSON.parse(readFileSync(join(corpus, "golden", target, "init-stream.json"), "utf8"));
  writeFileSync(
    `test/golden/captured/${target}.json`,
    `${JSON.stringify({ source: "Mesa 25.0.7", initStream: init.words, cases: packed }, null, 1)}\n`,
  );
}
