// Texts that tests compare with: a missing one fails, BLESS=1 writes it (read it before you commit it).
// SPDX-License-Identifier: MIT
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as assert from "uvu/assert";

const bless = process.env["BLESS"] === "1";

/** Asserts that a file holds exactly this text. */
export function goldenText(path: string, actual: string): void {
  if (bless) {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path) || readFileSync(path, "utf8") !== actual) writeFileSync(path, actual);
    return;
  }
  if (!existsSync(path)) throw new Error(`${path} is missing; BLESS=1 writes it`);
  assert.fixture(actual, readFileSync(path, "utf8"), path);
}
