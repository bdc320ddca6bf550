// What comes from the network is proved before any transport sees it.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { SubmitCheckError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { openLoopback } from "../helpers/loopback.ts";
import { synthModel } from "../helpers/synth-model.mjs";

const test = suite("uploads are proved");

/** A transport that takes everything, and counts. */
function counting(): { transport: Transport; loads: () => number } {
  const inner = createNullTransport(chipByName("a311d")!);
  let loads = 0;
  const transport: Transport = {
    name: inner.name,
    chip: inner.chip,
    disconnected: inner.disconnected,
    load: (executable, options) => {
      loads++;
      return inner.load(executable, options);
    },
    close: () => inner.close(),
  };
  return { transport, loads: () => loads };
}

async function refusalOf(board: Transport, executable: Executable): Promise<SubmitCheckError> {
  const error = await board.load(executable).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.instance(error, SubmitCheckError, String(error));
  return error as SubmitCheckError;
}

test("an output behind its buffer never reaches the transport", async () => {
  const { transport, loads } = counting();
  const board = await openLoopback(transport);
  const { executable } = await compile(synthModel("conv-i8x8x16-k3-o17-s2-same-u8-sparse20"));

  const stray = structuredClone(executable);
  const [partition] = stray.partitions;
  const job = partition!.jobs.findIndex(({ kind }) => kind === "NN");
  const { descriptors, output } = partition!.jobs[job]!;
  const place = partition!.relocations.findLast(
    ({ buffer, target }) => buffer === descriptors[0] && target === output,
  )!;
  place.addend += partition!.buffers[output]!.bytes - 64;
  const error = await refusalOf(board, stray);
  assert.is(error.code, "TW_CHECK_ADDRESS");
  assert.match(error.message, /^partition 0: job \d+ \(NN conv\)/);
  assert.is(error.where.job, job);

  const command = structuredClone(executable);
  const words = command.partitions[0]!;
  // END, where eight zero words begin a stream.
  words.buffers[words.stream]!.contents![3] = 0x10;
  assert.is((await refusalOf(board, command)).code, "TW_CHECK_STREAM");
  assert.is(loads(), 0);

  await (await board.load(executable)).release();
  assert.is(loads(), 1);
  await board.close();
});

test.run();
