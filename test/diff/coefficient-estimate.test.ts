// Estimated bytes of coefficients against those that the encoder writes.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  coefficientBytes,
  type KernelWeights,
} from "../../core-as/compile/optimised/search/coefficient-estimate.ts";
import { chipByName, compile } from "../../core-as/index.ts";
import { coreOf } from "../helpers/cores.ts";
import { perChannelModel, type PerChannelCase } from "../helpers/per-channel-model.ts";

const test = suite("coefficient estimate");
const core = await coreOf("release");

/** The estimate may be off by this share of what is written. */
const TOLERANCE = 0.25;

const LAYER = { size: [14, 14], spread: 1, outputs: 96, channels: 64 } as const;

const CASES: readonly { layer: PerChannelCase; weights: KernelWeights }[] = [
  { layer: { ...LAYER, kind: "CONV_2D" }, weights: { whole: 64, small: 0, zeros: 0 } },
  {
    layer: { ...LAYER, kind: "CONV_2D", kernel: [3, 3] },
    weights: { whole: 576, small: 0, zeros: 0 },
  },
  {
    layer: { ...LAYER, kind: "CONV_2D", kernel: [3, 3], sparse: 0.9 },
    weights: { whole: 58, small: 0, zeros: 518 },
  },
];

for (const target of ["a311d", "imx8mp"])
  for (const { layer, weights } of CASES)
    test(`${target}, ${JSON.stringify(weights)}`, async () => {
      const { report } = await compile(perChannelModel(layer), { core, target });
      const jobs = report.jobs.filter(({ nn }) => nn?.coefficients);
      assert.is(jobs.length, 1, "one job");
      const { nn, output } = jobs[0]!;
      const found = nn!.coefficients!.bytes;
      const guess = coefficientBytes(chipByName(target)!, output!.z, weights);
      assert.ok(Math.abs(guess / found - 1) <= TOLERANCE, `${guess} for ${found}`);
    });

test.run();
