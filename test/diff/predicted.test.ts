// What the optimiser is worth on whole models, by the cost model: predicted times and sizes against compatible mode's.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ReportTotals } from "../../core-as/inspect/report.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";

interface Bound {
  model: string;
  target: string;
  /** Largest predicted time in milliseconds, with 10 microseconds a job. */
  ms?: number;
  /** Smallest ratio of predicted times. */
  speedup: number;
  /** Largest ratio of coefficient bytes. */
  coefficients: number;
}

const V1 = "mobilenet_v1_1.0_224_quant";
const DET = "ssdlite_mobiledet_coco_qat_postprocess";
const V2 = "mobilenet_v2_1.0_224_quant";
const BOUNDS: readonly Bound[] = [
  // Pointwise and fully connected weights alone, nearly incompressible bytes, are 0.745 of the reference's coefficients.
  { model: V1, target: "a311d", ms: 5, speedup: 1.5, coefficients: 0.81 },
  { model: DET, target: "a311d", ms: 12, speedup: 2.3, coefficients: 0.5 },
  { model: V2, target: "a311d", speedup: 1.4, coefficients: 0.7 },
  { model: "yolox", target: "a311d", speedup: 1.4, coefficients: 0.96 },
  { model: V1, target: "imx8mp", speedup: 1.15, coefficients: 0.85 },
  { model: DET, target: "imx8mp", speedup: 1.15, coefficients: 0.87 },
  { model: V2, target: "imx8mp", speedup: 1.15, coefficients: 0.9 },
  { model: "yolox", target: "imx8mp", speedup: 1.15, coefficients: 0.78 },
];

if (needCorpus("predicted times of whole models")) {
  const test = suite("predicted times of whole models");
  const core = await coreOf("release");
  for (const { model, target, ms, speedup, coefficients } of BOUNDS)
    test(`${model} ${target}`, () => {
      const bytes = modelOfCase(model);
      const totalsOf = (mode: "optimised" | "compatible"): ReportTotals =>
        buildReport(compileCase(core, bytes, { mode, target, allowQuirks: true }).executable)
          .totals;
      const [ours, reference] = [totalsOf("optimised"), totalsOf("compatible")];
      const [time, its] = [ours.predictedMs!, reference.predictedMs!];
      if (ms !== undefined) assert.ok(time <= ms, `${time} ms`);
      assert.ok(its / time >= speedup, `${its} ms by ${time} ms`);
      const share = ours.coefficientBytes / reference.coefficientBytes;
      assert.ok(share <= coefficients, `coefficients ${share}`);
      assert.ok(ours.dramBytes < reference.dramBytes);
    });
  test.run();
}
