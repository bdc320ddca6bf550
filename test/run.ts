// Runs uvu suites and prints `N passed, N failed[, N skipped]` as the last line; a throwing hook fails the run.
// Usage: node --import tsx test/run.ts [directory] [file pattern]
// SPDX-License-Identifier: MIT
import { parse } from "uvu/parse";
import { runInWorkers } from "./helpers/file-workers.ts";
import { runFile, type FileResult } from "./helpers/run-file.ts";

/** Tests that only compute: they share the machine's cores. All others (servers, browsers, command lines) have it for themselves. */
const COMPUTING = /[\\/]test[\\/](core|diff|prop)[\\/]/;

const { suites } = await parse(process.argv[2] ?? "test", process.argv[3] ?? "\\.test\\.ts$", {
  ignore: ["helpers"],
});
const names = new Map(suites.map(({ file, name }) => [file, name]));
const total = { passed: 0, failed: 0, skipped: 0 };
const skippedByName: string[] = [];

/** Files that take longer say how long. */
const LONG_MS = 5000;

function add(result: FileResult): void {
  if (result.ms > LONG_MS) console.log(`${(result.ms / 1000).toFixed(0)} s`);
  console.log();
  for (const count of ["passed", "failed", "skipped"] as const) total[count] += result[count];
  skippedByName.push(...result.skippedByName);
}

const files = [...names.keys()];
// The longest are the last by name: they must not be what all wait for.
const computing = files.filter((file) => COMPUTING.test(file)).reverse();
await runInWorkers(computing, (file, result, printed) => {
  process.stdout.write(`${names.get(file)}\n${printed}`);
  add(result);
});
for (const file of files.filter((file) => !computing.includes(file))) {
  console.log(names.get(file));
  add(await runFile(file));
}

for (const line of skippedByName) console.log(`skipped: ${line}`);
total.skipped += skippedByName.length;
if (total.passed + total.failed === 0) console.error("no test ran");
if (total.passed === 0 || total.failed > 0) process.exitCode = 1;
console.log(
  `${total.passed} passed, ${total.failed} failed` +
    (total.skipped > 0 ? `, ${total.skipped} skipped` : ""),
);
