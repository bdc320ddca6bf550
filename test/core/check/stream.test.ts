// The pre-submit check and command streams: what passes, and each rule by a stream that breaks it.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { INIT_STREAM } from "../../../core-as/runtime/init-stream.ts";
import {
  A311D_CHIP,
  ADDRESS,
  checkerOf,
  nnSubmit,
  passes,
  refuses,
  simulated,
  tpSubmit,
  withStream,
} from "../../helpers/check-rig.ts";
import { BUILDS } from "../../helpers/cores.ts";
import { FLUSH, nnJobWords, streamOf, tpJobWords } from "../../helpers/sim-rig.ts";

const NN = nnJobWords(ADDRESS.nn);
const TP = tpJobWords(ADDRESS.nn);

/** The words with some replaced. */
function put(words: readonly number[], changes: Readonly<Record<number, number>>): number[] {
  return words.map((word, index) => changes[index] ?? word);
}

/** Streams that are refused: words, code, state, word that is named, text. */
const REFUSED: Record<string, [number[], string, string | undefined, number, RegExp]> = {
  "an empty stream": [[], "LIMIT", undefined, -1, /empty/],
  "an odd number of words": [[0, 0, 0], "LIMIT", undefined, -1, /12 bytes/],
  "more than 128 KiB": [new Array<number>(32770).fill(0), "LIMIT", undefined, -1, /131080 bytes/],
  "a word after a zero word": [[0, 5], "STREAM", undefined, 1, /0x5/],
  "END": [[0x10000000, 0], "STREAM", undefined, 0, /END/],
  "NOP": [[0x18000000, 0], "STREAM", undefined, 0, /NOP/],
  "WAIT": [[0, 0, 0x38000001, 0], "STREAM", undefined, 2, /WAIT/],
  "LINK": [[0x40000002, 0x1000], "STREAM", undefined, 0, /LINK/],
  "STALL": [[0x48000000, 0x701], "STREAM", undefined, 0, /STALL/],
  "CALL": [[0x50000002, 0x1000, 2, 0x2000], "STREAM", undefined, 0, /CALL/],
  "RETURN": [[0x58000000, 0], "STREAM", undefined, 0, /RETURN/],
  "CHIP_SELECT": [[0x6800ffff, 0], "STREAM", undefined, 0, /CHIP_SELECT/],
  "WAIT_FENCE": [[0x78010001, 0x1000], "STREAM", undefined, 0, /WAIT_FENCE/],
  "an unknown opcode": [[0xf8000000, 0], "STREAM", undefined, 0, /unknown/],
  "a fixed-point load": [[0x0c010e13, 2], "STREAM", undefined, 0, /fixed point/],
  "two states at once": [[0x08020e4f, 0, 0, 0], "STREAM", undefined, 0, /2 states/],
  "count 0, which means 1024": [[0x08000e4f, 0], "STREAM", undefined, 0, /1024 states/],
  "an unknown state": [[0x08010001, 0], "STATE", undefined, 0, /0x4 is written/],
  "the SRAM remap": [[0x08010e4e, 0], "STATE", undefined, 0, /0x3938/],
  "a remapped range": [[0x08010e50, 0x1000], "STATE", "GL_OCB_REMAP_END", 1, /0x1000/],
  "another API": [[0x08010e13, 1], "STATE", "GL_API_MODE", 1, /0x1/],
  "fewer cores": [put(NN, { 5: 0x110 }), "STATE", "GL_NN_CONFIG", 5, /0x110/],
  "other caches": [[0x08010e03, 1], "STATE", "GL_FLUSH_CACHE", 1, /0x1/],
  "a TP configuration": [put(TP, { 5: 1 }), "STATE", "GL_TP_CONFIG", 5, /0x1/],
  "an unknown value for padding": [put(TP, { 7: 4 }), "STATE", "UNK_03950", 7, /0x4/],
  "a tag for an NN job": [put(NN, { 7: ADDRESS.nn + 1 }), "STATE", "PS_NN_INST_ADDR", 7, /tag/],
  "a descriptor between 256 bytes": [put(NN, { 7: ADDRESS.nn + 0x40 }), "STATE", "PS_NN_INST_ADDR", 7, /0x40/],
  "a tag without successor": [[...put(TP, { 9: ADDRESS.nn + 1 }), ...FLUSH], "STATE", "UNK_010A4", 11, /tag 1/],
  "waiting for a tag": [[...put(NN, { 9: 1 }), ...FLUSH], "STATE", "UNK_010A4", 9, /0x1/],
  "a job inside a job": [[...NN.slice(0, 8), ...NN], "STREAM", "PS_NN_INST_ADDR", 15, /before it was ended/],
  "a TP descriptor inside an NN job": [[...NN.slice(0, 8), ...TP], "STREAM", undefined, 17, /ended/],
  "an end without a job": [[0x08010429, 0], "STREAM", "UNK_010A4", 1, /none was started/],
  "no end of a job": [[...NN.slice(0, 8), ...FLUSH], "STREAM", undefined, 10, /ended/],
  "no flush": [NN, "STREAM", undefined, 10, /GL_FLUSH_CACHE/],
  "a flush before the end of the job only": [[...FLUSH, ...NN], "STREAM", undefined, 12, /FLUSH/],
  "remap start not set": [NN.slice(2), "STREAM", "GL_OCB_REMAP_START", 5, /GL_OCB_REMAP_START/],
  "remap end not set": [put(NN, { 2: 0, 3: 0 }), "STREAM", "GL_OCB_REMAP_END", 7, /REMAP_END/],
  "NN configuration not set": [put(NN, { 4: 0, 5: 0 }), "STREAM", "GL_NN_CONFIG", 7, /NN_CONFIG/],
  "TP configuration not set": [put(TP, { 4: 0, 5: 0 }), "STREAM", "GL_TP_CONFIG", 9, /TP_CONFIG/],
  "padding state not set": [put(TP, { 6: 0, 7: 0 }), "STREAM", "UNK_03950", 9, /UNK_03950/],
}; // prettier-ignore

