// The thread that compiles: passes take seconds, in which the service still answers.
// SPDX-License-Identifier: MIT
import { parentPort } from "node:worker_threads";
import { exposeCompiler } from "tilewright/worker";

exposeCompiler(parentPort);
