// boards, run, bench and serve on devices of this machine, which the mock kernel presents.
// SPDX-License-Identifier: MIT
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cliModel } from "../helpers/cli-models.ts";
import { tilewright, withServed, type Outcome } from "../helpers/cli-process.ts";
import { needMockKernel, startMockKernel, type MockKernelOptions } from "../helpers/mock-kernel.ts";
import { rng } from "../helpers/prng.mjs";

const GPU_AND_NPU: MockKernelOptions = {
  nodes: [
    { number: 128, cores: ["gpu"] },
    { number: 129, cores: ["a311d"] },
  ],
};

if (needMockKernel("command line on devices")) {
  const test = suite("command line on devices");
  const folder = mkdtempSync(join(tmpdir(), "tilewright-drm-"));

  test.before(() => {
    const random = rng("cli/drm");
    writeFileSync(join(folder, "m.tflite"), cliModel("chain-pool-i16x16x8-o16-k3-u8"));
    writeFileSync(
      join(folder, "in.bin"),
      Uint8Array.from({ length: 2048 }, () => random.byte()),
    );
  });
  test.after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs `body` with the environment of a mock kernel. */
  const under =
    (options: MockKernelOptions, body: (env: Record<string, string>) => Promise<void>) =>
    async (): Promise<void> => {
      const kernel = await startMockKernel(options);
      try {
        await body(kernel.env);
      } finally {
        kernel.stop();
      }
    };

  const run = (env: Record<string, string>, ...args: string[]): Promise<Outcome> =>
    tilewright(args, { cwd: folder, env });

  const runModel = (env: Record<string, string>, on: string, ...more: string[]): Promise<Outcome> =>
    run(env, "run", "m.tflite", "--input", "in.bin", "--on", on, ...more);

  function expectOk({ code, stdout, stderr }: Outcome): string {
    assert.is(code, 0, stderr);
    return stdout;
  }

  function expectError({ code, stderr }: Outcome, error: string): void {
    assert.is(code, 3, stderr);
    assert.match(stderr, new RegExp(`^error: [^\\n]+ \\[${error}\\]\\n$`));
  }

  test(
    "boards lists every core with what to do about it",
    under(GPU_AND_NPU, async (env) => {
      const { code, stdout, stderr } = await run(env, "boards");
      assert.is(code, 0, stderr);
      assert.match(stdout, /^\/dev\/dri\/renderD128 +0 +.* TW_IO_NOT_NPU$/m);
      assert.match(
        stdout,
        /^\/dev\/dri\/renderD129 +0 +a311d +.* --on drm:\/dev\/dri\/renderD129$/m,
      );
      assert.match(stderr, /^\/dev\/dri\/renderD128, core 0 is a GPU .* \[TW_IO_NOT_NPU\]$/m);
      const listed = JSON.parse(expectOk(await run(env, "boards", "--json"))) as {
        path: string;
        chip: string | null;
        problem: { code: string } | null;
      }[];
      assert.equal(
        listed.map(({ path, chip, problem }) => [path, chip, problem?.code]),
        [
          ["/dev/dri/renderD128", null, "TW_IO_NOT_NPU"],
          ["/dev/dri/renderD129", "a311d", undefined],
        ],
      );
    }),
  );

  test(
    "run finds the NPU, answers as the simulator, and does not pretend to have measured",
    under(GPU_AND_NPU, async (env) => {
      expectOk(await runModel({}, "sim", "--output-dir", "local"));
      const text = expectOk(await runModel(env, "drm", "--output-dir", "device", "--profile"));
      assert.equal(
        readFileSync(join(folder, "device/output-0.bin")),
        readFileSync(join(folder, "local/output-0.bin")),
      );
      assert.match(text, /^\d+ jobs, each a submit of its own; times are simulated/m);
      assert.match(
        text,
        /^simulated through the kernel driver at \/dev\/dri\/renderD129; it took \d+ ms \(says nothing about the chip\)$/m,
      );
      expectOk(await run(env, "bench", "m.tflite", "--on", "drm", "--runs", "5"));
    }),
  );

  test(
    "a model is compiled for the device's chip",
    under({ nodes: [{ cores: ["imx8mp"] }] }, async (env) => {
      expectOk(await runModel(env, "drm"));
      const { code, stderr } = await runModel(env, "drm", "--target", "a311d");
      assert.is(code, 1, stderr);
      assert.match(stderr, "the device /dev/dri/renderD128 has the chip imx8mp");
    }),
  );

  test(
    "a device is served, and its results say what they are",
    under(GPU_AND_NPU, (env) =>
      withServed(
        ["--device", "/dev/dri/renderD129"],
        async (served) => {
          const device = served.events.find(({ event }) => event === "device")!;
          assert.equal(
            [device["device"], device["evidence"]],
            ["/dev/dri/renderD129", "simulated"],
          );
          const text = expectOk(await runModel({}, served.url, "--output-dir", "served"));
          assert.match(text, /^simulated, says the board at ws:/m);
          assert.equal(
            readFileSync(join(folder, "served/output-0.bin")),
            readFileSync(join(folder, "local/output-0.bin")),
          );
          assert.is(await served.stop(), 0);
        },
        { cwd: folder, env },
      ),
    ),
  );

  test(
    "devices that cannot be used end with exit code 3 and what to do",
    under(GPU_AND_NPU, async (env) => {
      expectError(await runModel(env, "drm:/dev/dri/renderD128"), "TW_IO_NOT_NPU");
      expectError(await runModel(env, "drm:/dev/dri/renderD150"), "TW_IO_NO_DEVICE");
      expectError(await run(env, "serve", "--device", "/dev/dri/renderD128"), "TW_IO_NOT_NPU");
    }),
  );

  test(
    "a device without permission is named where none can be used",
    under({ nodes: [{ denied: true }] }, async (env) => {
      expectError(await runModel(env, "drm"), "TW_IO_PERMISSION");
      const { code, stdout, stderr } = await run(env, "boards");
      assert.is(code, 0);
      assert.match(stdout, "no NPU on this machine");
      assert.match(stderr, /usermod .* \[TW_IO_PERMISSION\]$/m);
    }),
  );

  test.run();
}
