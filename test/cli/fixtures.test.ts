// Command lines as text: every <name>.txt here is a script whose output must equal <name>.out.
//
// Lines of a script, run in order in a folder of their own ("%" in a command line stands for model.tflite):
//   # RUN: <arguments of tilewright> [< <file for standard input>]
//   # MODEL: <case of synth-model.mjs or model of cli-models.ts>     writes model.tflite
//   # SAME: <file> <file>                            fails when two files differ
//   # CUT: <file> <bytes> from <file>                writes the first bytes of a file
//   # FLIP: <file> <offset>                          inverts a byte
//   # ZEROS: <file> <bytes>                          writes zeros
//   # TEXT: <file> <one line>                        writes a text
//   # DIR: <name>                                  makes a folder
//   # HEX: <file> <hexadecimal bytes>                writes bytes
// Other lines are remarks. Output holds stdout, stderr and exit code of each RUN; times are replaced by "N ms", digests by "SHA".
// SPDX-License-Identifier: MIT
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import { goldenText } from "../helpers/golden.ts";
import { cliModel } from "../helpers/cli-models.ts";
import { tilewright } from "../helpers/cli-process.ts";

const DIRECTORY = "test/cli";
const steady = (text: string): string =>
  text.replace(/\b[\d.]+ ms\b/g, "N ms").replace(/\b[\da-f]{12}\b/g, "SHA");

async function perform(verb: string, rest: string, folder: string): Promise<string> {
  const [name = "", ...words] = rest.split(" ");
  const path = join(folder, name);
  switch (verb) {
    case "RUN": {
      const [command = "", input] = rest.split(" < ");
      const args = command.split(/\s+/).map((word) => (word === "%" ? "model.tflite" : word));
      const { code, stdout, stderr } = await tilewright(args, {
        cwd: folder,
        ...(input === undefined ? {} : { input: readFileSync(join(folder, input)) }),
      });
      return steady(
        `$ tilewright ${rest}\n${stdout}${stderr === "" ? "" : `--- stderr\n${stderr}`}--- exit ${code}\n`,
      );
    }
    case "MODEL":
      writeFileSync(join(folder, "model.tflite"), cliModel(rest));
      return "";
    case "SAME":
      if (!readFileSync(path).equals(readFileSync(join(folder, words[0]!))))
        throw new Error(`${name} and ${words[0]} differ`);
      return `${name} equals ${words[0]}\n`;
    case "CUT":
      writeFileSync(path, readFileSync(join(folder, words[2]!)).subarray(0, Number(words[0])));
      return "";
    case "FLIP": {
      const bytes = readFileSync(path);
      bytes[Number(words[0])]! ^= 0xff;
      writeFileSync(path, bytes);
      return "";
    }
    case "ZEROS":
      writeFileSync(path, new Uint8Array(Number(words[0])));
      return "";
    case "TEXT":
      writeFileSync(path, `${words.join(" ")}\n`);
      return "";
    case "DIR":
      mkdirSync(path);
      return "";
    case "HEX":
      writeFileSync(path, Buffer.from(words.join(""), "hex"));
      return "";
    default:
      throw new Error(`unknown line "# ${verb}: ${rest}"`);
  }
}

async function runScript(name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tilewright-"));
  try {
    let output = "";
    for (const line of readFileSync(join(DIRECTORY, name), "utf8").split("\n")) {
      const match = /^# ([A-Z]+): (.*)$/.exec(line);
      if (match) output += await perform(match[1]!, match[2]!, folder);
    }
    return output;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// Two at a time: most of a script's time goes into starting processes.
const names = readdirSync(DIRECTORY).filter((file) => file.endsWith(".txt"));
const results: Promise<string>[] = [];
for (const [i, name] of names.entries())
  results.push(
    i < 2 ? runScript(name) : results[i - 2]!.catch(() => {}).then(() => runScript(name)),
  );

const test = suite("cli");
for (const [i, name] of names.entries())
  test(name, async () => {
    goldenText(join(DIRECTORY, name.replace(/txt$/, "out")), await results[i]!);
  });
test.run();
