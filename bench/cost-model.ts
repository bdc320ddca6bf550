// Calibration of the cost model: published times, predictions, fit, residuals, leave-one-out error.
// Named peers: the published times of the reference driver. Usage: npm run bench:cost-model [-- --write | --json]
// SPDX-License-Identifier: MIT
import { writeFileSync } from "node:fs";
import {
  fitBandwidth,
  errorOf,
  leaveOneOut,
  PUBLISHED,
  PUBLISHED_IMX8MP,
  residual,
} from "../core-as/cost/calibration.ts";
import { totalMs } from "../core-as/cost/job-cost.ts";
import { systemOf } from "../core-as/hw/systems.ts";
import { Core } from "../core-as/index.ts";
import { hasCorpus } from "../test/helpers/corpus.ts";
import { coefficientRows } from "./coefficient-bound.ts";
import { costModelPage, leftOutError, OVERHEADS } from "./cost-model-page.ts";
import { calibrationPoints } from "./cost-points.ts";

const PAGE = "docs/cost-model.md";

if (!hasCorpus) console.error("skipped: cost model (no shared corpus)");
else {
  const core = await Core.create();
  const a311d = await calibrationPoints(core, "a311d", PUBLISHED);
  const imx8mp = await calibrationPoints(core, "imx8mp", PUBLISHED_IMX8MP);
  const page = costModelPage(a311d, imx8mp, await coefficientRows(core));
  if (process.argv.includes("--json")) {
    const system = systemOf("a311d");
    const fits = OVERHEADS.map((overheadUs) => {
      const figures = { ...system, overheadUs };
      const leftOut = leaveOneOut(a311d, figures);
      return {
        overheadUs,
        ...fitBandwidth(a311d, figures),
        leaveOneOutError: leftOutError(leftOut),
        leaveOneOut: leftOut,
      };
    });
    const points = a311d.map((point) => ({
      ...point.published,
      predictedMs: totalMs(point.costs, system),
      residual: residual(point, system),
    }));
    const result = { bench: "cost-model", system, error: errorOf(a311d, system), points, fits };
    console.log(JSON.stringify(result));
  } else console.log(page);
  if (process.argv.includes("--write")) writeFileSync(PAGE, page);
}
