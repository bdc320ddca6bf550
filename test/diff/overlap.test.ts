// NN and TP jobs at the same time (experimental): the same bytes, nothing that may overlap touches the same bytes, the simulator
// finds where it would. GRID_CASES and FC_SEED change the cases.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generatePartition } from "../../core-as/compile/generate.ts";
import type { PipelineResult } from "../../core-as/compile/pipeline.ts";
import { SimFault, SubmitCheckError } from "../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import { streamJobs } from "../../core-as/executable/stream-jobs.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { indexRelocations, jobExtents, type Extent } from "../../core-as/inspect/extents.ts";
import { memoryMap } from "../../core-as/inspect/memory-map.ts";
import { overlaps } from "../../core-as/inspect/price.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { checkerOfChip, checkMapped } from "../helpers/check-executable.ts";
import { checkMap } from "../helpers/check-map.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { gridCases } from "../helpers/grid-cases.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const count = Number(process.env["GRID_CASES"] ?? 60);
const seed = process.env["FC_SEED"] ?? "overlap";
const core = await coreOf("release");
const TARGETS = ["a311d", "imx8mp"] as const;
/** Cases with jobs of both units that do not need each other. */
const CHOSEN = [
  "chain-fan-i32x32x16-o24-k3-u8",
  "chain-tap-i29x31x16-o24-k5-i8",
  "chain-fan-i36x16x80-o16-k1-i8",
  "chain-tap-i22x33x6-o16-k3-u8-relu",
  "split-i20x20x32-o8-k3-out-u8",
  "split-i10x15x8-o9-k3-out-i8",
];

const meet = (a: readonly Extent[], b: readonly Extent[]): boolean =>
  a.some((x) => b.some((y) => x.buffer === y.buffer && x.start < y.end && y.start < x.end));

/** Streams are well-formed, jobs that may run together are of different units and touch different bytes. */
function checkOverlap({ executable }: PipelineResult): number {
  let together = 0;
  const version = chipByName(executable.chip.name)!.nnCoreVersion;
  for (const [index, partition] of executable.partitions.entries()) {
    checkMap(memoryMap(executable, index));
    const relocations = indexRelocations(partition);
    const extents = partition.jobs.map((job) => jobExtents(partition, relocations, job, version));
    const { contents } = partition.buffers[partition.stream]!;
    const words = new Uint32Array(contents!.slice().buffer);
    const { jobs } = streamJobs(words);
    assert.is(jobs.length, partition.jobs.length);
    for (const [a, { until, tag, wait }] of jobs.entries()) {
      assert.is(wait, tag);
      for (let b = a + 1; b <= until; b++) {
        together++;
        assert.is.not(partition.jobs[a]!.kind, partition.jobs[b]!.kind);
        assert.ok(tag !== 0 && jobs[b]!.tag !== 0 && tag !== jobs[b]!.tag);
        const { reads, writes } = extents[b]!;
        assert.not.ok(meet(extents[a]!.writes, [...reads, ...writes]));
        assert.not.ok(meet(extents[a]!.reads, writes));
      }
    }
  }
  return together;
}

for (const target of TARGETS) {
  const test = suite(`overlap ${target} (seed ${seed})`);
  for (const name of [...CHOSEN, ...gridCases(seed, count)])
    test(name, async () => {
      const model = synthModel(name);
      const options = { mode: "optimised", target } as const;
      const serial = compileCase(core, model, options);
      const other = compileCase(core, model, { ...options, overlap: true });
      const together = checkOverlap(other);
      if (CHOSEN.includes(name)) assert.ok(together > 0, "nothing overlaps");
      assert.is(checkOverlap(serial), 0);
      const [less, all] = [other, serial].map(({ executable }) => buildReport(executable).totals);
      assert.ok(less!.predictedMs! <= all!.predictedMs!);
      assert.ok(Math.abs(less!.predictedMs! + less!.hiddenMs - all!.predictedMs!) < 1e-9);
      const inputs = inputsOfCase(name, serial.model.graph);
      assert.equal(
        await simulate(other.executable, inputs),
        await simulate(serial.executable, inputs),
      );
    });
  test.run();
}

const test = suite("overlap");

test("jobs of a profile run one by one and give the same bytes", async () => {
  const { executable, model } = compileCase(core, synthModel(CHOSEN[0]!), {
    mode: "optimised",
    overlap: true,
  });
  assert.ok(overlaps(executable));
  const inputs = inputsOfCase("overlap", model.graph);
  const transport = createSimTransport(chipByName("a311d")!);
  const session = await createSession(executable, transport);
  const plain = await session.run(inputs);
  const profiled = await session.run(inputs, { profile: true });
  assert.equal(profiled.outputs, plain.outputs);
  assert.is(profiled.jobs!.length, executable.partitions[0]!.jobs.length);
  await transport.close();
});

