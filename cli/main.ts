// Entry of the command line tool.
// SPDX-License-Identifier: MIT
import { fileError } from "./files.ts";
import { EXIT, reportError, runCli } from "./program.ts";

// A reader that stops early, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  reportError(fileError("cannot write", "-", error), false);
  process.exit(EXIT.failure);
});

process.exitCode = await runCli(process.argv.slice(2));
