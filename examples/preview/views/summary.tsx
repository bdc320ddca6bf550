// What fits a glance: time, share of the NPU, memory, compression, jobs; and why operators fall back.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";
import type { CompileReport, OperatorReport } from "../../../core-as/index.ts";
import type { Compiled, Selection } from "../panel-types.ts";
import { grouped, msText, plural } from "../shell/format.ts";
import { figuresOf, placesText, targetFacts } from "./summary-data.ts";
import { PlaceTag } from "./table.tsx";

interface Props {
  compiled: Compiled;
  select(selection: Selection): void;
}

export function SummaryPanel({ compiled, select }: Props): JSX.Element {
  const { report } = compiled;
  return (
    <div class="summary">
      <Figures report={report} />
      <Warnings report={report} />
      <Fallbacks report={report} select={select} />
      <div class="columns">
        <Help report={report} />
        <Target report={report} />
        <Passes compiled={compiled} />
      </div>
    </div>
  );
}

function Figure({
  title,
  value,
  children,
  lead = false,
}: {
  title: string;
  value: ComponentChildren;
  children: ComponentChildren;
  lead?: boolean;
}): JSX.Element {
  return (
    <div class={lead ? "figure lead-figure" : "figure"}>
      <dt>{title}</dt>
      <dd>
        <span class="value number">{value}</span>
        <span class="note">{children}</span>
      </dd>
    </div>
  );
}

function Figures({ report }: { report: CompileReport }): JSX.Element {
  return (
    <dl class="figures">
      <Time report={report} />
      {figuresOf(report).map(({ title, value, note, share }) => (
        <Figure key={title} title={title} value={value}>
          {share !== undefined && (
            <span class="split" aria-hidden="true">
              <span class="split-npu" style={{ flexGrow: share }} />
              <span class="split-cpu" style={{ flexGrow: 1 - share }} />
            </span>
          )}
          {note}
        </Figure>
      ))}
    </dl>
  );
}

/** The time never stands without its error. */
function Time({ report }: { report: CompileReport }): JSX.Element {
  const { totals, system } = report;
  if (totals.predictedMs === null)
    return (
      <Figure title="Predicted time" value="unknown" lead>
        This chip is not in the hardware database, so nothing is predicted.
      </Figure>
    );
  if (totals.jobs === 0)
    return (
      <Figure title="Predicted time" value="none" lead>
        Nothing runs on the NPU, and the time of the CPU is not predicted.
      </Figure>
    );
  const range = totals.predictedRangeMs;
  return (
    <Figure
      title="Predicted time"
      value={
        <>
          {msText(totals.predictedMs)}
          {system.error !== null && (
            <small class="error-range"> ± {(system.error * 100).toFixed(1)} %</small>
          )}
        </>
      }
      lead
    >
      {system.error === null
        ? "No time of this system was ever compared with a prediction. "
        : "± is the r.m.s. error against published times. "}
      {range && `${msText(range[0])} to ${msText(range[1])} with 0 to 20 µs a job. `}
      NPU jobs only; nothing is measured.
    </Figure>
  );
}

