// Panels of this folder, in the order of their tabs.
// SPDX-License-Identifier: MIT
import type { ComponentType } from "preact";
import type { PanelProps } from "../panel-types.ts";
import { MemoryPanel } from "./memory.tsx";
import { StreamPanel } from "./stream.tsx";
import { TilesPanel } from "./tiles.tsx";
import { TimePanel } from "./timeline.tsx";
import { WeightsPanel } from "./weights.tsx";

/** Ids and titles stand in shell/panels.ts, too: tabs do not wait for their panels. */
export const PANELS: { id: string; title: string; Panel: ComponentType<PanelProps> }[] = [
  { id: "time", title: "Time line", Panel: TimePanel },
  { id: "memory", title: "Memory", Panel: MemoryPanel },
  { id: "tiles", title: "Tiles", Panel: TilesPanel },
  { id: "weights", title: "Weights", Panel: WeightsPanel },
  { id: "stream", title: "Command stream", Panel: StreamPanel },
];
