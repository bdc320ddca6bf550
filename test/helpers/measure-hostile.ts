// Child process of model/hostile.test.ts: reads each hostile model and prints what came of it and how memory grew, so
// that the measurement does not depend on what else the test process has allocated.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { NpuError } from "../../core-as/errors.ts";
import { verifyGraph } from "../../core-as/ir/verify.ts";
import { readModel } from "../../core-as/model/read.ts";
import { HOSTILE_MODELS } from "./hostile-models.ts";

const collect = (globalThis as { gc?: () => void }).gc!;

/** One line of the result. */
export interface HostileResult {
  name: string;
  fileBytes: number;
  outcome: string;
  /** Highest resident memory since the start of the process, above what was resident before the call. */
  growthBytes: number;
  milliseconds: number;
}

function outcomeOf(bytes: Uint8Array): string {
  try {
    verifyGraph(readModel(bytes).graph, "model");
    return "accepted";
  } catch (error) {
    return error instanceof NpuError ? error.code : `raw ${String(error)}`;
  }
}

/**
 * Highest resident memory of this process. Linux hands the parent's peak on in resourceUsage, so its own count comes
 * first; elsewhere maxRSS has to do.
 */
function peakBytes(): number {
  try {
    const kibi = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kibi !== undefined) return Number(kibi) * 1024;
  } catch {
    // no /proc here
  }
  // maxRSS counts in KiB.
  return process.resourceUsage().maxRSS * 1024;
}

// Files are made by another process, because making them takes more memory than reading them should.
const directory = process.argv[2]!;
for (const [i, name] of Object.keys(HOSTILE_MODELS).entries()) {
  const bytes = new Uint8Array(readFileSync(`${directory}/${i}.tflite`));
  collect();
  const before = process.memoryUsage.rss();
  const start = performance.now();
  const outcome = outcomeOf(bytes);
  const milliseconds = performance.now() - start;
  const growthBytes = peakBytes() - before;
  const result: HostileResult = {
    name,
    fileBytes: bytes.length,
    outcome,
    growthBytes,
    milliseconds,
  };
  console.log(JSON.stringify(result));
}
