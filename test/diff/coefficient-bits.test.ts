// Every captured coefficient buffer of both versions, bit by bit: spans cover what is read once, and yield the decoder's weights.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkSpans } from "../helpers/bit-spans.ts";
import { captureNames, loadCapture } from "../helpers/captures.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { fieldValue } from "../helpers/flips.ts";

if (needCorpus("coefficient-bits"))
  for (const target of ["a311d", "imx8mp"] as const)
    test(`${target}: captured buffers`, async () => {
      const core = await coreOf("release");
      const kinds = new Set<string>();
      let checked = 0;
      for (const name of captureNames(target)) {
        const { buffers, chip } = loadCapture(target, name);
        for (const buffer of buffers.filter(({ role }) => role === "coefficients")) {
          const nn = buffers.find((b) => b.name === buffer.name.replace("coefs", "nn"))!;
          const words = new Uint32Array(nn.contents!.slice().buffer);
          const version = chip.nnCoreVersion;
          const value = (field: string): number => fieldValue("NN", words, field, version);
          const fields = {
            nnCoreVersion: version,
            nnCores: chip.nnCores,
            kernelX: value("KERNEL_X_SIZE"),
            kernelY: value("KERNEL_Y_SIZE"),
            kernelZ: value("KERNEL_Z_SIZE"),
            outZ: value("OUT_Z_SIZE"),
            kernelsPerCore: value("KERNELS_PER_CORE"),
            weightZeroPoint: value("COEF_ZERO_POINT"),
            depthwise: value("DEPTHWISE") === 1,
            outPlane: value("OUT_X_STRIDE") * value("OUT_Y_STRIDE"),
          };
          const where = `${name} ${buffer.name}`;
          const annotated = checkSpans(core, buffer.contents!.slice(), fields, where);
          for (const { spans } of annotated.cores) for (const { kind } of spans) kinds.add(kind);
          checked++;
        }
      }
      assert.ok(checked >= 224, `${checked} buffers`);
      assert.ok(kinds.size >= 6, [...kinds].join());
    });

test.run();
