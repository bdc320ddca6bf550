// Transformations that follow the cost model: each changes jobs, none changes a result, all stay inside the known limits.
// GRID_CASES and FC_SEED change the cases.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NnWork } from "../../core-as/compile/jobs.ts";
import { ALL_OPTIMISATIONS, type Optimisations } from "../../core-as/compile/options.ts";
import type { PipelineResult } from "../../core-as/compile/pipeline.ts";
import { overrideSystem, systemOf } from "../../core-as/hw/systems.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { assertFreedom } from "../helpers/freedom.ts";
import { gridCases } from "../helpers/grid-cases.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const count = Number(process.env["GRID_CASES"] ?? 60);
const seed = process.env["FC_SEED"] ?? "optimise";
const core = await coreOf("release");
const NAMES = Object.keys(ALL_OPTIMISATIONS) as (keyof Optimisations)[];
const NONE = Object.fromEntries(NAMES.map((name) => [name, false]));

/** Cases that each transformation has something to do in. */
const CHOSEN = [
  "dw-i28x28x120-k3-s1-same-i8-relu",
  "dw-i28x28x96-k5-s2-same-u8",
  "dw-i16x16x64-k3-s1-same-u8-sparse50-wz1",
  "dw-i32x32x40-k3-s2-valid-i8-relu6",
  "dw-i8x8x96-k7-s1-same-u8-xz3",
  "dw-i56x32x33-k3-s1-same-u8",
  "pw-i14x14x64-o120-s1-same-u8-relu",
  "pw-i28x28x40-o257-s1-same-i8",
  "pw-i33x7x96-o64-s1-same-u8-sparse50",
  "conv-i60x60x16-k3-o64-s1-same-u8",
  "conv-i70x33x9-k5-o24-s2-same-i8-relu6",
  "conv-i61x44x3-k3-o24-s2-same-u8",
  "conv-i44x61x8-k4-o16-s2-valid-i8",
  "conv-i20x21x24-k7-o9-s2-same-u8-xz7",
  "pad-i32x32x16-k3-o24-s2-u8",
  "chain-mbv2-i28x28x16-o24-k3-u8",
  "chain-mbv1-i32x32x16-o33-k3-i8-relu",
  "chain-fork-i32x32x16-o24-k3-u8",
  "pw-i20x20x48-o96-s1-same-u8-sparse50",
  "add-i14x14x96-o96-u8",
  "conv-i20x20x64-k3-o130-s1-same-u8-sparse80",
];

/** Figures with which starting a job costs nothing, so that splitting one always pays, and with which only that counts. */
const systemsOf = (target: string) => [
  systemOf(target),
  overrideSystem(systemOf(target), { overheadUs: 0 }),
  overrideSystem(systemOf(target), { bandwidthGBs: 0.1, overheadUs: 1 }),
];

/** Memory plan, experiments. */
const WAYS = [
  [true, false],
  [false, false],
  [true, true],
] as const;

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`optimised jobs ${target} (seed ${seed})`);
  for (const name of [...CHOSEN, ...gridCases(seed, count)])
    test(name, async () => {
      const model = synthModel(name);
      const plain = compileCase(core, model, { mode: "optimised", target, optimisations: NONE });
      assertFreedom(plain.executable);
      const inputs = inputsOfCase(name, plain.model.graph);
      const want = await simulate(plain.executable, inputs);
      const done = new Set<string>();
      for (const system of systemsOf(target))
        for (const [memoryPlan, experimental] of WAYS) {
          const options = { mode: "optimised", target, system, memoryPlan, experimental } as const;
          const { executable } = compileCase(core, model, options);
          const key = JSON.stringify(
            buildReport(executable).jobs.map(({ nn, input }) => [nn, input]),
          );
          if (done.has(key + memoryPlan)) continue;
          done.add(key + memoryPlan);
          assertFreedom(executable, experimental);
          assert.equal(await simulate(executable, inputs), want);
        }
    });
  test.run();
}

const nnJobs = ({ lowered }: PipelineResult): NnWork[] =>
  lowered.flatMap(({ jobs }) => jobs.filter((job): job is NnWork => job.kind === "NN"));

const test = suite("transformations of jobs");

test("groups of channels begin at multiples of 64 bytes", () => {
  for (const name of ["dw-i28x28x120-k3-s1-same-i8-relu", "dw-i14x14x96-k5-s2-same-u8"]) {
    const system = overrideSystem(systemOf("a311d"), { overheadUs: 0 });
    const jobs = nnJobs(compileCase(core, synthModel(name), { mode: "optimised", system }));
    const groups = jobs.filter(({ op }) => op === "dwconv");
    assert.ok(groups.length > 1, `${groups.length} groups`);
    for (const { input, output } of groups)
      assert.equal([input.offset % 64, output.offset % 64], [0, 0]);
  }
});

