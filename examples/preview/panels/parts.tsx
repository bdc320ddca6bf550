// Pieces that the panels of this folder are put together from.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { CompileReport, JobReport } from "../../../core-as/index.ts";
import type { Compiled, PanelProps, Selection } from "../panel-types.ts";
import { failureOf } from "../shell/failure.ts";
import { columnClass, PlainTable } from "../shell/plain-table.tsx";
import { FailureBox } from "../shell/status.tsx";

/** What a view function answered, or why it did not. */
export interface Viewed<Data> {
  data: Data | undefined;
  error: unknown;
}

interface Answer<Data> {
  compiled: string;
  asked: string;
  data?: Data;
  error?: unknown;
}

/**
 * Asks the worker for a view whenever its arguments change. Data of earlier arguments stays until the new one is there, so
 * that nothing flickers; data of another executable does not.
 * @param args null = ask nothing yet
 */
export function useView<Data>(
  { compiled, service }: Pick<PanelProps, "compiled" | "service">,
  name: string,
  args: object | null,
): Viewed<Data> {
  const { key } = compiled;
  const asked = args && JSON.stringify(args);
  const [answer, setAnswer] = useState<Answer<Data>>();
  useEffect(() => {
    if (asked === null) return undefined;
    let wanted = true;
    const got = (result: { data?: Data; error?: unknown }): void => {
      if (wanted) setAnswer({ compiled: key, asked, ...result });
    };
    service.view(name, { ...(JSON.parse(asked) as object), key }).then(
      (data) => got({ data: data as Data }),
      (error: unknown) => got({ error }),
    );
    return () => {
      wanted = false;
    };
  }, [service, key, name, asked]);
  const usable = answer?.compiled === key ? answer : undefined;
  return { data: usable?.data, error: usable?.asked === asked ? usable?.error : undefined };
}

/** Shows a view's data, its error, or the room that it will take. */
export function Shown<Data>({
  view,
  children,
}: {
  view: Viewed<Data>;
  children(data: Data): ComponentChildren;
}): JSX.Element {
  if (view.error !== undefined)
    return <FailureBox failure={failureOf(view.error)} title="This cannot be shown" />;
  if (view.data === undefined) return <div class="waiting" aria-busy="true" />;
  return <>{children(view.data)}</>;
}

/** The width of an element in CSS pixels, rounded down; 0 before it is drawn. */
export function useWidth<E extends HTMLElement>(): [{ current: E | null }, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = (): void => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Rises when the page's theme changes: a canvas does not follow custom properties by itself. */
export function useThemeTurn(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const next = (): void => setTurn((now) => now + 1);
    const observer = new MutationObserver(next);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => observer.disconnect();
  }, []);
  return turn;
}

/** A name and what it is, in a row of figures. */
export interface Fact {
  name: string;
  value: ComponentChildren;
  note?: string;
}

export function Facts({ facts }: { facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class="panel-facts">
      {facts.map(({ name, value, note }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <b>{value}</b>
            {note !== undefined && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** The same as a graphic in a table, drawn when it is opened. */
export function AsTable({
  caption,
  head,
  rows,
}: {
  caption: string;
  /** Columns whose name begins with ">" are numbers. */
  head: readonly string[];
  rows(): ComponentChildren[][];
}): JSX.Element {
  const [open, setOpen] = useState(false);
  const kinds = head.map(columnClass);
  return (
    <details class="as-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{caption} as a table</summary>
      {open && (
        <PlainTable caption={caption} head={head}>
          {rows().map((row, r) => (
            <tr key={r}>
              {row.map((cell, i) => (
                <td key={i} class={kinds[i]}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </PlainTable>
      )}
    </details>
  );
}

export const jobName = ({ partition, job }: { partition: number; job: number }): string =>
  `${partition}.${job}`;

/** The job that a panel is about: the selected one, the first one of the selected operator, or the first one of all. */
export function currentJob(
  { jobs }: CompileReport,
  { op, partition, job }: Selection,
  fits: (job: JobReport) => boolean = () => true,
): JobReport | undefined {
  const fitting = jobs.filter(fits);
  return (
    fitting.find((entry) => entry.partition === partition && entry.job === job) ??
    fitting.find((entry) => entry.sourceOp === op) ??
    fitting[0]
  );
}

/** Chooses one of the jobs of a report, from a list or one by one. */
export function JobChoice({
  compiled,
  current,
  select,
  fits = () => true,
}: {
  compiled: Compiled;
  current: JobReport;
  select: PanelProps["select"];
  fits?: (job: JobReport) => boolean;
}): JSX.Element {
  const jobs = compiled.report.jobs.filter(fits);
  const at = jobs.indexOf(current);
  const choose = (index: number): void => {
    const found = jobs[index];
    if (found) select({ op: found.sourceOp, partition: found.partition, job: found.job });
  };
  return (
    <div class="choice">
      <label class="field">
        <span>Job</span>
        <select value={at} onChange={(event) => choose(Number(event.currentTarget.value))}>
          {jobs.map((job, i) => (
            <option value={i} key={jobName(job)}>
              {jobName(job)} {job.kind} {job.op} · #{job.sourceOp} {job.sourceName}
            </option>
          ))}
        </select>
      </label>
      <Steps what="job" at={at} count={jobs.length} go={choose} />
    </div>
  );
}

/** To the one before and the next one. */
export function Steps({
  what,
  at,
  count,
  go,
}: {
  what: string;
  at: number;
  count: number;
  go(at: number): void;
}): JSX.Element {
  const step = (to: number, name: string, sign: string): JSX.Element => (
    <button
      type="button"
      class="button icon-only"
      aria-label={`${name} ${what}`}
      disabled={to < 0 || to >= count}
      onClick={() => go(to)}
    >
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    <span class="steps">
      {step(at - 1, "Previous", "‹")}
      {step(at + 1, "Next", "›")}
    </span>
  );
}

/** What colours and patterns mean. */
export function Legend({
  marks,
}: {
  marks: readonly { kind: string; text: string }[];
}): JSX.Element {
  return (
    <ul class="marks-legend" aria-label="Legend">
      {marks.map(({ kind, text }) => (
        <li key={kind}>
          <svg width="18" height="12" aria-hidden="true">
            <Patterns id={`legend-${kind}`} />
            <rect x="0.5" y="0.5" width="17" height="11" class={`mark ${kind}`} />
            <rect
              x="0.5"
              y="0.5"
              width="17"
              height="11"
              fill={patternOf(kind, `legend-${kind}`)}
              class="mark-pattern"
            />
          </svg>
          {text}
        </li>
      ))}
    </ul>
  );
}

/** Kinds of marks that differ by pattern as well as by colour; the others are plain. */
const PATTERNS = ["memory", "tp"] as const;

export const patternOf = (kind: string, id: string): string =>
  PATTERNS.some((name) => name === kind) ? `url(#${id}-${kind})` : "none";

/** Definitions that patternOf refers to. */
export function Patterns({ id }: { id: string }): JSX.Element {
  return (
    <defs>
      <pattern
        id={`${id}-memory`}
        width="6"
        height="6"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect width="2" height="6" class="pattern-ink" />
      </pattern>
      <pattern id={`${id}-tp`} width="6" height="6" patternUnits="userSpaceOnUse">
        <circle cx="3" cy="3" r="1.3" class="pattern-ink" />
      </pattern>
    </defs>
  );
}

/** An id that is valid in a url(). */
export const useSvgId = (): string => useId().replace(/[^\w-]/g, "");
