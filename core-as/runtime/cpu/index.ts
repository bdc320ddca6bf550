// CPU kernels for whole graphs and partitions.
// SPDX-License-Identifier: MIT
export { CpuProgram, type OperatorObserver, type TensorValues } from "./program.ts";
export { runGraph, runOperator } from "./run.ts";
export { canRunOnCpu, CPU_OPERATORS, type CpuSupport } from "./support.ts";
export { activationRange, quantiseMultiplier, type FixedMultiplier } from "../../ir/fixed-point.ts";
