// Entry of the preview's worker.
// SPDX-License-Identifier: MIT
import { expose } from "comlink";
import { PreviewService } from "./service.ts";

expose(new PreviewService());