test("the check refuses the tags unless they are permitted; the file keeps them", async () => {
  const { executable } = compileCase(core, synthModel(CHOSEN[0]!), {
    mode: "optimised",
    overlap: true,
  });
  const chip = chipByName("a311d")!;
  const read = parseExecutable(serialiseExecutable(executable));
  assert.ok(overlaps(read));
  checkMapped(await checkerOfChip(chip, true), chip, read.partitions[0]!);
  const strict = await checkerOfChip(chip);
  assert.throws(
    () => checkMapped(strict, chip, read.partitions[0]!),
    (error: unknown) => error instanceof SubmitCheckError && error.code === "TW_CHECK_STATE",
  );
});

test("captured mechanisms only: nothing overlaps", () => {
  const options = { mode: "optimised", capturedOnly: true } as const;
  const model = synthModel(CHOSEN[1]!);
  const [a, b] = [true, false].map((overlap) => compileCase(core, model, { ...options, overlap }));
  assert.equal(a!.executable, b!.executable);
});

for (const target of TARGETS)
  for (const name of [CHOSEN[0]!, CHOSEN[1]!, "chain-fork-i32x32x16-o24-k3-u8"])
    test(`${target} ${name}: a stream that waits too late faults exactly where bytes are shared`, async () => {
      const { executable, lowered, model } = compileCase(core, synthModel(name), {
        mode: "optimised",
        target,
      });
      const version = chipByName(target)!.nnCoreVersion;
      const [partition, jobs] = [executable.partitions[0]!, lowered[0]!.jobs];
      const relocations = indexRelocations(partition);
      const inputs = inputsOfCase(name, model.graph);
      const want = await simulate(executable, inputs);
      const tally = { faults: 0, passes: 0 };
      for (let late = 0; late + 1 < jobs.length; late++) {
        const schedule = jobs.map((_, i) => ({ tag: 0, until: i, waits: [] as number[] }));
        Object.assign(schedule[late]!, { tag: 2, until: late + 1 });
        Object.assign(schedule[late + 1]!, { tag: 3, waits: [2, 3] });
        const wrong = generatePartition(core, { ...lowered[0]!, schedule });
        const [a, b] = [late, late + 1].map((i) =>
          jobExtents(partition, relocations, partition.jobs[i]!, version),
        );
        const shared = meet(a!.writes, [...b!.reads, ...b!.writes]) || meet(a!.reads, b!.writes);
        try {
          const got = await simulate({ ...executable, partitions: [wrong] }, inputs);
          assert.equal(got, want);
          assert.not.ok(shared, `job ${late} shares bytes with the next one`);
          tally.passes++;
        } catch (error) {
          if (!(error instanceof SimFault)) throw error;
          assert.is(error.code, "TW_SIM_OVERLAP");
          assert.is(error.where.job, late + 1);
          assert.ok(shared, `job ${late} shares nothing with the next one: ${error.message}`);
          tally.faults++;
        }
      }
      assert.ok(tally.faults > 0 && tally.passes > 0, JSON.stringify(tally));
    });
test.run();

if (needCorpus("overlap of whole models")) {
  const whole = suite("overlap of whole models");
  for (const target of TARGETS)
    for (const name of [
      "mobilenet_v1_0.25_128_quant",
      "ssdlite_mobiledet_coco_qat_postprocess",
      "yolox",
    ])
      whole(`${target} ${name}`, async () => {
        const model = modelOfCase(name);
        const options = { mode: "optimised", target } as const;
        const serial = compileCase(core, model, options);
        const other = compileCase(core, model, { ...options, overlap: true });
        const together = checkOverlap(other);
        const { hiddenMs, predictedMs, peakTensorBytes } = buildReport(other.executable).totals;
        const before = buildReport(serial.executable).totals;
        console.log(
          `${name} ${target}: ${together} pairs of jobs, ${before.predictedMs!.toFixed(3)} -> ${predictedMs!.toFixed(3)} ms predicted, ` +
            `${before.peakTensorBytes} -> ${peakTensorBytes} bytes`,
        );
        assert.is(hiddenMs > 0, together > 0);
        const inputs = inputsOfCase(name, serial.model.graph);
        assert.equal(
          await simulate(other.executable, inputs),
          await simulate(serial.executable, inputs),
        );
      });
  whole.run();
}
