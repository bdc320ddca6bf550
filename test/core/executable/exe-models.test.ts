// Property (g) on real executables: what is written is read, and damage never gets past the reader.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExecutableError } from "../../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../../core-as/executable/container.ts";
import { compile } from "../../../core-as/compile/compile.ts";
import { canonicalOf } from "../../../core-as/inspect/canonical.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { rng } from "../../helpers/prng.mjs";
import { synthModel } from "../../helpers/synth-model.mjs";

/** One case for each kind of operator and each structure; quirks are allowed, so that their oddities are in. */
const CASES = [
  "conv-i65x65x3-k3-o32-s2-same-u8-relu6",
  "conv-i13x13x128-k3-o17-s1-same-i8",
  "dw-i14x14x3-k4-s2-same-i8",
  "add-i16x16x3-o7-out-u8-relu-r15",
  "concat-i14x14x3-o24-n3-i8-k3",
  "split-i8x8x8-o8-k3-out-u8",
  "pad-i8x8x2-out-i8",
  "chain-pool-i16x16x8-o24-k3-u8-relu",
  "chain-stem-i32x32x3-o16-k3-u8-relu",
  "chain-fan-i12x12x8-o16-k3-u8",
];

for (const build of BUILDS) {
  const test = suite(`executables of models (${build})`);
  const core = await coreOf(build);

  for (const name of CASES)
    for (const mode of ["compatible", "optimised"] as const)
      test(`${name}, ${mode}`, async () => {
        const { executable } = await compile(synthModel(name), { mode, allowQuirks: true, core });
        const file = serialiseExecutable(executable);
        const back = parseExecutable(file);
        assert.equal(back, executable);
        assert.equal(await canonicalOf(back), await canonicalOf(executable));
        assert.equal(serialiseExecutable(back), file);
        const again = await compile(synthModel(name), { mode, allowQuirks: true, core });
        assert.equal(serialiseExecutable(again.executable), file);
      });

  test("changed and cut files are refused", async () => {
    const { executable } = await compile(synthModel("chain-pool-i16x16x8-o24-k3-u8-relu"), {
      core,
    });
    const file = serialiseExecutable(executable);
    const random = rng(`exe/models/${build}`);
    const refused = (bytes: Uint8Array, what: string): void => {
      try {
        parseExecutable(bytes);
      } catch (error) {
        assert.instance(error, ExecutableError, `${what}: ${String(error)}`);
        return;
      }
      throw new Error(`${what} was accepted`);
    };
    for (let i = 0; i < 3000; i++) {
      const at = Math.floor(random.u() * file.length);
      const change = 1 + (random.byte() % 255);
      file[at] = file[at]! ^ change;
      refused(file, `byte ${at} changed by ${change}`);
      file[at] = file[at]! ^ change;
      refused(file.subarray(0, at), `cut at ${at}`);
    }
    parseExecutable(file);
  });

  test.run();
}
