// Compatible mode reproduces the reference's bytes for every case of the visible grid, without the shared corpus.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { canonicalOf } from "../../core-as/inspect/canonical.ts";
import { packCase, type CapturedCase } from "../helpers/captured.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { synthModel } from "../helpers/synth-model.mjs";

interface CapturedFile {
  initStream: string[];
  cases: Record<string, CapturedCase>;
}

for (const target of ["a311d"]) {
  const captured = JSON.parse(
    readFileSync(`test/golden/captured/${target}.json`, "utf8"),
  ) as CapturedFile;
  for (const build of BUILDS) {
    const test = suite(`captured ${target} (${build})`);
    const core = await coreOf(build);

    for (const [name, expected] of Object.entries(captured.cases))
      test(name, async () => {
        const { executable } = compileCase(core, synthModel(name), {
          mode: "compatible",
          target,
          allowQuirks: true,
        });
        assert.equal(packCase(await canonicalOf(executable)), expected);
      });

    test("initialisation stream", () => {
      const words = core.invoke("emitInit", 0);
      const ptr = core.alloc(words * 4);
      core.invoke("emitInit", ptr);
      const text = [...core.readWords(ptr, words)].map((word) =>
        (word >>> 0).toString(16).padStart(8, "0"),
      );
      assert.equal(text, captured.initStream);
    });

    test.run();
  }
}
