// Shared memory of tensors: nothing overlaps, results do not change, MobileDet needs a fraction. GRID_CASES, FC_SEED change it.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PipelineResult } from "../../core-as/compile/pipeline.ts";
import type { BufferRef, Lowered } from "../../core-as/compile/jobs.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { indexRelocations, jobExtents, type Extent } from "../../core-as/inspect/extents.ts";
import { memoryMap, type MemoryMap } from "../../core-as/inspect/memory-map.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { checkMap } from "../helpers/check-map.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { gridCases } from "../helpers/grid-cases.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const count = Number(process.env["GRID_CASES"] ?? 250);
const seed = process.env["FC_SEED"] ?? "memory";
const simulated = Math.min(count, 40);
const core = await coreOf("release");
const TARGETS = ["a311d", "imx8mp"];

/** Largest share of all tensors' bytes that MobileDet may need at once. */
const MOBILEDET_SHARE = 0.35;

/** What descriptors read and write lies inside what lowering said about it. */
function checkExtents({ executable, lowered }: PipelineResult): void {
  const version = chipByName(executable.chip.name)!.nnCoreVersion;
  for (const [index, partition] of executable.partitions.entries()) {
    const relocations = indexRelocations(partition);
    for (const [i, job] of partition.jobs.entries()) {
      const { reads, writes } = jobExtents(partition, relocations, job, version);
      const { input, output } = lowered[index]!.jobs[i]!;
      for (const extent of reads) assert.ok(isInside(extent, input), `job ${i} reads more`);
      for (const extent of writes) assert.ok(isInside(extent, output), `job ${i} writes more`);
    }
  }
}

const isInside = ({ buffer, start, end }: Extent, place: BufferRef): boolean =>
  buffer === place.buffer.id && start >= place.offset && end <= place.offset + place.bytes!;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Every old buffer moved as a whole, by a multiple of 64. */
function checkMoves(before: Lowered, after: Lowered): void {
  const moves = new Map<number, number>();
  const check = (from: BufferRef | null, to: BufferRef | null): void => {
    if (from === null || to === null) return assert.is(from, to);
    const move = to.offset - from.offset;
    assert.is(move % 64, 0);
    assert.is(moves.get(from.buffer.id) ?? move, move);
    moves.set(from.buffer.id, move);
  };
  for (const [i, job] of before.jobs.entries()) {
    const moved = after.jobs[i]!;
    check(job.input, moved.input);
    check(job.output, moved.output);
    if (job.kind === "NN" && moved.kind === "NN") check(job.input2, moved.input2);
  }
  for (const ports of ["inputs", "outputs"] as const)
    for (const [i, { place }] of before[ports].entries()) check(place, after[ports][i]!.place);
}

for (const target of TARGETS) {
  const test = suite(`memory plan ${target} (seed ${seed})`);
  for (const [index, name] of gridCases(seed, count).entries())
    test(name, async () => {
      const model = synthModel(name);
      const shared = compileCase(core, model, { mode: "optimised", target });
      const apart = compileCase(core, model, { mode: "optimised", target, memoryPlan: false });
      for (const [i, { buffers }] of shared.lowered.entries()) {
        assert.ok(buffers.length <= 1);
        checkMoves(apart.lowered[i]!, shared.lowered[i]!);
        const [map, plain] = [memoryMap(shared.executable, i), memoryMap(apart.executable, i)];
        checkMap(map);
        checkMap(plain);
        // The same values with the same lives, whatever their places.
        const lives = ({ rows }: MemoryMap): unknown[] =>
          rows.map(({ label, bytes, firstJob, lastJob }) => [label, bytes, firstJob, lastJob]);
        assert.equal(lives(map), lives(plain));
        assert.is(sum(plain.rows.map(({ bytes }) => bytes)), plain.bytes);
      }
      checkExtents(shared);
      const { totals } = buildReport(shared.executable);
      assert.ok(totals.peakTensorBytes <= totals.tensorBytes + 64 * totals.jobs + 64);
      if (index >= simulated) return;
      const inputs = inputsOfCase(name, shared.model.graph);
      assert.equal(
        await simulate(shared.executable, inputs),
        await simulate(apart.executable, inputs),
      );
    });
  test.run();
}

if (needCorpus("memory of MobileDet")) {
  const test = suite("memory of MobileDet");
  const model = modelOfCase("ssdlite_mobiledet_coco_qat_postprocess");
  for (const target of TARGETS)
    test(target, () => {
      const { executable } = compileCase(core, model, { mode: "optimised", target });
      const { peakTensorBytes, tensorBytes } = buildReport(executable).totals;
      const share = peakTensorBytes / tensorBytes;
      console.log(`MobileDet ${target}: ${peakTensorBytes} of ${tensorBytes} bytes, ${share}`);
      assert.ok(share <= MOBILEDET_SHARE, `${share}`);
      for (let i = 0; i < executable.partitions.length; i++) checkMap(memoryMap(executable, i));
    });
  test.run();
}
