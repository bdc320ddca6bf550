// The calibration with the corpus' models: the code's figures, the page, and what the issue demands of the errors.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { coefficientRows } from "../../bench/coefficient-bound.ts";
import { costModelPage, leftOutError } from "../../bench/cost-model-page.ts";
import { calibrationPoints } from "../../bench/cost-points.ts";
import {
  errorOf,
  fitBandwidth,
  leaveOneOut,
  PUBLISHED,
  PUBLISHED_IMX8MP,
} from "../../core-as/cost/calibration.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { systemOf } from "../../core-as/hw/systems.ts";
import { priceCapture } from "../../core-as/inspect/price-capture.ts";
import { priceExecutable } from "../../core-as/inspect/price.ts";
import { captureNames, loadCapture } from "../helpers/captures.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";

if (needCorpus("cost model")) {
  const test = suite("cost model against published times");
  const core = await coreOf("release");
  const points = await calibrationPoints(core, "a311d", PUBLISHED);
  const others = await calibrationPoints(core, "imx8mp", PUBLISHED_IMX8MP);
  const rows = await coefficientRows(core);
  const system = systemOf("a311d");

  test("r.m.s. error at most 10 %, leave one out at most 15 %", () => {
    assert.ok(fitBandwidth(points, system).error <= 0.1);
    assert.ok(errorOf(points, system) <= 0.1);
    assert.ok(leftOutError(leaveOneOut(points, system)) <= 0.15);
  });

  test("the figures that the code uses are the calibrated ones", () => {
    const atNoOverhead = fitBandwidth(points, { ...system, overheadUs: 0 }).bandwidthGBs;
    assert.is(Number(atNoOverhead.toFixed(1)), system.bandwidthGBs);
    assert.is(Number(errorOf(points, system).toFixed(3)), system.error);
    const other = systemOf("imx8mp");
    assert.is(Number(errorOf(others, other).toFixed(2)), other.error);
  });

  test("docs/cost-model.md is current (npm run bench:cost-model -- --write)", () =>
    assert.fixture(
      readFileSync("docs/cost-model.md", "utf8"),
      costModelPage(points, others, rows),
    ));

  test("no layer is below what its format allows", () => {
    for (const { op, optimised, bound } of rows) assert.ok(optimised >= bound, `operator ${op}`);
  });

  for (const target of ["a311d", "imx8mp"])
    for (const name of captureNames(target))
      test(`${target} ${name}: a captured submit costs what compiled bytes cost`, () => {
        const capture = loadCapture(target, name);
        const compiled = compileCase(core, modelOfCase(capture.model), {
          mode: "compatible",
          allowQuirks: true,
          target,
        });
        const costs = priceExecutable(compiled.executable);
        const captured = priceCapture(capture, chipByName(target)!, systemOf(target));
        assert.ok(captured.length > 0);
        if (compiled.executable.partitions.length === 1) assert.equal(captured, costs);
      });
  test.run();
}
