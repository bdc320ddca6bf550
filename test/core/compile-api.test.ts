// The compiler as applications call it: options, progress, errors, and what the report says.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ModelFormatError, NpuError, TransportError, UsageError } from "../../core-as/errors.ts";
import { compile } from "../../core-as/compile/compile.ts";
import { sha256Hex } from "../../core-as/executable/bytes.ts";
import { BUILDS, coreOf } from "../helpers/cores.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const QUIRKY = "chain-mbv1-i24x40x3-o8-i8";
const POOL = "chain-pool-i16x16x8-o24-k3-u8-relu";

async function errorOf(promise: Promise<unknown>): Promise<NpuError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, NpuError, String(error));
    return error as NpuError;
  }
  throw new Error("nothing was thrown");
}

for (const build of BUILDS) {
  const test = suite(`compile (${build})`);
  const core = await coreOf(build);

  test("compiles with the defaults", async () => {
    const model = synthModel(QUIRKY);
    const before = core.mark();
    const result = await compile(model, { core });
    assert.is(core.mark(), before);
    assert.is(result.executable.chip.name, "a311d");
    assert.is(result.executable.mode, "optimised");
    assert.is(result.executable.modelSha256, await sha256Hex(model));
    assert.ok(result.timings.length > 3);
    assert.equal(result.executable.quirks, []);
  });

  test("the executable's graph has no weights, the model's has them", async () => {
    const { executable, model } = await compile(synthModel(QUIRKY), { core });
    assert.ok(executable.graph.tensors.every(({ constant }) => constant === null));
    assert.ok(model.graph.tensors.some(({ constant }) => constant !== null));
  });

  test("reports progress from 0 to 1", async () => {
    const shares: number[] = [];
    const onProgress = (stage: string, done: number): void => {
      assert.ok(stage.length > 0);
      shares.push(done);
    };
    await compile(synthModel(QUIRKY), { core, onProgress });
    assert.is(shares[0], 0);
    assert.is(shares.at(-1), 1);
    assert.equal(shares, [...shares].sort());
  });

  test("is aborted before and between stages", async () => {
    const model = synthModel(QUIRKY);
    const aborted = await errorOf(compile(model, { core, signal: AbortSignal.abort() }));
    assert.instance(aborted, TransportError);
    const controller = new AbortController();
    let stages = 0;
    const onProgress = (): void => {
      stages++;
      controller.abort("changed my mind");
    };
    const between = await errorOf(compile(model, { core, signal: controller.signal, onProgress }));
    assert.equal([between.code, between.cause, stages], ["TW_IO_ABORTED", "changed my mind", 1]);
  });

  test("quirks are refused in compatible mode unless they are allowed", async () => {
    const model = synthModel(QUIRKY);
    const refused = await errorOf(compile(model, { core, mode: "compatible" }));
    assert.is(refused.code, "TW_UNSUP_QUIRK");
    const { executable, report } = await compile(model, {
      core,
      mode: "compatible",
      allowQuirks: true,
    });
    assert.ok(executable.quirks.length > 0);
    assert.ok(report.warnings.some((warning) => /computes wrong results.*Q\d+/.test(warning)));
  });

  test("targets", async () => {
    const model = synthModel(QUIRKY);
    const unknown = await errorOf(compile(model, { core, target: "abacus" }));
    assert.instance(unknown, UsageError);
    assert.match(unknown.message, "a311d");
    assert.match(unknown.message, "imx8mp");
    const newer = await compile(model, { core, target: "imx8mp" });
    assert.is(newer.executable.chip.name, "imx8mp");
    assert.is((await compile(model, { core, target: "VIM3" })).executable.chip.name, "a311d");
    // The ids that a kernel reports; the last digit of the revision does not count.
    for (const ids of ["8000:7120:45080009:0:88", "8000:7124:45080009:0:88"])
      assert.is((await compile(model, { core, target: ids })).executable.chip.name, "a311d");
    const noChip = await errorOf(compile(model, { core, target: "8000:1:2:3:4" }));
    assert.instance(noChip, UsageError);
    const { report } = await compile(model, { core, target: "vipnano-qi-a1" });
    assert.match(report.target.evidence, "never captured");
    assert.ok(report.warnings.some((warning) => warning.includes("ever captured")));
  });

  test("arguments of the wrong kind, and bytes that are no model", async () => {
    const wrong = await compile("model" as never).catch((error: unknown) => error);
    assert.instance(wrong, TypeError);
    const mode = await errorOf(compile(synthModel(QUIRKY), { core, mode: "fast" as never }));
    assert.instance(mode, UsageError);
    assert.instance(await errorOf(compile(new Uint8Array(40), { core })), ModelFormatError);
  });

  test("the report is plain JSON and adds up", async () => {
    const { report, executable } = await compile(synthModel(POOL), {
      core,
      mode: "compatible",
      allowQuirks: true,
    });
    assert.equal(JSON.parse(JSON.stringify(report)), report);
    const { totals, operators, jobs } = report;
    assert.is(totals.operators, operators.length);
    assert.is(totals.macs, totals.macsOnNpu + totals.macsOnCpu);
    assert.is(totals.jobs, jobs.length);
    assert.is(totals.partitions, executable.partitions.length);
    const onCpu = operators.filter(({ place }) => place === "cpu");
    assert.ok(onCpu.length > 0);
    for (const { constraint, reason } of onCpu) {
      assert.type(constraint, "string");
      assert.type(reason, "string");
    }
    const coefficientBytes = jobs.reduce((sum, { nn }) => sum + (nn?.coefficients?.bytes ?? 0), 0);
    assert.is(coefficientBytes, totals.coefficientBytes);
  });

  test.run();
}
