// The page: header, progress, tabs with their panel, details, and what stands there before a file was opened.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Details } from "../views/details.tsx";
import type { Controller, State } from "./controller.ts";
import { Empty } from "./empty.tsx";
import { percentText, msText } from "./format.ts";
import { FileButton, Header } from "./header.tsx";
import { useController, useDocumentEvent, useMedia } from "./hooks.ts";
import { Panel } from "./panel.tsx";
import { TABS } from "./panels.ts";
import { readHash } from "./settings.ts";
import { Cancelled, FailureBox, Progress } from "./status.tsx";
import { Tabs } from "./tabs.tsx";

export function AppView({ controller }: { controller: Controller }): JSX.Element {
  const state = useController(controller);
  useTheme(state.settings.theme);
  usePaste(controller);
  useEffect(() => {
    const restore = (): void => controller.change(readHash(location.hash));
    addEventListener("hashchange", restore);
    return () => removeEventListener("hashchange", restore);
  }, [controller]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), focusMain())}>
        Skip to the content
      </a>
      <Header controller={controller} state={state} />
      <Progress work={state.work} cancel={() => controller.cancel()} />
      <main id="main" tabIndex={-1}>
        <Body controller={controller} state={state} />
      </main>
      <DropTarget controller={controller} />
      <p class="hidden" role="status" aria-live="polite">
        {state.announcement}
      </p>
    </>
  );
}

const focusMain = (): void => document.getElementById("main")?.focus();

function Body({ controller, state }: { controller: Controller; state: State }): JSX.Element {
  const { source, shown, failure, cancelled } = state;
  if (failure) return <Failed controller={controller} state={state} />;
  if (cancelled)
    return (
      <div class="page-message">
        <Cancelled controller={controller} state={state} />
      </div>
    );
  if (source === null) return <Empty controller={controller} />;
  if (shown === null) return <div class="page-message waiting" aria-busy="true" />;
  return <Results controller={controller} state={state} />;
}

/** Why nothing is shown, and what to do now. */
function Failed({ controller, state }: { controller: Controller; state: State }): JSX.Element {
  const { source } = state;
  const failure = state.failure!;
  const verb = source?.kind === "model" ? "compiled" : "opened";
  const isFile = /^TW_(MODEL|EXE)_/.test(failure.code);
  return (
    <div class="page-message">
      <FailureBox failure={failure} title={`${source?.name ?? "The file"} cannot be ${verb}`} />
      {!isFile && source !== null && (
        <p class="muted">Other settings may help; they are above and take effect at once.</p>
      )}
      <p>
        <FileButton controller={controller} />
      </p>
    </div>
  );
}

function Results({ controller, state }: { controller: Controller; state: State }): JSX.Element {
  const { settings, selection, shown } = state;
  const vertical = useMedia("(min-width: 1024px)");
  const tab = TABS.some(({ id }) => id === settings.tab) ? settings.tab : "summary";
  const hasDetails = selection.op !== undefined || selection.job !== undefined;
  return (
    <div class={hasDetails ? "results with-details" : "results"}>
      <Headline key={shown!.key} state={state} />
      <Tabs current={tab} vertical={vertical} choose={(id) => controller.change({ tab: id })} />
      <section
        class="panel"
        role="tabpanel"
        id="panel"
        aria-labelledby={`tab-${tab}`}
        tabIndex={0}
        aria-busy={state.work !== null}
      >
        <Panel key={tab} tab={tab} controller={controller} state={state} />
      </section>
      {hasDetails && <Details state={state} select={controller.select} />}
    </div>
  );
}

/** What is shown, in one line that stays above all panels. */
function Headline({ state }: { state: State }): JSX.Element {
  const { name, chip, mode, report } = state.shown!;
  const { totals } = report;
  return (
    <div class="headline">
      <h1 title={name}>{name}</h1>
      <p>
        <span>
          {chip}, {mode}
        </span>
        <span>
          <b class="number">
            {totals.predictedMs === null || totals.jobs === 0
              ? "no time"
              : msText(totals.predictedMs)}
          </b>{" "}
          predicted
        </span>
        <span>
          <b class="number">{totals.macs === 0 ? "no MACs" : percentText(totals.npuMacShare)}</b>
          {totals.macs > 0 && " of MACs on the NPU"}
        </span>
      </p>
    </div>
  );
}

/** The style sheet knows two themes; "auto" is the one that the system asks for. */
function useTheme(theme: State["settings"]["theme"]): void {
  const dark = useMedia("(prefers-color-scheme: dark)");
  const shown = theme === "auto" ? (dark ? "dark" : "light") : theme;
  useEffect(() => {
    document.documentElement.dataset["theme"] = shown;
  }, [shown]);
}

/** Files on the clipboard; pictures are left to the panels that take them. */
function usePaste(controller: Controller): void {
  useDocumentEvent("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file || file.type.startsWith("image/") || event.defaultPrevented) return;
    event.preventDefault();
    void controller.openFile(file);
  });
}

/** The whole page takes files; a panel that takes pictures keeps those for itself. */
function DropTarget({ controller }: { controller: Controller }): JSX.Element | null {
  const [over, setOver] = useState(false);
  const hasFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes("Files") === true && !event.defaultPrevented;
  useDocumentEvent("dragover", (event) => {
    if (!hasFiles(event)) return setOver(false);
    event.preventDefault();
    setOver(true);
  });
  useDocumentEvent("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) setOver(false);
  });
  useDocumentEvent("drop", (event) => {
    setOver(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) void controller.openFile(file);
  });
  return over ? (
    <div class="drop-over" aria-hidden="true">
      <p>Drop to open</p>
    </div>
  ) : null;
}
