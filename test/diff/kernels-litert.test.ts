// The CPU kernels against today's LiteRT (XNNPACK), which needs no corpus: at most 1 apart, since it rescales in floating point.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readModel } from "../../core-as/model/read.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { coreOf } from "../helpers/cores.ts";
import { loadLiteRt } from "../helpers/litert.ts";
import { inputBytes } from "../helpers/prng.mjs";
import { skipSuite } from "../helpers/skip.ts";
import { synthModel } from "../helpers/synth-model.mjs";

/** Single operators: a chain of several adds up differences of more than 1. */
const CASES = [
  "conv-i8x8x32-k3-o64-s1-same-u8",
  "conv-i20x20x9-k1-o9-s2-same-u8-sparse97",
  "conv-i12x16x4-k5x3-o8-s1-same-u8",
  "conv-i7x7x5-k3-o9-s1-valid-u8-wz255-xz255",
  "conv-i15x15x9-k5-o24-s2-valid-u8-relu6",
  "pw-i6x8x257-o120-s1-same-u8-relu6",
  "pw-i7x7x256-o1024-s1-same-u8-relu",
  "dw-i7x7x24-k3-s2-same-u8",
  "dw-i13x13x9-k3-s2-same-u8-relu-sparse97-xz3",
  "dw-i33x33x7-k2-s1-same-u8-relu6-wz255",
  "fc-i64-o10-u8",
  "fc-i225-o33-u8-relu",
  "pad-i12x12x24-out-u8",
];
const NAME = "CPU kernels against LiteRT";

const litert = await loadLiteRt();
const test = suite(NAME);

if ("reason" in litert) skipSuite(NAME, litert.reason);
else
  for (const name of CASES)
    test(name, async () => {
      const model = synthModel(name);
      const { graph } = readModel(model);
      const { shape } = graph.tensors[graph.inputs[0]!]!;
      const bytes = inputBytes(
        name,
        0,
        shape.reduce((a, b) => a * b),
      );
      const core = await coreOf("release");
      const ours = runGraph(core, graph, [bytes]).get(graph.outputs[0]!)!;
      const [theirs] = await litert.run(model, [{ bytes, shape }]);
      assert.is(ours.length, theirs!.length);
      for (const [i, value] of ours.entries())
        assert.ok(Math.abs(value - theirs![i]!) <= 1, `element ${i}: ${value}, ${theirs![i]}`);
    });

test.run();
