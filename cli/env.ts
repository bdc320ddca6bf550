// Every environment variable that Tilewright reads; help text, docs/environment.md and a test follow from this list.
// SPDX-License-Identifier: MIT

export interface EnvironmentVariable {
  name: string;
  meaning: string;
  /** Who reads it: the command line, or tests and checks only. */
  reader: "command line" | "tests";
}

const variable = (
  name: string,
  meaning: string,
  reader: EnvironmentVariable["reader"] = "command line",
): EnvironmentVariable => ({ name, meaning, reader });

export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  variable("TW_TRANSPORT", "default of --on, e.g. ws://board:9370 or drm"),
  variable("TW_CHIP", "default of --target; a board's own chip goes before it"),
  variable("TW_THREADS", "default of --threads"),
  variable("TW_TOKEN_FILE", "default of --token-file"),
  variable("TW_RECORD", "default of run --record"),
  variable(
    "TW_CACHE",
    "default of --cache; off: no cache, also for run and bench, which have one in the user's directory for caches",
  ),
  variable("XDG_CACHE_HOME", "the user's directory for caches; default ~/.cache"),
  variable("LOCALAPPDATA", "on Windows: where the user's directory for caches is"),
  variable("NO_COLOR", "not empty: no colours"),
  variable(
    "FORCE_COLOR",
    "not empty: colours even where output is no terminal; NO_COLOR goes before it",
  ),
  variable("TILEWRIGHT_CORPUS", "folder with models and goldens; default ../shared", "tests"),
  variable("TILEWRIGHT_REQUIRE_CORPUS", "1: a test without that folder fails", "tests"),
  variable("TILEWRIGHT_REQUIRE_TOOLS", "1: a test whose tool is missing fails", "tests"),
  variable("CHROMIUM", "browser of the tests; default /usr/bin/chromium", "tests"),
  variable("FC_SEED", "seed of the property tests", "tests"),
  variable("FC_RUNS", "runs of each property test", "tests"),
  variable("GRID_CASES", "number of cases of the random grids", "tests"),
  variable("TW_DEBUG", "the fuzz test of models prints what it found", "tests"),
  variable("BLESS", "1: writes the golden texts of our own output anew", "tests"),
];

/** Lines for the end of --help. */
export function environmentHelp(): string {
  const shown = ENVIRONMENT.filter(({ reader }) => reader === "command line");
  const width = Math.max(...shown.map(({ name }) => name.length));
  const lines = shown.map(({ name, meaning }) => `  ${name.padEnd(width)}  ${meaning}`);
  return ["", "Environment:", ...lines].join("\n");
}

/** Rows of docs/environment.md. */
export function environmentTable(reader: EnvironmentVariable["reader"]): string {
  const rows = ENVIRONMENT.filter((entry) => entry.reader === reader);
  return [
    "| variable | meaning |",
    "|---|---|",
    ...rows.map(({ name, meaning }) => `| \`${name}\` | ${meaning} |`),
  ].join("\n");
}
