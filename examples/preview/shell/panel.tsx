// The panel of the tab that is chosen.
// SPDX-License-Identifier: MIT
import type { ComponentType, JSX } from "preact";
import { useEffect, useErrorBoundary, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { GraphPanel } from "../views/graph.tsx";
import { JobsPanel } from "../views/jobs.tsx";
import { OperatorsPanel } from "../views/operators.tsx";
import { SideBySide } from "../views/side-by-side.tsx";
import { SummaryPanel } from "../views/summary.tsx";
import type { Controller, State } from "./controller.ts";
import { failureOf } from "./failure.ts";
import { loadPanel } from "./panels.ts";
import { FailureBox } from "./status.tsx";

interface Props {
  tab: string;
  controller: Controller;
  state: State;
}

export function Panel(props: Props): JSX.Element {
  // A panel that fails takes nothing else with it.
  const [error] = useErrorBoundary();
  if (error !== undefined)
    return <FailureBox failure={failureOf(error)} title="This view cannot be shown" />;
  const { tab, controller, state } = props;
  const { settings, graph, graphFailure, selection } = state;
  const compiled = state.shown!;
  const { select } = controller;
  switch (tab) {
    case "summary":
      return <SummaryPanel key={compiled.key} compiled={compiled} select={select} />;
    case "graph":
      if (graphFailure)
        return <FailureBox failure={graphFailure} title="The graph cannot be drawn" />;
      return <GraphPanel graph={graph} selection={selection} select={select} />;
    case "operators":
      return (
        <OperatorsPanel
          report={compiled.report}
          sort={settings.opsBy}
          setSort={(opsBy) => controller.change({ opsBy })}
          selection={selection}
          select={select}
        />
      );
    case "jobs":
      return (
        <JobsPanel
          report={compiled.report}
          sort={settings.jobsBy}
          setSort={(jobsBy) => controller.change({ jobsBy })}
          selection={selection}
          select={select}
        />
      );
    case "modes":
      return <SideBySide controller={controller} state={state} />;
    default:
      return <Loaded {...props} />;
  }
}

/** A panel whose code is loaded when it is first shown. */
function Loaded({ tab, controller, state }: Props): JSX.Element {
  const [panel, setPanel] = useState<{ Panel: ComponentType<PanelProps> }>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    loadPanel(tab).then((loaded) => setPanel({ Panel: loaded }), setError);
  }, [tab]);
  if (error !== undefined)
    return <FailureBox failure={failureOf(error)} title="This view cannot be loaded" />;
  if (panel === undefined) return <div class="waiting" aria-busy="true" />;
  const { service, select } = controller;
  return (
    <panel.Panel
      compiled={state.shown!}
      service={service}
      selection={state.selection}
      select={select}
    />
  );
}
