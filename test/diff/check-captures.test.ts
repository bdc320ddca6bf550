// Every captured submit of the reference driver passes the pre-submit check, but for the few that leave their buffers.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import { captureNames, loadCapture } from "../helpers/captures.ts";
import { submitOfCapture } from "../helpers/check-captures.ts";
import { checkerOf, passes, refusalOf } from "../helpers/check-rig.ts";
import { BUILDS } from "../helpers/cores.ts";
import { corpusJson, needCorpus } from "../helpers/corpus.ts";

/**
 * The reference's streams contradict their descriptors there (Q59, Q60: offsets are read from the wrong places, so the
 * simulator faults, too), or have kernels without a channel (Q1) whose planes begin in the next buffer.
 */
const REFUSED: Record<string, Record<string, RegExp>> = {
  a311d: {
    "conv-i16x17x1-k2-o33-s2-same-i8": /job 1 \(NN\): kernel 0 .* behind the output's last channel/,
    "conv-i3x12x16-k2-o24-s2-same-i8-sparse50": /job 2 \(NN\): kernel 0 .* behind the output's/,
    "chain-stem-i20x24x8-o33-k5-i8": /job 4 \(NN\): kernel 34 .* behind the output's last channel/,
    "pad-i15x20x8-k3-o9-s1-u8-relu": /job 2 \(NN\): kernel 13 .* behind the output's last channel/,
    "pw-i12x19x16-o17-s1-same-u8-sparse97": /job 1 \(NN\): kernel 17 .* behind the output's last/,
  },
  imx8mp: {},
};

if (needCorpus("check-captures")) {
  for (const build of BUILDS)
    for (const [target, least] of [
      ["a311d", 145],
      ["imx8mp", 141],
    ] as const)
      test(`${build}: captures of ${target} pass`, async () => {
        const checker = await checkerOf(build, { chip: chipByName(target)! });
        const names = captureNames(target);
        assert.ok(names.length >= least);
        for (const name of names) {
          const submit = submitOfCapture(loadCapture(target, name));
          const refusal = refusalOf(checker, submit);
          const expected = REFUSED[target]![name];
          assert.is(refusal === null, expected === undefined, `${name}: ${refusal?.message}`);
          if (expected === undefined) assert.ok(checker.jobCount > 0);
          else assert.match(refusal!.message, expected);
        }
        for (const name of Object.keys(REFUSED[target]!)) assert.ok(names.includes(name), name);
      });

  test("the stream that initialises a chip passes", async () => {
    for (const target of ["a311d", "imx8mp"]) {
      const { words } = corpusJson<{ words: string[] }>("golden", target, "init-stream.json");
      const stream = Uint32Array.from(words, (word) => parseInt(word, 16));
      const chip = chipByName(target)!;
      passes(await checkerOf("release", { chip }), { chip, stream, buffers: [] });
    }
  });
}

test.run();
