// Every panel of the page by its tab. Those that the first screen does not show are loaded when their tab is first opened.
// SPDX-License-Identifier: MIT
import type { ComponentType } from "preact";
import type { PanelProps } from "../panel-types.ts";

export interface Tab {
  id: string;
  title: string;
}

export interface TabGroup {
  title: string;
  tabs: readonly Tab[];
}

/** Panels that come with the shell (views/). */
const MODEL: readonly Tab[] = [
  { id: "summary", title: "Summary" },
  { id: "graph", title: "Graph" },
  { id: "operators", title: "Operators" },
  { id: "jobs", title: "Jobs" },
  { id: "modes", title: "Side by side" },
];

/** As PANELS of panels/index.ts; named here, so that tabs do not wait for their panels. */
const HARDWARE: readonly Tab[] = [
  { id: "time", title: "Time line" },
  { id: "memory", title: "Memory" },
  { id: "tiles", title: "Tiles" },
  { id: "weights", title: "Weights" },
  { id: "stream", title: "Command stream" },
];

/** As RUN_PANELS of run/index.ts. */
const RUN: readonly Tab[] = [
  { id: "run", title: "Run" },
  { id: "board", title: "Board" },
  { id: "layers", title: "Compare layers" },
  { id: "export", title: "Export" },
];

export const TAB_GROUPS: readonly TabGroup[] = [
  { title: "Model", tabs: MODEL },
  { title: "Hardware", tabs: HARDWARE },
  { title: "Run", tabs: RUN },
].filter(({ tabs }) => tabs.length > 0);

export const TABS: readonly Tab[] = TAB_GROUPS.flatMap(({ tabs }) => tabs);

/** The panel of a tab that the shell does not draw itself. */
export async function loadPanel(id: string): Promise<ComponentType<PanelProps>> {
  const panels = HARDWARE.some((tab) => tab.id === id)
    ? (await import("../panels/index.ts")).PANELS
    : (await import("../run/index.ts")).RUN_PANELS;
  const found = panels.find((panel) => panel.id === id);
  if (found === undefined) throw new Error(`there is no panel ${id}`);
  return found.Panel;
}
