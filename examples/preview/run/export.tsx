// What can be taken along: the executable, the report in four forms, and a link to the view's settings.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { JobProfile } from "../../../core-as/index.ts";
import type { PanelProps } from "../panel-types.ts";
import { Check } from "../shell/controls.tsx";
import { failureOf, type Failure } from "../shell/failure.ts";
import { bytesText } from "../shell/format.ts";
import { FailureBox } from "../shell/status.tsx";
import { boardStore } from "./board-state.ts";
import type { ExportForm } from "./export-data.ts";
import { runStore } from "./run-state.ts";
import { saveFile, stemOf } from "./save.ts";
import { useStore } from "./store.ts";

interface Form {
  form: ExportForm;
  title: string;
  what: string;
  ending: string;
  type: string;
}

const FORMS: readonly Form[] = [
  {
    form: "html",
    title: "Report, HTML",
    what: "a page of its own, without scripts, to read and to pass on",
    ending: ".html",
    type: "text/html",
  },
  {
    form: "csv",
    title: "Jobs, CSV",
    what: "one row a job, for a spreadsheet",
    ending: "-jobs.csv",
    type: "text/csv",
  },
  {
    form: "json",
    title: "Report, JSON",
    what: "everything that the report knows, as on the command line",
    ending: "-report.json",
    type: "application/json",
  },
  {
    form: "trace",
    title: "Trace",
    what: "the predicted time line; Perfetto and chrome://tracing open it",
    ending: "-trace.json",
    type: "application/json",
  },
];

/** Observed times that belong to this compilation: a board's before the simulator's. */
function useProfile(key: string): { jobs: JobProfile[]; evidence: string; from: string } | null {
  const board = useStore(boardStore).outcome;
  const here = useStore(runStore).outcome;
  if (board?.key === key && board.jobs)
    return { jobs: board.jobs, evidence: board.evidence, from: "the board" };
  if (here?.key === key && here.jobs)
    return { jobs: here.jobs, evidence: here.evidence, from: "the simulator" };
  return null;
}

export function ExportPanel({ compiled, service }: PanelProps): JSX.Element {
  const { key, name, chip, mode, twx, report } = compiled;
  const [failure, setFailure] = useState<Failure | null>(null);
  const [withTimes, setWithTimes] = useState(false);
  const found = useProfile(key);
  const stem = `${stemOf(name)}-${chip}-${mode}`;
  const save = async ({ form, ending, type }: Form): Promise<void> => {
    setFailure(null);
    try {
      const profile =
        withTimes && found ? { jobs: found.jobs, evidence: found.evidence } : undefined;
      const args = { key, form, report, ...(profile ? { profile } : {}) };
      saveFile(`${stem}${ending}`, [(await service.view("export", args)) as string], type);
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <div class="exports">
      {failure && <FailureBox failure={failure} title="This cannot be exported" />}
      <section class="card" aria-labelledby="export-title">
        <h2 id="export-title">Files</h2>
        <p class="muted">Made in this page; nothing is sent anywhere.</p>
        <ul class="export-list">
          <li>
            <button
              type="button"
              class="button"
              onClick={() => saveFile(`${stem}.twx`, [twx], "application/octet-stream")}
            >
              Executable, .twx
            </button>
            <span class="muted">
              {bytesText(twx.length)}; runs with <code>tilewright run {stem}.twx</code>, on boards
              and in the simulator
            </span>
          </li>
          {FORMS.map((form) => (
            <li key={form.form}>
              <button type="button" class="button" onClick={() => void save(form)}>
                {form.title}
              </button>
              <span class="muted">{form.what}</span>
            </li>
          ))}
        </ul>
        <Check
          checked={withTimes && found !== null}
          change={setWithTimes}
          disabled={found === null}
        >
          {found === null
            ? "Observed times beside the predicted ones: first run with “Time of every job”"
            : `Times of jobs from ${found.from} (${found.evidence}) beside the predicted ones`}
        </Check>
      </section>
      <SettingsLink />
    </div>
  );
}

/** The address holds chip, mode, options and view; the model, pictures and tokens never. */
function SettingsLink(): JSX.Element {
  const [address, setAddress] = useState(location.href);
  const [said, setSaid] = useState("");
  useEffect(() => {
    // The shell rewrites the address without an event.
    const timer = setInterval(() => setAddress(location.href), 300);
    return () => clearInterval(timer);
  }, []);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(location.href);
      setSaid("Copied.");
    } catch {
      setSaid("The browser does not allow copying; select the text instead.");
    }
  };
  return (
    <section class="card" aria-labelledby="link-title">
      <h2 id="link-title">Link to these settings</h2>
      <p class="muted">It restores chip, mode, options and view. The model is never part of it.</p>
      <div class="row">
        <input
          type="text"
          class="link-text"
          readOnly
          aria-label="Link to these settings"
          value={address}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button" onClick={() => void copy()}>
          Copy link
        </button>
        <span class="muted small-text" role="status">
          {said}
        </span>
      </div>
    </section>
  );
}
