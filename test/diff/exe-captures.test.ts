// Our capture directories have the form of the captured ones, and say the same about chip, stream and tensors.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { writeCapture } from "../../core-as/inspect/capture.ts";
import { corpusJson, needCorpus } from "../helpers/corpus.ts";
import { synthModel } from "../helpers/synth-model.mjs";

interface Json {
  [key: string]: Json | Json[] | string | number;
}

/** What a file says apart from the places that its writer chose. */
function comparable(capture: Json): object {
  const port = (tensor: Json): object => ({ ...tensor, buffer: null, address: null, name: null });
  const list = (key: string): Json[] => capture[key] as Json[];
  const { buffers, ...stream } = capture["stream"] as Json;
  return {
    keys: Object.keys(capture),
    bufferKeys: list("buffers")
      .map((buffer) => Object.keys(buffer).join(" "))
      .sort(),
    // Coefficient buffers have the size that they need; the reference asks for the worst case.
    bufferBytes: list("buffers")
      .map(({ role, bytes }) => (role === "coefficients" ? role : `${role} ${bytes}`))
      .sort(),
    chip: capture["chip"],
    model: capture["model"],
    target: capture["target"],
    partition: capture["partition"],
    stream,
    listed: (buffers as Json[]).map(({ access }) => access),
    listedKeys: Object.keys((buffers as Json[])[0]!),
    inputs: list("inputs").map(port),
    outputs: list("outputs").map(port),
  };
}

if (needCorpus("captures")) {
  const test = suite("captures like the reference's");
  for (const name of [
    "conv-i8x8x16-k3-o17-s2-same-u8-sparse20",
    "add-i16x16x3-o7-out-u8-relu-r15",
    "chain-split-i9x15x7-o9-k1-i8",
    "dw-i10x10x32-k5-s2-same-u8",
  ])
    test(name, async () => {
      const { executable } = await compile(synthModel(name), {
        mode: "compatible",
        allowQuirks: true,
      });
      const files = writeCapture(executable, 0, { model: name });
      const ours = JSON.parse(files.get("capture.json") as string) as Json;
      const theirs = corpusJson<Json>("golden", "captures", "a311d", name, "capture.json");
      assert.equal(comparable(ours), comparable(theirs));
    });
  test.run();
}
