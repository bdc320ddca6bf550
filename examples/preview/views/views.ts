// View functions of the shell's own panels.
// SPDX-License-Identifier: MIT
import type { Views } from "../service.ts";

export const VIEWS: Views = {};
