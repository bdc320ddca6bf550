// Capture directories that we write run like those of the reference driver.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, type CompileResult } from "../../../core-as/compile/compile.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { writeCapture, writeCaptures } from "../../../core-as/inspect/capture.ts";
import { mapCapture, parseCapture, runCapture } from "../../../core-as/runtime/capture.ts";
import { createSession } from "../../../core-as/runtime/session.ts";
import { createSimTransport } from "../../../core-as/runtime/sim-transport.ts";
import { Simulator } from "../../../core-as/runtime/simulator.ts";
import { inputBytes, synthModel } from "../../helpers/synth-model.mjs";

const test = suite("written captures");
const chip = chipByName("a311d")!;

function compileCase(name: string): Promise<CompileResult> {
  return compile(synthModel(name));
}

function jsonOf(files: ReadonlyMap<string, Uint8Array | string>): Record<string, unknown> {
  return JSON.parse(files.get("capture.json") as string) as Record<string, unknown>;
}

for (const name of [
  "conv-i8x8x16-k3-o17-s2-same-u8-sparse20",
  "chain-mbv1-i24x40x3-o8-i8",
  "split-i8x8x8-o8-k3-out-u8",
  "chain-tap-i10x10x8-o16-k3-u8",
])
  test(`${name} gives what the session gives`, async () => {
    const { executable } = await compileCase(name);
    assert.is(executable.partitions.length, 1);
    const session = await createSession(executable, createSimTransport(chip));
    const inputs = session.inputs.map(({ bytes }, i) => inputBytes(name, i, bytes));
    const { outputs } = await session.run(inputs);

    const files = writeCapture(executable, 0, { top: 0xfffeb000, model: name });
    const lowest = (map: typeof files): number =>
      Math.min(...(jsonOf(map)["buffers"] as { address: number }[]).map((b) => b.address));
    assert.is(lowest(writeCapture(executable, 0, { base: 0x40000000 })), 0x40000000);
    const load = (file: string): Uint8Array => files.get(file) as Uint8Array;
    const capture = parseCapture(jsonOf(files), load);
    const used = new Set(["capture.json", "stream.bin"]);
    for (const { file } of jsonOf(files)["buffers"] as { file?: string }[])
      if (file !== undefined) used.add(file);
    assert.equal([...files.keys()].sort(), [...used].sort());

    const simulator = await Simulator.create({ chip });
    mapCapture(capture, simulator);
    const results = runCapture(capture, simulator, inputs);
    const byTensor = new Map(
      executable.partitions[0]!.outputs.map(({ tensor }, i) => [tensor, results[i]]),
    );
    assert.equal(
      session.outputs.map(({ tensor }) => byTensor.get(tensor)),
      outputs,
    );
  });

test("several partitions lie in directories of their own", async () => {
  const { executable } = await compile(synthModel("chain-pool-i16x16x8-o24-k3-u8-relu"), {
    mode: "compatible",
    allowQuirks: true,
  });
  assert.ok(executable.partitions.length > 1);
  const folders = new Set([...writeCaptures(executable).keys()].map((path) => path.split("/")[0]));
  assert.equal(
    [...folders],
    executable.partitions.map((_, i) => `p${i}`),
  );
  assert.throws(() => writeCapture(executable, 9), RangeError);
});

test.run();
