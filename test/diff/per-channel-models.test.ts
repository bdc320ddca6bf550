// Layers of whole models with a scale for each channel, on photographs: each keeps what balanced promises.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sampleOfFiles } from "../../cli/compare-pictures.ts";
import { compareLayers } from "../../core-as/accuracy/compare-layers.ts";
import type { CompileCache } from "../../core-as/compile/cache.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";

const core = await coreOf("release");

if (needCorpus("per-channel models")) {
  const models = suite("per channel, models");
  // On the A311D: three compilations of each model take a minute.
  for (const [name, pictures] of [
    ["tf2_mobilenet_v2_1.0_224_ptq", ["cat", "grace_hopper"]],
    ["movenet_single_pose_lightning_ptq", ["squat", "grace_hopper"]],
  ] as const)
    models(`${name}: layers keep what balanced promises`, async () => {
      const model = corpusBytes("models", `${name}.tflite`);
      // Compiled once.
      const kept = new Map<string, Uint8Array>();
      const cache: CompileCache = {
        get: async (key) => kept.get(key) ?? null,
        put: async (key, bytes) => void kept.set(key, bytes),
      };
      const settings = { core, cache };
      for (const picture of pictures) {
        const samples = [sampleOfFiles(model, [corpusPath("models", `${picture}.bmp`)])];
        const { layers } = await compareLayers(model, settings, samples);
        const judged = layers.filter(({ method }) => method !== null);
        assert.ok(judged.length > 40);
        for (const { op, alone, bound } of judged) {
          assert.ok(bound! <= 3, `#${op} states a bound of ${bound}`);
          assert.ok(alone!.max <= 3, `${picture}, #${op} is off by ${alone!.max}`);
          assert.ok(alone!.within1 >= 0.99, `${picture}, #${op}: ${alone!.within1} within 1`);
        }
      }
    });
  models.run();
}
