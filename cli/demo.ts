// tilewright demo: the sample model from file to answer, without hardware. This is what "npm start" runs.
// SPDX-License-Identifier: MIT
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { describeOutputs, inputInfos } from "../core-as/index.ts";
import { readLabels } from "./answers.ts";
import { compileModel, readBytes } from "./files.ts";
import { addCompileFlags, compileFlags, type CompileFlags } from "./flags.ts";
import { reportText } from "./report.ts";
import { timingText } from "./evidence.ts";
import { simulate } from "./run.ts";
import { readInputs } from "./tensors.ts";
import { out, print } from "./terminal.ts";

/** The folder lies beside both cli/ and dist/. */
const sample = (file: string): string =>
  fileURLToPath(new URL(`../examples/sample/${file}`, import.meta.url));

const PICTURES = ["three.png", "seven.png", "eight.png"];

export function addDemo(program: Command): void {
  addCompileFlags(
    program
      .command("demo")
      .description("compile the sample model, report, and read a handwritten digit")
      .argument("[pictures...]", "28 x 28 digits, white on black; default: those of the sample"),
  ).action(runDemo);
}

async function runDemo(pictures: string[], flags: CompileFlags): Promise<void> {
  const { executable, report } = await compileModel(
    readBytes(sample("digits.tflite")),
    compileFlags(flags),
  );
  const paths = pictures.length > 0 ? pictures : PICTURES.map(sample);
  // A wrong picture is refused before anything is printed.
  for (const path of paths) await readInputs([path], inputInfos(executable.graph));
  print(out.bold("examples/sample/digits.tflite: a classifier of handwritten digits"));
  print(reportText(report));

  const labels = readLabels(sample("labels.txt"));
  for (const path of paths) {
    const { result, outputs, inputs } = await simulate(executable, [path]);
    const [, height = 0, width = 0] = inputInfos(executable.graph)[0]!.shape;
    print();
    print(drawPicture(inputs[0]!, width, height));
    const options = { top: 1, labels };
    const answer = describeOutputs(executable.graph, outputs, result.outputs, options);
    const best = answer.outputs[0]!.top![0]!;
    print(
      `${basename(path)}: ${out.bold(`the digit is ${best.label ?? best.index}`)}, ` +
        `probability ${(best.value * 100).toFixed(1)} %`,
    );
    print(out.dim(timingText({ place: { kind: "sim" } }, result, 0)));
  }
}

const SHADES = " .:-=+*#%@";

/** A grey picture in characters; two rows make one line, because characters are twice as high as wide. */
function drawPicture(pixels: Uint8Array, width: number, height: number): string {
  const lines: string[] = [];
  for (let row = 0; row + 1 < height; row += 2) {
    let line = "";
    for (let column = 0; column < width; column++) {
      const upper = pixels[row * width + column]!;
      const lower = pixels[(row + 1) * width + column]!;
      line += SHADES[Math.floor(((upper + lower) / 2 / 256) * SHADES.length)];
    }
    lines.push(line.trimEnd());
  }
  const isBlank = (line: string | undefined): boolean => line === "";
  while (isBlank(lines[0])) lines.shift();
  while (isBlank(lines.at(-1))) lines.pop();
  return lines.join("\n");
}
