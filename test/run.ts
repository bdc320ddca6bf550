// Runs uvu suites and prints `N passed, N failed[, N skipped]` as the last line; a throwing hook fails the run.
// Usage: node --import tsx test/run.ts [directory] [file pattern]
// SPDX-License-Identifier: MIT
import { pathToFileURL } from "node:url";
import { parse } from "uvu/parse";
import { skippedByName } from "./helpers/skip.ts";

type Suite = [string, ...Array<() => Promise<[string, number, number, number]>>];
const globals = globalThis as unknown as {
  UVU_DEFER: number;
  UVU_INDEX: number;
  UVU_QUEUE: Suite[];
};

// uvu reads this when it is first loaded: suites queue up instead of starting at once.
globals.UVU_DEFER = 1;
const { exec } = await import("uvu");
globals.UVU_QUEUE.length = 0;

const { suites } = await parse(process.argv[2] ?? "test", process.argv[3] ?? "\\.test\\.ts$", {
  ignore: ["helpers"],
});
const total = { passed: 0, failed: 0, skipped: 0 };

for (const [index, suite] of suites.entries()) {
  globals.UVU_INDEX = index;
  const group: Suite = [suite.name];
  globals.UVU_QUEUE.push(group);
  await import(pathToFileURL(suite.file).href);
  for (let i = 1; i < group.length; i++) {
    const run = group[i] as () => Promise<[string, number, number, number]>;
    group[i] = async () => {
      const result = await run();
      const [errors, ran, skipped, max] = result;
      total.passed += ran;
      total.skipped += skipped;
      total.failed += max - ran;
      // uvu loses an error that a before or after hook throws; the count still tells.
      if (max !== ran && errors.length === 0) result[0] = "a before or after hook failed\n";
      return result;
    };
  }
}

await exec(false);
for (const line of skippedByName()) console.log(`skipped: ${line}`);
total.skipped += skippedByName().length;
if (total.passed + total.failed === 0) {
  console.error("no test ran");
  process.exitCode = 1;
}
if (total.failed > 0) process.exitCode = 1;
console.log(
  `${total.passed} passed, ${total.failed} failed` +
    (total.skipped > 0 ? `, ${total.skipped} skipped` : ""),
);
