// Every captured submit of the reference driver, simulated and compared with TFLite's reference
// kernels.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SimFault } from "../../core-as/errors.ts";
import { mapCapture, runCapture, type Capture } from "../../core-as/runtime/capture.ts";
import { captureInputs, captureNames, loadCapture } from "../helpers/captures.ts";
import { BUILDS, type Build } from "../helpers/cores.ts";
import { corpusBytes, corpusJson, needCorpus } from "../helpers/corpus.ts";
import { simulatorOf } from "../helpers/sim-rig.ts";

/**
 * What the reference driver's bytes are known to compute wrongly, measured by another simulator.
 */
interface KnownWrong {
  maxDifference?: number | "fault";
  /** Differing values / all values. */
  differing?: string;
  quirks: string[];
}

interface Result {
  maxDifference: number | "fault";
  differing: string;
}

async function simulate(build: Build, capture: Capture): Promise<Result> {
  const simulator = await simulatorOf(build, { chip: capture.chip as { nnCoreVersion: 7; nnCores: number } }); // prettier-ignore
  mapCapture(capture, simulator);
  let outputs: Uint8Array[];
  try {
    outputs = runCapture(capture, simulator, captureInputs(capture));
  } catch (error) {
    if (!(error instanceof SimFault)) throw error;
    return { maxDifference: "fault", differing: "0/0" };
  }
  let most = 0;
  let differing = 0;
  let total = 0;
  for (const [index, actual] of outputs.entries()) {
    const expected = corpusBytes("reference", capture.model, `output-${index}.bin.gz`);
    assert.is(actual.length, expected.length, `${capture.model} output ${index}`);
    const sign = capture.outputs[index]!.type === "INT8" ? 0x80 : 0;
    for (const [i, value] of actual.entries()) {
      const difference = Math.abs((value ^ sign) - (expected[i]! ^ sign));
      if (difference > 0) differing++;
      most = Math.max(most, difference);
    }
    total += actual.length;
  }
  return { maxDifference: most, differing: `${differing}/${total}` };
}

if (needCorpus("sim-captures")) {
  const known = corpusJson<Record<string, Record<string, KnownWrong>>>(
    "golden",
    "known-wrong.json",
  );
  for (const build of BUILDS) {
    test(`${build}: a311d captures are within 2 of TFLite, or wrong exactly as known`, async () => {
      const tally = new Map<number | string, number>();
      const unexpected: string[] = [];
      for (const name of captureNames("a311d")) {
        const result = await simulate(build, loadCapture("a311d", name));
        const wrong = known["a311d"]![name];
        const right =
          wrong === undefined
            ? typeof result.maxDifference === "number" && result.maxDifference <= 2
            : wrong.maxDifference === undefined ||
              (wrong.maxDifference === result.maxDifference &&
                wrong.differing === result.differing);
        if (!right) unexpected.push(`${name}: ${JSON.stringify({ result, wrong })}`);
        const key = wrong === undefined ? `off by at most ${result.maxDifference}` : "known wrong";
        tally.set(key, (tally.get(key) ?? 0) + 1);
      }
      assert.equal(unexpected, []);
      const summary = [...tally].sort().map(([key, count]) => `${key}: ${count}`);
      console.log(`  ${build}: ${summary.join(", ")}`);
      assert.ok([...tally.values()].reduce((a, b) => a + b) >= 145);
    });
  }
}

test.run();
