// View functions of the panels in this folder.
// SPDX-License-Identifier: MIT
import type { Views } from "../service.ts";
import { memoryData } from "./memory-data.ts";
import { descriptorData, explainData, streamData } from "./stream-data.ts";
import { tilesData } from "./tiles-data.ts";
import { timelineData } from "./timeline-data.ts";
import { bitsData, weightsData } from "./weights-data.ts";

export const VIEWS: Views = {
  timeline: timelineData,
  memory: memoryData,
  tiles: tilesData,
  weights: weightsData,
  bits: bitsData,
  stream: streamData,
  explain: explainData,
  descriptor: descriptorData,
};
