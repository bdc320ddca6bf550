// View functions of the panels in this folder.
// SPDX-License-Identifier: MIT
import type { Views } from "../service.ts";
import { viewExport } from "./export-data.ts";
import { viewLayers } from "./layers-data.ts";
import { viewPicture } from "./picture-data.ts";
import { viewAnswer, viewProfile, viewRunInfo } from "./run-data.ts";

export const VIEWS: Views = {
  "run-info": viewRunInfo,
  "run-picture": viewPicture,
  "run-answer": viewAnswer,
  "run-profile": viewProfile,
  layers: viewLayers,
  export: viewExport,
};
