// Suites that need something this machine lacks say so by name, instead of vanishing.
// SPDX-License-Identifier: MIT
const skipped: string[] = [];

/** Records a suite that cannot run here; the runner prints and counts it. */
export function skipSuite(name: string, reason: string): void {
  skipped.push(`${name} (${reason})`);
}

export function skippedByName(): readonly string[] {
  return skipped;
}
