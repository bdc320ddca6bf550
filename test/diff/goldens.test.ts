// Compatible mode reproduces every golden of the shared corpus, and refuses by default what computes wrong results.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnsupportedError } from "../../core-as/errors.ts";
import { canonicalOf, type Canonical } from "../../core-as/inspect/canonical.ts";
import { packCase } from "../helpers/captured.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusJson, corpusPath, needCorpus } from "../helpers/corpus.ts";

type Golden = Canonical & { model: string; failure?: string };

if (needCorpus("goldens of the corpus")) {
  const core = await coreOf("release");
  const wrong = corpusJson<Record<string, Record<string, { note?: string }>>>(
    "golden",
    "known-wrong.json",
  );
  for (const target of ["a311d"]) {
    const test = suite(`goldens ${target}`);
    const files = readdirSync(corpusPath("golden", target)).filter(
      (file) => file !== "init-stream.json",
    );
    for (const file of files) {
      const golden = corpusJson<Golden>("golden", target, file);
      if (golden.failure !== undefined) continue;
      const bytes = modelOfCase(golden.model);

      test(golden.model, async () => {
        const options = { mode: "compatible", target, allowQuirks: true } as const;
        const canonical = await canonicalOf(compileCase(core, bytes, options).executable);
        assert.equal(packCase(canonical), packCase(golden));
      });

      if (wrong[target]![golden.model] !== undefined)
        test(`${golden.model} is refused without leave`, () => {
          assert.throws(
            () => compileCase(core, bytes, { mode: "compatible", target }),
            (error: unknown) =>
              error instanceof UnsupportedError && error.code === "TW_UNSUP_QUIRK",
          );
        });
    }
    test.run();
  }
}
