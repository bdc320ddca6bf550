// Disassembly of command streams: captured ones, and words that no driver writes.
// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { disassembleStream, formatDisassembly } from "../../../core-as/inspect/disasm.ts";
import { rng } from "../../helpers/prng.mjs";
import { goldenText } from "../../helpers/golden.ts";

const DIRECTORY = "test/golden/disasm";

const wordsOf = (text: string): number[] =>
  text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => parseInt(word, 16));

for (const name of readdirSync(DIRECTORY))
  test(`golden ${name}`, () => {
    const words = wordsOf(readFileSync(`${DIRECTORY}/${name}/in.txt`, "utf8"));
    const text = formatDisassembly(disassembleStream(words));
    goldenText(`${DIRECTORY}/${name}/expect.txt`, `${text}\n`);
  });

test("every word is in exactly one line, whatever the words are", () => {
  const { u: random } = rng("disasm");
  for (let round = 0; round < 300; round++) {
    const words = Array.from({ length: Math.floor(random() * 12) }, () => {
      const word = Math.floor(random() * 2 ** 32);
      // Half of them are state writes with small counts, so that data words get their turn.
      return random() < 0.5 ? word : ((word & 0x0003ffff) | 0x08000000) >>> 0;
    });
    const lines = disassembleStream(words);
    assert.equal(
      lines.flatMap((line) => line.words),
      words,
    );
    let index = 0;
    for (const line of lines) {
      assert.is(line.index, index);
      index += line.words.length;
    }
  }
});

test("symbols replace addresses", () => {
  const [line] = disassembleStream([0x08010428, 0x00000003], {
    symbols: new Map([[1, "@d4.0"]]),
  });
  assert.is(line!.text, "PS_NN_INST_ADDR (0x010a0) = @d4.0, tag 3");
});

test.run();
