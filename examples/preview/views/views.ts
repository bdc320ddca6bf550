// View functions of the panels in this folder.
// SPDX-License-Identifier: MIT
import type { Views } from "../service.ts";
import { graphView } from "./graph-data.ts";

export const VIEWS: Views = { graph: graphView };
