// View functions of the preview's panels: figures are the report's, rows the memory map's, lines the disassembler's.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blockTable } from "../../../core-as/inspect/decode.ts";
import { memoryMap } from "../../../core-as/inspect/memory-map.ts";
import { describeJobDescriptors, disassemblePartition } from "../../../core-as/inspect/symbols.ts";
import { memoryData } from "../../../examples/preview/panels/memory-data.ts";
import { descriptorData, explainData, streamData } from "../../../examples/preview/panels/stream-data.ts"; // prettier-ignore
import { timelineData } from "../../../examples/preview/panels/timeline-data.ts";
import { VIEWS } from "../../../examples/preview/panels/views.ts";
import { heldDigits } from "../../helpers/held.ts";

const CASES = await heldDigits();
const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a} and ${b}`);

for (const [name, held] of CASES) {
  test(`${name}: views are plain data`, () => {
    const { job } = held.report.jobs.find(({ kind }) => kind === "NN")!;
    for (const [view, args] of [
      ["timeline", {}],
      ["memory", {}],
      ["tiles", { partition: 0, job }],
      ["weights", { partition: 0, job, core: 0, kernel: 0 }],
      ["stream", { partition: 0 }],
      ["explain", { partition: 0, row: 0 }],
      ["descriptor", { partition: 0, job: 0, core: 0 }],
    ] as const) {
      const result = VIEWS[view]!(held, args as never);
      assert.equal(structuredClone(result), result, view);
    }
  });

  test(`${name}: the time line is the report's`, () => {
    const { bars, cpu, totalMs, spanMs, ticks, roofline, observed } = timelineData(held);
    const { jobs, totals, system } = held.report;
    near(totalMs, totals.predictedMs!);
    assert.is(spanMs, totalMs);
    assert.is(ticks[0], 0);
    assert.ok(ticks.at(-1)! <= totalMs);
    assert.is(observed, null);
    assert.equal(
      bars.map(({ partition, job, ms }) => [partition, job, ms]),
      jobs.map(({ partition, job, prediction }) => [partition, job, prediction!.ms]),
    );
    let at = 0;
    for (const bar of bars) {
      near(bar.startMs, at);
      at += bar.ms;
    }
    assert.equal(
      cpu.flatMap(({ ops }) => ops.map(({ op }) => op)),
      held.executable.placements.filter(({ place }) => place === "cpu").map(({ op }) => op),
    );
    near(cpu.at(-1)!.atMs, totalMs);
    assert.is(roofline!.bandwidthGBs, system.bandwidthGBs);
    for (const { intensity, speed } of roofline!.points)
      assert.ok(speed <= Math.min(roofline!.peak, intensity * roofline!.bandwidthGBs) * 1.0001);
    const multiplying = jobs.filter(({ prediction }) => prediction!.macs > 0);
    assert.is(roofline!.points.length, multiplying.length);
  });

  test(`${name}: memory rows are the memory map's, live bytes never exceed the buffers`, () => {
    const { partitions } = memoryData(held);
    assert.is(partitions.length, held.executable.partitions.length);
    for (const { partition, rows, live, bytes, peak, jobs, sram } of partitions) {
      const map = memoryMap(held.executable, partition);
      assert.equal(rows, map.rows);
      assert.is(bytes, map.bytes);
      assert.is(live.length, jobs + 2);
      for (const [moment, covered] of live.entries()) {
        const alive = rows.filter((r) => r.firstJob < moment && r.lastJob >= moment - 1);
        const held = new Set(alive.flatMap((r) => Array.from({ length: r.bytes }, (_, i) => r.offset + i))); // prettier-ignore
        assert.is(covered, held.size);
      }
      assert.is(peak.bytes, Math.max(...live));
      assert.ok(peak.bytes <= bytes);
      for (const [job, row] of sram.entries()) {
        const { nn } = held.report.jobs.find((j) => j.partition === partition && j.job === job)!;
        const size = (range: { start: number; end: number } | null): number =>
          range === null ? 0 : range.end - range.start;
        assert.is(size(row.kernels), nn?.kernelCacheBytes ?? 0);
        assert.is(size(row.image), nn?.imageCacheBytes ?? 0);
        assert.is(row.kernels?.mode ?? "NONE", nn?.kernelCache ?? "NONE");
      }
    }
  });

  test(`${name}: stream rows are the disassembly, and belong to the jobs that they start`, () => {
    for (const [index, partition] of held.executable.partitions.entries()) {
      const { rows, words, jobs } = streamData(held, { partition: index });
      const lines = disassemblePartition(partition);
      assert.equal(
        rows.map(({ text }) => text),
        lines.map(({ text }) => text),
      );
      assert.is(4 * words, partition.buffers[partition.stream]!.bytes);
      const started = rows.flatMap(({ starts }) => (starts ? [starts] : []));
      assert.equal(
        started.map(({ job, core }) => `${job}.${core}`),
        jobs.flatMap(({ descriptors }, job) =>
          Array.from({ length: descriptors }, (_, core) => `${job}.${core}`),
        ),
      );
      for (const { job, starts } of rows) if (starts) assert.is(job, starts.job);
      const owners = rows.map(({ job }) => job).filter((job) => job !== null);
      assert.equal(owners, [...owners].sort((a, b) => a! - b!)); // prettier-ignore
      for (const [row, { words: own, index: at }] of rows.entries()) {
        const explained = explainData(held, { partition: index, row });
        assert.equal(
          explained.map((word) => [word.index, word.word]),
          own.map((word, i) => [at + i, word]),
        );
        for (const { fields, word } of explained) coverWord(word, fields);
      }
    }
  });

  test(`${name}: a descriptor's fields have their bits, values and places`, () => {
    for (const [index, partition] of held.executable.partitions.entries())
      for (const [job, { descriptors, kind }] of partition.jobs.entries())
        for (const core of descriptors.keys()) {
          const version = held.report.target.nnCoreVersion;
          const described = describeJobDescriptors(partition, job, version)[core]!;
          const data = descriptorData(held, { partition: index, job, core });
          assert.is(data.kind, kind);
          const names = new Map(described.fields.map((field) => [field.name, field]));
          for (const { name, value, parts, target, text } of data.fields) {
            assert.is(value, names.get(name)!.value);
            if (target === null) assert.is(text, names.get(name)!.text);
            let shift = 0;
            let raw = 0;
            for (const { word, hi, lo } of parts) {
              raw += Math.floor((data.words[word]! / 2 ** lo) % 2 ** (hi - lo + 1)) * 2 ** shift;
              shift += hi - lo + 1;
            }
            const { shr, signed } = blockTable(kind).fields.find((field) => field.name === name)!;
            if (signed && raw >= 2 ** (shift - 1)) raw -= 2 ** shift;
            assert.is(raw * 2 ** shr, value, name);
          }
          const addresses = data.fields.filter(({ target }) => target);
          const relocations = partition.relocations.filter((r) => r.buffer === descriptors[core]);
          assert.is(addresses.length, relocations.length);
        }
  });
}