function Warnings({ report }: { report: CompileReport }): JSX.Element | null {
  if (report.warnings.length === 0) return null;
  return (
    <section class="card warnings" aria-labelledby="warnings-title">
      <h2 id="warnings-title">Warnings</h2>
      <ul>
        {report.warnings.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </section>
  );
}

interface FallbackGroup {
  name: string;
  constraint: string;
  reason: string;
  operators: OperatorReport[];
}

/** Operators on the CPU by kind and constraint, in the order of the model. */
function fallbackGroups(operators: readonly OperatorReport[]): FallbackGroup[] {
  const groups = new Map<string, FallbackGroup>();
  for (const operator of operators) {
    if (operator.place === "npu") continue;
    const { name, constraint, reason } = operator;
    const key = `${name} ${constraint}`;
    const group = groups.get(key);
    if (group) group.operators.push(operator);
    else
      groups.set(key, {
        name,
        constraint: constraint ?? "",
        reason: reason ?? "",
        operators: [operator],
      });
  }
  return [...groups.values()];
}

function Fallbacks({
  report,
  select,
}: {
  report: CompileReport;
  select: Props["select"];
}): JSX.Element {
  const groups = fallbackGroups(report.operators);
  const { totals } = report;
  return (
    <section class="card" aria-labelledby="fallbacks-title">
      <h2 id="fallbacks-title">{placesText(totals)}</h2>
      {groups.length === 0 && totals.operators > 0 && (
        <p class="muted">The whole model is {plural(totals.partitions, "submit")}.</p>
      )}
      {groups.length > 0 && (
        <ul class="fallbacks">
          {groups.map(({ name, constraint, reason, operators: members }) => (
            <li key={`${name} ${constraint}`}>
              <p class="fallback-head">
                <PlaceTag place="cpu" /> <b>{name}</b> <code class="constraint">{constraint}</code>
              </p>
              <p class="fallback-reason">
                {reason}
                <Others reason={reason} members={members} />
              </p>
              <Members operators={members} select={select} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** The sentence names values of the first operator; details of the others have their own. */
function Others({
  reason,
  members,
}: {
  reason: string;
  members: OperatorReport[];
}): JSX.Element | null {
  const others = members.filter((member) => (member.reason ?? "") !== reason).length;
  return others === 0 ? null : (
    <span class="muted"> ({grouped(others)} more with other values)</span>
  );
}

const MOST_MEMBERS = 12;

function Members({
  operators,
  select,
}: {
  operators: OperatorReport[];
  select: Props["select"];
}): JSX.Element {
  return (
    <p class="members">
      {operators.slice(0, MOST_MEMBERS).map(({ op, name }) => (
        <button
          type="button"
          class="chip"
          key={op}
          aria-label={`#${op} ${name}, details`}
          onClick={() => select({ op })}
        >
          #{op}
        </button>
      ))}
      {operators.length > MOST_MEMBERS && (
        <span class="muted">and {grouped(operators.length - MOST_MEMBERS)} more</span>
      )}
    </p>
  );
}

function Help({ report: { whatIfs } }: { report: CompileReport }): JSX.Element | null {
  if (whatIfs.length === 0) return null;
  const most = whatIfs[0]!.savedMs;
  return (
    <section class="card" aria-labelledby="help-title">
      <h2 id="help-title">What would help most</h2>
      <p class="muted">Predicted savings if one thing were free; they do not add up.</p>
      <ul class="bars">
        {whatIfs.map(({ what, savedMs }) => (
          <li key={what}>
            <span>{what}</span>
            <span class="number">{msText(savedMs)}</span>
            <span class="bar" aria-hidden="true">
              <span style={{ transform: `scaleX(${savedMs / most})` }} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Target({ report }: { report: CompileReport }): JSX.Element {
  return (
    <section class="card" aria-labelledby="target-title">
      <h2 id="target-title">Target</h2>
      <dl class="facts">
        {targetFacts(report).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Passes({ compiled: { timings } }: { compiled: Compiled }): JSX.Element | null {
  if (timings.length === 0) return null;
  const most = Math.max(...timings.map(({ milliseconds }) => milliseconds));
  const total = timings.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return (
    <section class="card" aria-labelledby="passes-title">
      <h2 id="passes-title">Compiled in {total.toFixed(0)} ms</h2>
      <p class="muted">Time of each pass, in this browser.</p>
      <ul class="bars">
        {timings.map(({ name, milliseconds }) => (
          <li key={name}>
            <span>{name}</span>
            <span class="number">{milliseconds.toFixed(1)} ms</span>
            <span class="bar" aria-hidden="true">
              <span style={{ transform: `scaleX(${most === 0 ? 0 : milliseconds / most})` }} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
