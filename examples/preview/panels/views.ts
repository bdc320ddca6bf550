// View functions of the panels in this folder.
// SPDX-License-Identifier: MIT
import type { Views } from "../service.ts";

export const VIEWS: Views = {};
