// Entry of the preview's worker.
// SPDX-License-Identifier: MIT
import { exposeCompiler } from "../../core-as/worker/index.ts";
import { PreviewService } from "./service.ts";

exposeCompiler(undefined, new PreviewService());
