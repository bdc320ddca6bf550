// What test/unit/api-docs.test.ts has to find: exports without a docstring beside some with one.
// SPDX-License-Identifier: MIT

export interface Undocumented {
  member: number;
  /** Documented. */
  documented: { literal: number };
}

/** Documented. */
export function documented(): void {}

export function undocumented(): void {}
