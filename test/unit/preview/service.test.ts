// The preview's worker without a worker: views that take long stop when the page no longer wants them.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { serialiseExecutable, type JobProfile, type NpuError } from "../../../core-as/index.ts";
import { PreviewService } from "../../../examples/preview/service.ts";
import { holdModel } from "../../helpers/held.ts";

test("a run for the times of jobs stops where that is asked for, and only there", async () => {
  const digits = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
  const { executable, report } = await holdModel(digits);
  const service = new PreviewService();
  await service.hold("sample", serialiseExecutable(executable));
  const args = { key: "sample", inputs: [new Uint8Array(28 * 28)] };
  await service.view("run-profile", args);
  const cancelled = async (name: string): Promise<unknown> => {
    const view = service.view("run-profile", args).catch((error: NpuError) => error.code);
    let isOver = false;
    void view.then(() => (isOver = true));
    for (; !isOver; await new Promise((done) => setTimeout(done))) service.cancelViews(name);
    return view;
  };
  assert.is(await cancelled("run-profile"), "TW_IO_ABORTED");
  const jobs = (await cancelled("layers")) as JobProfile[];
  assert.is(jobs.length, report.jobs.length);
});

test.run();
