// A worker of Node that answers as the compiler. Threads do not inherit the loader of TypeScript, so it registers its own.
// SPDX-License-Identifier: MIT
import { parentPort } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
const { exposeCompiler } = await import("../../core-as/worker/index.ts");
exposeCompiler(parentPort);