/** What a switch changes, seen in the jobs of a case. */
const EFFECTS: readonly [name: keyof Optimisations, target: string, model: string][] = [
  ["depthwiseGroups", "a311d", "dw-i28x28x120-k3-s1-same-i8-relu"],
  ["depthwiseGroups", "imx8mp", "dw-i32x32x160-k3-s1-same-u8"],
  ["tileSearch", "a311d", "pw-i56x56x40-o64-s1-same-u8"],
  ["tileSearch", "imx8mp", "dw-i60x60x96-k3-s1-same-u8"],
  ["cacheSplit", "a311d", "pw-i7x7x512-o1024-s1-same-u8"],
  ["pointwiseShapes", "imx8mp", "pw-i14x14x64-o120-s1-same-u8-relu"],
  ["denseStrides", "a311d", "conv-i60x60x16-k3-o24-s2-same-u8"],
  ["mergedLayouts", "imx8mp", "conv-i60x60x16-k3-o24-s2-same-u8"],
  ["transposeCores", "a311d", "pw-i33x7x96-o64-s1-same-u8-sparse50"],
  ["kernelDealing", "a311d", "conv-i20x20x64-k3-o130-s1-same-u8-sparse80"],
  ["experimentalCaches", "imx8mp", "conv-i60x60x16-k3-o64-s1-same-u8"],
  ["experimentalTiles", "imx8mp", "conv-i14x14x64-k3-o60-s1-same-u8"],
  ["experimentalRuns", "imx8mp", "add-i14x14x96-o96-u8"],
];
for (const [name, target, model] of EFFECTS)
  test(`${name} on ${target} saves time, and not when it is switched off`, () => {
    const bytes = synthModel(model);
    const experimental = name.startsWith("experimental");
    const options = { mode: "optimised", target, experimental } as const;
    const ms = (optimisations: Partial<Optimisations>): number =>
      buildReport(compileCase(core, bytes, { ...options, optimisations }).executable).totals
        .predictedMs!;
    const alone = { ...NONE, [name]: true };
    assert.ok(ms(alone) < ms(NONE), `${ms(alone)} against ${ms(NONE)}`);
    // Groups may cost the start of one job more, for the sake of smaller coefficients.
    const slack = name === "depthwiseGroups" ? 0.01 : 0;
    assert.ok(ms({}) <= ms({ [name]: false }) + slack);
  });

test("what is experimental is labelled, and is not there unless it is asked for", () => {
  const bytes = synthModel("chain-mbv2-i28x28x16-o24-k3-u8");
  const evidence = "experimental: no capture shows this";
  for (const target of ["a311d", "imx8mp"])
    for (const [experimental, capturedOnly] of [
      [false, false],
      [true, false],
      [true, true],
    ] as const) {
      const options = { mode: "optimised", target, experimental, capturedOnly } as const;
      const report = buildReport(compileCase(core, bytes, options).executable);
      const labelled = experimental && !capturedOnly && target === "imx8mp";
      assert.is(
        report.operators.some((operator) => operator.evidence === evidence),
        labelled,
      );
      assert.is(
        report.warnings.some((text) => text.startsWith("Experimental: ")),
        labelled,
      );
      const used = new Set(report.jobs.flatMap((job) => job.experimental));
      assert.equal(
        [...used].sort(),
        labelled ? ["image cache", "kernel cache", "tall tiles", "zero runs"] : [],
      );
    }
});

test("experiments that are switched off are not there", () => {
  const bytes = synthModel("chain-mbv2-i28x28x16-o24-k3-u8");
  const used = (optimisations: Partial<Optimisations>): string[] => {
    const options = { mode: "optimised", target: "imx8mp", experimental: true } as const;
    const { executable } = compileCase(core, bytes, { ...options, optimisations });
    return [...new Set(buildReport(executable).jobs.flatMap((job) => job.experimental))].sort();
  };
  const CACHES = ["image cache", "kernel cache"];
  const GONE: readonly [keyof Optimisations, string[]][] = [
    ["experimentalCaches", CACHES],
    ["experimentalTiles", ["tall tiles"]],
    ["experimentalRuns", ["zero runs"]],
  ];
  const all = used({});
  assert.equal(all, [...CACHES, "tall tiles", "zero runs"]);
  for (const [name, gone] of GONE)
    assert.not(
      used({ [name]: false }).some((text) => gone.includes(text)),
      name,
    );
});

test("the same figures make the same bytes", () => {
  const bytes = synthModel("chain-mbv1-i32x32x16-o33-k3-i8-relu");
  const [a, b] = [1, 2].map(() => compileCase(core, bytes, { mode: "optimised" }).executable);
  assert.equal(a!.partitions, b!.partitions);
});

test("compatible mode knows no transformation", () => {
  const bytes = synthModel("dw-i28x28x120-k3-s1-same-i8-relu");
  const options = { mode: "compatible", allowQuirks: true } as const;
  const a = compileCase(core, bytes, options);
  const b = compileCase(core, bytes, { ...options, optimisations: NONE });
  assert.equal(a.executable, b.executable);
});
test.run();

if (needCorpus("optimised jobs of whole models")) {
  const whole = suite("optimised jobs of whole models");
  for (const target of ["a311d", "imx8mp"])
    for (const name of [
      "mobilenet_v1_1.0_224_quant",
      "mobilenet_v1_0.25_128_quant",
      "mobilenet_v2_1.0_224_quant",
      "ssdlite_mobiledet_coco_qat_postprocess",
      "yolox",
    ])
      whole(`${target} ${name}`, async () => {
        const model = modelOfCase(name);
        const options = { mode: "optimised", target } as const;
        const { executable, model: read } = compileCase(core, model, options);
        assertFreedom(executable);
        const plain = compileCase(core, model, { ...options, optimisations: NONE });
        const inputs = inputsOfCase(name, read.graph);
        assert.equal(await simulate(executable, inputs), await simulate(plain.executable, inputs));
      });
  whole.run();
}
