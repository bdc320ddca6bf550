// The report reads tiles, superblocks, caches and coefficients back from bytes; the goldens know them from the reference.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildReport } from "../../core-as/inspect/report.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusJson, needCorpus } from "../helpers/corpus.ts";
import { synthModel } from "../helpers/synth-model.mjs";
import cases from "../helpers/visible-cases.mjs";

interface Golden {
  partitions: {
    jobs: {
      kind: "NN" | "TP";
      op: string;
      geometry: {
        in: number[];
        out: number[];
        cores: number;
        kernel: number[];
        tile: number[];
        superblocks: number;
        kernelsPerCore: number;
        kernelCache: number[];
        imageCache: number[];
      };
      coefficients: { coreSizes: number[]; zrlBits: number } | null;
    }[];
  }[];
}

const MODES = ["NONE", "FULL", "PARTIAL"];

if (needCorpus("reports")) {
  const test = suite("reports against the goldens");
  const core = await coreOf("release");
  for (const name of cases)
    test(name, () => {
      const { executable } = compileCase(core, synthModel(name), {
        mode: "compatible",
        allowQuirks: true,
      });
      const golden = corpusJson<Golden>("golden", "a311d", `${name}.json`);
      const { jobs, totals } = buildReport(executable);
      const expected = golden.partitions.flatMap((partition) => partition.jobs);
      assert.is(totals.jobs, expected.length);
      for (const [i, { kind, op, geometry, coefficients }] of expected.entries()) {
        const job = jobs[i]!;
        assert.equal([job.kind, job.op], [kind, op]);
        if (kind === "TP") {
          assert.is(job.descriptors, geometry.cores);
          continue;
        }
        const nn = job.nn!;
        const coefs = nn.coefficients!;
        const [imageMode, kernelMode] = [geometry.imageCache[0]!, geometry.kernelCache[0]!];
        assert.equal(
          [nn.tile.x, nn.tile.y, nn.imageCache, nn.kernelCache],
          [...geometry.tile, MODES[imageMode], MODES[kernelMode]],
        );
        assert.is(nn.kernelsPerSuperblock, geometry.kernelsPerCore);
        assert.is(coefs.superblocks, geometry.superblocks);
        assert.is(coefs.zrlBits, coefficients!.zrlBits);
        assert.equal(
          coefs.coreBytes,
          coefficients!.coreSizes.filter((bytes) => bytes > 0),
        );
      }
    });
  test.run();
}
