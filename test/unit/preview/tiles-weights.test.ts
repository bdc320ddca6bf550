// Tiles and weights of the preview's panels: tiles cover outputs once, bits of kernels add up, weights are the model's.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inputOf, inside, tileAt } from "../../../examples/preview/panels/tile-geometry.ts";
import { tilesData } from "../../../examples/preview/panels/tiles-data.ts";
import { bitsData, weightsData } from "../../../examples/preview/panels/weights-data.ts";
import type { Held } from "../../../examples/preview/service.ts";
import { heldDigits } from "../../helpers/held.ts";

const CASES = await heldDigits();

function jobsOf(held: Held, kind: "NN" | "TP"): { partition: number; job: number }[] {
  return held.report.jobs.filter((job) => job.kind === kind);
}

for (const [name, held] of CASES) {
  test(`${name}: tiles cover the output once, and read what their windows need`, () => {
    for (const job of jobsOf(held, "NN")) {
      const tiles = tilesData(held, job);
      if (tiles.kind !== "NN") throw new Error("an NN job has NN tiles");
      const { shape, columns, rows, dealing } = tiles;
      const report = held.report.jobs.find((j) => j.partition === job.partition && j.job === job.job)!; // prettier-ignore
      assert.equal(shape.output, report.output);
      assert.equal(shape.input, report.input);
      assert.equal(shape.tile, report.nn!.tile);
      const seen = new Uint8Array(shape.output.x * shape.output.y);
      let read = 0;
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          const tile = tileAt(shape, column, row);
          for (let y = tile.y; y < tile.y + tile.height; y++)
            for (let x = tile.x; x < tile.x + tile.width; x++) seen[y * shape.output.x + x]!++;
          const need = inputOf(shape, tile);
          assert.is(need.x, tile.x + shape.offset.x);
          // The last window starts at the last pixel's place and is as wide as the kernel.
          assert.is(need.x + need.width, tile.x + tile.width - 1 + shape.offset.x + shape.kernel.x);
          const part = inside(shape, need);
          assert.ok(part.x >= 0 && part.x + part.width <= shape.input.x);
          read += part.width * part.height;
        }
      assert.not(seen.some((count) => count !== 1));
      assert.is(tiles.overlap, read / (shape.input.x * shape.input.y));
      const coefficients = report.nn!.coefficients!;
      assert.is(Math.max(...dealing!.map((core) => core.reduce((a, b) => a + b, 0))), coefficients.kernelsPerCore); // prettier-ignore
      assert.is(dealing![0]!.length, coefficients.superblocks);
      assert.is(dealing!.length, coefficients.coreBytes.length);
    }
  });

  test(`${name}: TP cores walk what the report says`, () => {
    for (const job of jobsOf(held, "TP")) {
      const tiles = tilesData(held, job);
      if (tiles.kind !== "TP") throw new Error("a TP job has TP cores");
      const report = held.report.jobs.find((j) => j.partition === job.partition && j.job === job.job)!; // prettier-ignore
      assert.is(tiles.cores.length, report.descriptors);
      assert.equal(tiles.cores[0]!.input, report.input);
      for (const { inputAt, outputAt, window, loops } of tiles.cores) {
        assert.ok(inputAt !== null && outputAt !== null);
        assert.ok(window.width > 0 && window.height > 0);
        assert.is(loops.at(-1)!.count, null);
      }
    }
  });

  test(`${name}: weights and bits of every kernel of every core add up`, () => {
    let inModel = 0;
    for (const job of jobsOf(held, "NN")) {
      const first = weightsData(held, { ...job, core: 0, kernel: 0 });
      const channels: (number | null)[] = [];
      for (const [core, kernels] of first.kernelsOfCores.entries()) {
        let bits = 0;
        const ofKernels = new Set<number>();
        for (let kernel = 0; kernel < kernels; kernel++) {
          const args = { ...job, core, kernel };
          const data = weightsData(held, args);
          const { figures, weights, spanOfTap } = data;
          channels.push(data.channel);
          assert.is(weights.length, figures.weights);
          assert.is(figures.zeros, [...weights].filter((w) => w === 0).length);
          bits += figures.weightBits + figures.wordBits;
          const page = bitsData(held, { ...args, only: "kernel", from: 0, count: 1000 });
          for (let from = 0; from < page.total; from += 1000)
            for (const { at } of bitsData(held, { ...args, only: "kernel", from, count: 1000 })
              .spans)
              ofKernels.add(at);
          for (const [tap, span] of spanOfTap.entries())
            if (span < page.spans.length) assert.ok(page.spans[span]!.taps.includes(tap) || page.spans[span]!.kernel !== kernel); // prettier-ignore
          if (data.inModel) inModel++;
        }
        const all = { ...job, core, kernel: 0, only: "core", count: 1000 } as const;
        let at = 0;
        let rest = 0;
        for (let from = 0, total = 1; from < total; from += 1000) {
          const page = bitsData(held, { ...all, from });
          total = page.total;
          for (const span of page.spans) {
            assert.is(span.at, at);
            assert.is(span.bits.length, Math.min(span.length, 32));
            assert.ok(span.label !== "" && span.meaning !== "" && !/undefined|NaN/.test(span.meaning), span.meaning); // prettier-ignore
            at += span.length;
            if (!ofKernels.has(span.at)) rest += span.length;
          }
        }
        assert.is(at % 512, 0);
        assert.ok(Math.abs(bits + rest - at) < 1e-6, `${bits} and ${rest} of ${at}`);
      }
      const existing = channels.filter((channel) => channel !== null).sort((a, b) => a! - b!);
      const { outZ } = first.fields;
      assert.equal(existing, Array.from({ length: outZ }, (_, i) => i)); // prettier-ignore
    }
    assert.ok(inModel > 300, `${inModel} kernels are the model's`);
  });
}

test("jobs without kernels are refused by name", () => {
  const [, held] = CASES[0]!;
  const [tp] = jobsOf(held, "TP");
  const [nn] = jobsOf(held, "NN");
  assert.throws(() => weightsData(held, { ...tp!, core: 0, kernel: 0 }), /has no kernels/);
  assert.throws(() => weightsData(held, { ...nn!, core: 11, kernel: 0 }), /no kernels are dealt to core 11/); // prettier-ignore
  assert.throws(() => weightsData(held, { ...nn!, core: 0, kernel: 999 }), /has no kernel 999/);
});

test.run();
