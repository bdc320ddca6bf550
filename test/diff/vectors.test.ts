// The further vectors of the shared corpus: single partitions with random numbers, checked word for word.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lowerCompatible } from "../../core-as/compile/compatible/lower.ts";
import { generatePartition } from "../../core-as/compile/generate.ts";
import type { ExecutablePartition } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { hex32, wordAt } from "../../core-as/inspect/words.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { graphOf, loadVectors } from "../helpers/vectors.ts";

/** A descriptor's words with the vector's addresses filled in. */
function filledWords(
  partition: ExecutablePartition,
  buffer: number,
  addressOf: (target: number, output: boolean) => number,
  outputWord: number,
): string[] {
  const { contents, bytes } = partition.buffers[buffer]!;
  return Array.from({ length: bytes / 4 }, (_, index) => {
    const word = wordAt(contents!, index * 4);
    const relocation = partition.relocations.find(
      (each) => each.buffer === buffer && each.byteOffset === index * 4,
    );
    if (relocation === undefined) return hex32(word);
    const address = addressOf(relocation.target, index === outputWord) + relocation.addend;
    return hex32(
      relocation.kind === "address" ? address : (word & 0xfc000000) | ((address / 64) % 2 ** 26),
    );
  });
}

if (needCorpus("vectors of the corpus")) {
  const test = suite("vectors");
  const core = await coreOf("release");
  for (const vector of loadVectors())
    test(`${vector.chip} ${vector.name}`, () => {
      const graph = graphOf(vector);
      const chip = chipByName(vector.chip.toLowerCase())!;
      const partition = generatePartition(core, lowerCompatible(graph, graph.ops, chip));
      assert.is(partition.jobs.length, vector.jobs.length);
      vector.jobs.forEach((expected, index) => {
        const job = partition.jobs[index]!;
        assert.is(job.kind, expected.kind);
        const outputWord = job.kind === "NN" ? 7 : 13;
        const address = (target: number, output: boolean): number => {
          if (target === job.coefficients) return parseInt(expected.coefficients!.va, 16);
          return parseInt(output ? expected.out_bo : expected.in_bo, 16);
        };
        assert.equal(
          job.descriptors.map((buffer) => filledWords(partition, buffer, address, outputWord)),
          expected.descriptors.map(({ words }) => words),
        );
        if (expected.coefficients === null) return;
        const bytes = Buffer.from(partition.buffers[job.coefficients!]!.contents!);
        const hex = expected.coefficients.hex_without_trailing_zeros;
        assert.is(
          bytes
            .toString("hex")
            .replace(/(00)*$/, "")
            .slice(0, hex.length),
          hex,
        );
        assert.ok(bytes.toString("hex").slice(hex.length).match(/^0*$/));
      });
    });
  test.run();
}
