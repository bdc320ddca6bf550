// A process that runs the test files it is told to, one after the other; what they print is part of the answer.
// SPDX-License-Identifier: MIT
import { writeSync } from "node:fs";
import { FAILED, runFile } from "./run-file.ts";

const printed: string[] = [];
process.stdout.write = (chunk: string | Uint8Array) => printed.push(String(chunk)) > 0;
// A file that ends the process is a failure, whose cause is what it printed.
process.on("exit", () => writeSync(process.stderr.fd, printed.join("")));

process.on("message", async (file: string) => {
  // A test that waits for nothing ends the process, instead of all others' waiting for it.
  process.channel!.unref();
  let answer;
  try {
    answer = await runFile(file);
  } catch (error) {
    printed.push(`\n${(error as Error).stack}\n`);
    answer = FAILED;
  }
  process.channel!.ref();
  process.send!({ ...answer, printed: printed.splice(0).join("") });
});
