// Examples 01 to 04 as their head comments say, on the built package.
// SPDX-License-Identifier: MIT
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseExecutable } from "../../core-as/executable/container.ts";
import { withServed } from "../helpers/cli-process.ts";
import { corpusPath, hasCorpus } from "../helpers/corpus.ts";
import { needMockKernel, startMockKernel } from "../helpers/mock-kernel.ts";
import { runExample } from "../helpers/run-example.ts";
import { skipSuite } from "../helpers/skip.ts";

const folder = mkdtempSync(join(tmpdir(), "tilewright-examples-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const DIGITS = "examples/sample/digits.tflite";

test("01 compiles the sample, says what stays on the CPU, and writes an executable", async () => {
  const twx = join(folder, "sample.twx");
  const { code, stdout, stderr } = await runExample("01-compile/compile.mjs", [DIGITS, twx]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^12 of 14 operators on the NPU, \d+ jobs$/m);
  assert.match(stdout, /^predicted: 0\.\d+ ms$/m);
  assert.match(stdout, /^on the CPU: #13 SOFTMAX: .* \(OPERATOR\)$/m);
  const executable = parseExecutable(new Uint8Array(readFileSync(twx)));
  assert.is(executable.chip.name, "a311d");
});

test("01 tells what is wrong with a model in one line", async () => {
  const broken = join(folder, "broken.tflite");
  writeFileSync(broken, readFileSync(DIGITS).subarray(0, 2000));
  const { code, stdout, stderr } = await runExample("01-compile/compile.mjs", [broken]);
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /^error: [^\n]+ \[TW_MODEL_\w+\]\n$/);
});

test("02 reads a digit in the simulator", async () => {
  const { code, stdout, stderr } = await runExample("02-simulate/simulate.mjs");
  assert.is(code, 0, stderr);
  assert.match(stdout, /^0\.99\d eight\n0\.\d+ \w+\n0\.\d+ \w+\nsimulated\n$/);
});

if (hasCorpus)
  test("02 on any model: boxes of a detector", async () => {
    const model = "ssdlite_mobiledet_coco_qat_postprocess.tflite";
    const files = [model, "squat.bmp", "coco_labels.txt"].map((name) => corpusPath("models", name));
    const { code, stdout, stderr } = await runExample("02-simulate/simulate.mjs", files);
    assert.is(code, 0, stderr);
    assert.match(stdout, /^0\.\d{3} person from [\d.-]+, [\d.-]+ to [\d.-]+, [\d.-]+$/m);
  });
else skipSuite("example 02 on a detector", "no shared corpus");

if (needMockKernel("example 03")) {
  const under = async (options: Parameters<typeof startMockKernel>[0], args: string[] = []) => {
    const kernel = await startMockKernel(options);
    try {
      return await runExample("03-run-local/run-local.mjs", args, kernel.env);
    } finally {
      kernel.stop();
    }
  };

  test("03 runs on the NPU that the kernel has", async () => {
    const { code, stdout, stderr } = await under({
      nodes: [{ cores: ["gpu"] }, { number: 129, cores: ["a311d"] }],
    });
    assert.is(code, 0, stderr);
    assert.match(stdout, /^\/dev\/dri\/renderD129, vipnano-qi\nthe digit is 3\n[\d.]+ ms, \w+\n$/);
  });

  test("03 explains a machine without an NPU, and ends without an error", async () => {
    for (const [options, reason] of [
      [{ nodes: "none" }, /^no NPU here: .* \[TW_IO_NO_DEVICE\]\n02-simulate runs/],
      [
        { nodes: [{ cores: ["gpu"] }] },
        /^no NPU here: .* \[TW_IO_NOT_NPU\]\n\/dev\/dri\/renderD128, core 0: .*GPU.*\n02-simulate runs/,
      ],
    ] as const) {
      const { code, stdout, stderr } = await under(options as Parameters<typeof under>[0]);
      assert.is(code, 0, stderr);
      assert.match(stdout, reason);
    }
  });

  test("03 does not hide what can be repaired", async () => {
    const { code, stderr } = await under({ nodes: [{ denied: true }] });
    assert.is(code, 1);
    assert.match(stderr, /TW_IO_PERMISSION/);
  });
}

test("04 runs on a board, and says whose word its times are", () =>
  withServed([], async ({ url }) => {
    const { code, stdout, stderr } = await runExample("04-run-remote/run-remote.mjs", [url]);
    assert.is(code, 0, stderr);
    assert.match(stdout, /^ws:\/\/127\.0\.0\.1:\d+: a311d, sim \(sim\), agent /);
    for (const [name, digit] of [
      ["three", 3],
      ["seven", 7],
      ["eight", 8],
    ])
      assert.match(
        stdout,
        new RegExp(
          `^${name}\\.png: ${digit}; simulated; [\\d.]+ ms there and back, [\\d.]+ ms on the board$`,
          "m",
        ),
      );
  }));

test("04 sends its token from a file, and says so when it is wrong", async () => {
  const [right, wrong] = ["right", "wrong"].map((name) => {
    const path = join(folder, name);
    writeFileSync(path, `a ${name} token for this test\n`.replaceAll(" ", "-"), { mode: 0o600 });
    return path;
  });
  await withServed(["--token-file", right!], async ({ url }) => {
    const good = await runExample("04-run-remote/run-remote.mjs", [url, right!]);
    assert.is(good.code, 0, good.stderr);
    const bad = await runExample("04-run-remote/run-remote.mjs", [url, wrong!]);
    assert.is(bad.code, 3);
    assert.match(bad.stderr, /^error: [^\n]+ \[TW_IO_AUTH\]\n$/);
  });
});

test("04 tells what is wrong with a board in one line", async () => {
  const { code, stderr } = await runExample("04-run-remote/run-remote.mjs", ["ws://127.0.0.1:9"]);
  assert.is(code, 3);
  assert.match(stderr, /^error: [^\n]+ \[TW_IO_CONNECT\]\n$/);
});

test.run();
