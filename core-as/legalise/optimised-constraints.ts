// What optimised mode demands beyond the common constraints: only what would make the result wrong or not fit.
// SPDX-License-Identifier: MIT
import type { Constraint } from "./constraint.ts";

export const OPTIMISED_CONSTRAINTS: readonly Constraint[] = [];
