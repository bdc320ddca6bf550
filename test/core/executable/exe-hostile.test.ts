// Files that are wrong on purpose, with right checksums, all the way to the simulator: an NpuError or a result, no more.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../../core-as/compile/compile.ts";
import { NpuError } from "../../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../../core-as/executable/container.ts";
import { ENTRY, ENTRY_BYTES, HEADER_BYTES, SECTIONS } from "../../../core-as/executable/format.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { buildReport } from "../../../core-as/inspect/report.ts";
import { createSession } from "../../../core-as/runtime/session.ts";
import { createSimTransport } from "../../../core-as/runtime/sim-transport.ts";
import { rng } from "../../helpers/prng.mjs";
import { sealed } from "../../helpers/seal.ts";
import { synthModel } from "../../helpers/synth-model.mjs";

const test = suite("hostile executables");
const SMALL = 2 ** 20;
const RUNS = 800;

/** Loads and runs a file; true when it gave a result. */
async function survives(file: Uint8Array): Promise<boolean> {
  try {
    const executable = parseExecutable(file);
    buildReport(executable);
    const sizes = executable.partitions.flatMap(({ buffers }) => buffers.map(({ bytes }) => bytes));
    // Memory is given to whoever asks for it; asking is not what is tested here.
    if (sizes.some((bytes) => bytes > SMALL)) return false;
    const session = await createSession(executable, createSimTransport(chipByName("a311d")!));
    if (session.inputs.some(({ bytes }) => bytes > SMALL)) return false;
    await session.run(session.inputs.map(({ bytes }) => new Uint8Array(bytes).fill(7)));
    return true;
  } catch (error) {
    if (!(error instanceof NpuError)) throw error;
    assert.is.not(error.code, "TW_BUG", error.message);
    return false;
  }
}

test("changed words in every section", async () => {
  const { executable } = await compile(synthModel("chain-pool-i12x20x3-o17-k5-i8"));
  const file = serialiseExecutable(executable);
  const view = new DataView(file.buffer);
  const random = rng("exe/hostile/run");
  let survived = 0;
  for (let i = 0; i < RUNS; i++) {
    const entry = HEADER_BYTES + (i % SECTIONS.length) * ENTRY_BYTES;
    const offset = view.getUint32(entry + ENTRY.offset, true);
    const words = view.getUint32(entry + ENTRY.bytes, true) >> 2;
    const at = offset + 4 * Math.floor(random.u() * words);
    const hostile = file.slice();
    const old = view.getUint32(at, true);
    const values = [0, 1, old + 1, old - 1, old ^ (1 << (random.byte() & 31)), random.next()];
    new DataView(hostile.buffer).setUint32(at, values[random.byte() % values.length]! >>> 0, true);
    if (await survives(sealed(hostile))) survived++;
  }
  // Weights, names and scales may be anything.
  assert.ok(survived > RUNS / 20 && survived < RUNS, `${survived} of ${RUNS} ran`);
});

test.run();
