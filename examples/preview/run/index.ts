// Panels of this folder, in the order of their tabs.
// SPDX-License-Identifier: MIT
import type { ComponentType } from "preact";
import type { PanelProps } from "../panel-types.ts";

export const RUN_PANELS: { id: string; title: string; Panel: ComponentType<PanelProps> }[] = [];
