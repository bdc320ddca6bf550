// What the compiler makes passes the pre-submit check: the visible grid in both modes, all chips, whole models, vectors. Nothing
// right is refused; what is refused is named here, with the quirk that makes it leave its buffers.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lowerCompatible } from "../../core-as/compile/compatible/lower.ts";
import { generatePartition } from "../../core-as/compile/generate.ts";
import type { CompileMode } from "../../core-as/compile/options.ts";
import { UnsupportedError, SubmitCheckError } from "../../core-as/errors.ts";
import type { ExecutablePartition } from "../../core-as/executable/executable.ts";
import { CHIPS, chipByName, type Chip } from "../../core-as/hw/chips.ts";
import { SubmitChecker } from "../../core-as/runtime/submit-check.ts";
import { checkMapped } from "../helpers/check-executable.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusPath, needCorpus } from "../helpers/corpus.ts";
import { gridCases } from "../helpers/grid-cases.ts";
import { graphOf, loadVectors } from "../helpers/vectors.ts";

const MODES = ["compatible", "optimised"] as const;

/**
 * Compatible mode on version 7 only. The reference puts streams in another order than the descriptor promises (Q59, Q60):
 * offsets come from the wrong places, and the simulator refuses the jobs, too. Some parts read past the image before (Q44).
 */
const QUIRKS = ["conv-i16x17x1-k2-o33-s2-same-i8", "conv-i3x12x16-k2-o24-s2-same-i8-sparse50"];

/** The refusal of a partition as text; null = it passes. */
function refusalOf(
  checker: SubmitChecker,
  chip: Chip,
  partition: ExecutablePartition,
): string | null {
  try {
    checkMapped(checker, chip, partition);
    assert.is(checker.jobCount, partition.jobs.length);
    return null;
  } catch (error) {
    if (!(error instanceof SubmitCheckError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

/** Checks everything that cases compile to; `left`: cases that are refused. */
async function checkCases(
  chip: Chip,
  mode: CompileMode,
  names: readonly string[],
): Promise<{ partitions: number; refused: string[] }> {
  const checker = await SubmitChecker.create({ chip });
  const core = await coreOf("release");
  const refused: string[] = [];
  let partitions = 0;
  // Only there are mechanisms that a compilation has to ask for.
  const ways = mode === "optimised" && chip.nnCoreVersion === 8 ? [false, true] : [false];
  for (const name of names) {
    const model = modelOfCase(name);
    const options = { mode, target: chip.name, allowQuirks: true };
    const made = ways.flatMap(
      (experimental) =>
        compileCase(core, model, { ...options, experimental }).executable.partitions,
    );
    for (const partition of made) {
      partitions++;
      const refusal = refusalOf(checker, chip, partition);
      if (refusal !== null) refused.push(`${name}: ${refusal}`);
    }
  }
  return { partitions, refused };
}

const onlyQuirks = (refused: readonly string[]): string[] =>
  refused.filter((text) => !QUIRKS.some((name) => text.startsWith(`${name}: TW_CHECK_ADDRESS`)));

if (needCorpus("check-compiled")) {
  const grid = readdirSync(corpusPath("golden", "a311d"))
    .map((file) => file.replace(/\.json$/, ""))
    .filter((name) => name !== "init-stream");
  const models = readdirSync(corpusPath("models"))
    .filter((file) => file.endsWith(".tflite"))
    .map((file) => file.replace(/\.tflite$/, ""));

  for (const target of ["a311d", "imx8mp"])
    for (const mode of MODES) {
      test(`${target}, ${mode}: the visible grid passes`, async () => {
        const { partitions, refused } = await checkCases(chipByName(target)!, mode, grid);
        assert.ok(partitions >= 280, String(partitions));
        assert.equal(onlyQuirks(refused), []);
        const known = target === "a311d" && mode === "compatible" ? QUIRKS.length : 0;
        assert.is(refused.length, known, refused.join("\n"));
      });

      test(`${target}, ${mode}: whole models pass`, async () => {
        for (const model of models) {
          const { partitions, refused } = await checkCases(chipByName(target)!, mode, [model]);
          assert.equal(refused, []);
          assert.ok(partitions > 0, model);
        }
      });
    }

  for (const chip of CHIPS)
    test(`${chip.name}: every eighth case of the grid passes in both modes`, async () => {
      const names = grid.filter((_, index) => index % 8 === 0);
      for (const mode of MODES) {
        const { partitions, refused } = await checkCases(chip, mode, names);
        assert.ok(partitions > 30);
        assert.equal(onlyQuirks(refused), []);
      }
    });

  test("the further vectors pass", async () => {
    const core = await coreOf("release");
    let jobs = 0;
    for (const vector of loadVectors()) {
      const chip = chipByName(vector.chip.toLowerCase())!;
      const checker = await SubmitChecker.create({ chip });
      const graph = graphOf(vector);
      const partition = generatePartition(core, lowerCompatible(graph, graph.ops, chip));
      const refusal = refusalOf(checker, chip, partition);
      // Streams of fully connected jobs of version 7 are in another order than their descriptors promise (Q59).
      if (chip.nnCoreVersion === 7 && vector.name.startsWith("fc "))
        assert.match(refusal ?? "", /^TW_CHECK_(ADDRESS|DESCRIPTOR): job 0 \(NN fc\): /);
      else assert.is(refusal, null, vector.name);
      jobs += checker.jobCount;
    }
    assert.ok(jobs > 60, String(jobs));
  });
}

test("random cases in optimised mode pass on both captured chips", async () => {
  const names = gridCases("check", 150);
  for (const target of ["a311d", "imx8mp"]) {
    const { partitions, refused } = await checkCases(chipByName(target)!, "optimised", names);
    assert.ok(partitions > 100, String(partitions));
    assert.equal(refused, []);
  }
});

test("random cases in compatible mode are refused for quirks only", async () => {
  const core = await coreOf("release");
  for (const target of ["a311d", "imx8mp"]) {
    const chip = chipByName(target)!;
    const checker = await SubmitChecker.create({ chip });
    let passed = 0;
    for (const name of gridCases("check/compatible", 150)) {
      try {
        const options = { mode: "compatible", target } as const;
        const { executable } = compileCase(core, modelOfCase(name), options);
        for (const partition of executable.partitions) {
          assert.is(refusalOf(checker, chip, partition), null, `${target} ${name}`);
          passed++;
        }
      } catch (error) {
        // Without allowQuirks what computes wrong results is not compiled at all.
        if (!(error instanceof UnsupportedError)) throw error;
      }
    }
    assert.ok(passed > 30, String(passed));
  }
});

test.run();
