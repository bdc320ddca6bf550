// CPU kernels for whole graphs and partitions.
// SPDX-License-Identifier: MIT
export { CpuProgram } from "./program.ts";
export { runGraph, runOperator } from "./run.ts";
export { canRunOnCpu, CPU_OPERATORS } from "./support.ts";
