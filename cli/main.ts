// Entry of the command line tool.
// SPDX-License-Identifier: MIT
import { runCli } from "./program.ts";

// A reader that stops early, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2));