/** Fields of a word do not overlap, and lie inside it. */
function coverWord(word: number, fields: readonly { hi: number; lo: number; value: number; name: string }[]): void {
  const bits = fields.flatMap(({ hi, lo }) => Array.from({ length: hi - lo + 1 }, (_, i) => lo + i));
  assert.is(new Set(bits).size, bits.length);
  assert.ok(bits.every((bit) => bit >= 0 && bit < 32));
  const covered = bits.reduce((sum, bit) => sum + Math.floor((word / 2 ** bit) % 2) * 2 ** bit, 0);
  assert.is(covered, word);
} // prettier-ignore

test("a profile's times stand beside the predicted ones", () => {
  const [, held] = CASES[0]!;
  const jobs = held.report.jobs.map(({ partition, job }, i) => ({
    ...{ partition, job, milliseconds: 1 + i },
    counters: {},
  }));
  const data = timelineData(held, { profile: { jobs, evidence: "measured" } });
  const total = jobs.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  assert.equal(data.observed, { totalMs: total, evidence: "measured" });
  assert.is(data.spanMs, total);
  assert.equal(data.bars.map(({ observedMs }) => observedMs), jobs.map(({ milliseconds }) => milliseconds)); // prettier-ignore
  assert.is(data.bars[2]!.observedStartMs, 3);
});

test("what does not exist is refused by name", () => {
  const [, held] = CASES[0]!;
  assert.throws(() => streamData(held, { partition: 9 }), /there is no partition 9/);
  assert.throws(() => explainData(held, { partition: 0, row: 9999 }), /there is no line 9999/);
  assert.throws(() => descriptorData(held, { partition: 0, job: 99, core: 0 }), /no job 0\.99/);
  assert.throws(() => descriptorData(held, { partition: 0, job: 0, core: 5 }), /has no core 5/);
});

test.run();
