// Panels of this folder, in the order of their tabs.
// SPDX-License-Identifier: MIT
import type { ComponentType } from "preact";
import type { PanelProps } from "../panel-types.ts";
import { BoardPanel } from "./board.tsx";
import { ExportPanel } from "./export.tsx";
import { LayersPanel } from "./layers.tsx";
import { RunPanel } from "./run-panel.tsx";

export const RUN_PANELS: { id: string; title: string; Panel: ComponentType<PanelProps> }[] = [
  { id: "run", title: "Run", Panel: RunPanel },
  { id: "board", title: "Board", Panel: BoardPanel },
  { id: "layers", title: "Compare layers", Panel: LayersPanel },
  { id: "export", title: "Export", Panel: ExportPanel },
];