for (const build of BUILDS) {
  const checker = await checkerOf(build);

  test(`${build}: streams of NPU submits pass`, async () => {
    passes(checker, { chip: A311D_CHIP, stream: Uint32Array.from(INIT_STREAM), buffers: [] });
    assert.is(checker.jobCount, 0);
    for (const submit of [nnSubmit(), tpSubmit()]) {
      passes(checker, submit);
      assert.is(checker.jobCount, 1);
      assert.is(await simulated(submit), "ok");
    }
  });

  test(`${build}: descriptors of one TP job, as many as the chip has cores`, () => {
    const at = ADDRESS.nn;
    const job = (...addresses: number[]): number[] => [...streamOf(tpJobWords(...addresses))];
    passes(checker, withStream(tpSubmit(), job(at + 1, at + 1, at + 1, at)));
    const five = withStream(tpSubmit(), job(at + 1, at + 1, at + 1, at + 1, at));
    refuses(checker, five, "LIMIT", undefined, /TP cores, 4/);
    refuses(checker, withStream(tpSubmit(), job(at + 1, at + 1)), "STATE", "UNK_010A4");
    passes(checker, withStream(tpSubmit(), job(at, at)));
  });

  test(`${build}: what is not a stream of an NPU submit is refused with the word`, () => {
    for (const [name, [words, code, field, word, text]] of Object.entries(REFUSED)) {
      const isTp = words.includes(0x0801042e) && !words.includes(0x08010428);
      const submit = isTp ? tpSubmit() : nnSubmit();
      const refusal = refuses(checker, withStream(submit, words), code, field, text);
      assert.is(refusal.where.wordIndex ?? -1, word, `${name}: ${refusal.message}`);
    }
  });

  test(`${build}: the parallel debug mode passes only where it is permitted`, async () => {
    const parallel = await checkerOf(build, { parallel: true });
    const words = [...put(NN, { 5: 0, 7: ADDRESS.nn + 3, 9: 3 }), 0x08010e03, 0x403];
    const submit = withStream(nnSubmit(), words);
    refuses(checker, submit, "STATE", "GL_NN_CONFIG");
    passes(parallel, submit);
    passes(parallel, nnSubmit());
    const others = [...put(TP, { 9: ADDRESS.nn + 0x1f }).slice(0, 10), ...TP];
    passes(parallel, withStream(tpSubmit(), [...others, ...FLUSH]));
    const far = put(words, { 7: ADDRESS.nn + 0x20 });
    refuses(parallel, withStream(nnSubmit(), far), "STATE", "PS_NN_INST_ADDR");
    refuses(parallel, withStream(nnSubmit(), put(words, { 9: 0x20 })), "STATE", "UNK_010A4");
  });
}

test("unknown chips are not checked", async () => {
  for (const change of [{ nnCoreVersion: 6 }, { nnCores: 0 }, { nnCores: 17 }, { tpCores: 0 }, { vipSramBytes: -1 }]) {
    const chip = { ...A311D_CHIP, ...change } as typeof A311D_CHIP;
    await checkerOf("release", { chip }).then(
      () => assert.unreachable(),
      (error: unknown) => assert.instance(error, RangeError),
    );
  }
}); // prettier-ignore

test.run();
