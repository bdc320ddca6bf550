// Panels of this folder, in the order of their tabs.
// SPDX-License-Identifier: MIT
import type { ComponentType } from "preact";
import type { PanelProps } from "../panel-types.ts";
import { RunPanel } from "./run-panel.tsx";

export const RUN_PANELS: { id: string; title: string; Panel: ComponentType<PanelProps> }[] = [
  { id: "run", title: "Run", Panel: RunPanel },
];
