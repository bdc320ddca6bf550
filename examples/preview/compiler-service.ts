// The compiler as a worker offers it to its page.
// SPDX-License-Identifier: MIT
export {
  CompilerService,
  type WorkerCompileOptions,
  type WorkerCompileResult,
} from "../../core-as/worker/index.ts";
