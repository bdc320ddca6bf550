// The command stream line by line: every word explained, and from it the descriptors that it starts.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import type { ExplainedWord } from "../../../core-as/index.ts";
import type { PanelProps } from "../panel-types.ts";
import { grouped, plural } from "../shell/format.ts";
import { targetOf } from "./chart.tsx";
import { DescriptorCard } from "./descriptor.tsx";
import { currentJob, Facts, Shown, useView } from "./parts.tsx";
import type { StreamData, StreamRow } from "./stream-data.ts";
import { WordBits } from "./word-bits.tsx";

const hex32 = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

export function StreamPanel(props: PanelProps): JSX.Element {
  const { compiled, selection } = props;
  const { key } = compiled;
  const job = currentJob(compiled.report, selection);
  const [chosen, setChosen] = useState({ key: "", partition: 0 });
  // Other settings make other submits.
  const partition = chosen.key === key ? chosen.partition : (job?.partition ?? 0);
  const args = compiled.report.jobs.length === 0 ? null : { partition };
  const view = useView<StreamData>(props, "stream", args);
  if (args === null) return <p class="notice">No operator runs on the NPU: there is no stream.</p>;
  return (
    <div class="hw-panel">
      <Shown view={view}>
        {(data) => (
          <>
            {data.partitions > 1 && (
              <label class="field">
                <span>Submit</span>
                <select
                  value={partition}
                  onChange={(event) =>
                    setChosen({ key, partition: Number(event.currentTarget.value) })
                  }
                >
                  {Array.from({ length: data.partitions }, (_, i) => (
                    <option value={i} key={i}>
                      {i}
                    </option>
                  ))}
                </select>
              </label>
            )}
            <Stream key={data.partition} {...props} data={data} />
          </>
        )}
      </Shown>
    </div>
  );
}

type StreamProps = PanelProps & { data: StreamData };

/** The line that starts a job. */
function startOf({ rows }: StreamData, job: number | undefined): number {
  const found = rows.findIndex(({ starts }) => starts?.job === job && starts?.core === 0);
  return Math.max(0, found);
}

function Stream(props: StreamProps): JSX.Element {
  const { data, compiled, selection, select } = props;
  const { partition, rows, words, jobs } = data;
  const own = selection.partition === partition ? selection.job : undefined;
  const current = currentJob(compiled.report, selection);
  const job = own ?? (current?.partition === partition ? current.job : undefined);
  const [active, setActive] = useState(() => startOf(data, job));
  /** TP core whose descriptor is shown, of the job that is selected. */
  const [core, setCore] = useState(0);
  const shown = Math.min(job ?? 0, jobs.length - 1);
  const open = (index: number): void => {
    const starts = rows[index]?.starts;
    if (!starts) return;
    setCore(starts.core);
    select({ op: jobs[starts.job]!.sourceOp, partition, job: starts.job });
  };
  // A job that is selected elsewhere brings its line into view.
  useEffect(() => {
    if (own !== undefined && rows[active]?.job !== own) setActive(startOf(data, own));
  }, [own]);
  return (
    <>
      <Facts
        facts={[
          { name: "Stream", value: plural(words, "word"), note: plural(rows.length, "line") },
          { name: "Jobs", value: String(jobs.length), note: "each ends with a write of UNK_010A4" },
        ]}
      />
      <div class="stream-pair">
        <section class="card">
          <h2>Command stream</h2>
          <p class="muted">
            Enter or a click on an INST_ADDR line opens the descriptor that it starts.
          </p>
          <Lines data={data} active={active} setActive={setActive} open={open} />
        </section>
        <Explanation {...props} row={active} />
      </div>
      <DescriptorCard
        {...props}
        partition={partition}
        job={shown}
        core={Math.min(core, (jobs[shown]?.descriptors ?? 1) - 1)}
        setCore={setCore}
      />
    </>
  );
}

const ROW = 26;
const SHOWN = 16;
/** Rows above and below the visible ones that are drawn, too. */
const SPARE = 8;

interface LinesProps {
  data: StreamData;
  active: number;
  setActive(index: number): void;
  open(index: number): void;
}

/** A list of which only what is seen is drawn. */
function Lines({ data, active, setActive, open }: LinesProps): JSX.Element {
  const { rows } = data;
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const [top, setTop] = useState(0);
  useEffect(() => {
    const list = box.current;
    if (!list) return;
    if (active * ROW < list.scrollTop) list.scrollTop = active * ROW - ROW;
    else if ((active + 1) * ROW > list.scrollTop + list.clientHeight)
      list.scrollTop = (active + 2) * ROW - list.clientHeight;
  }, [active]);
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(rows.length, first + SHOWN + 2 * SPARE);
  // The current line is always there, so that it can be named.
  const visible = Array.from({ length: last - first }, (_, i) => first + i);
  if (active < first || active >= last) visible.push(active);
  return (
    <div
      class="lines"
      role="listbox"
      aria-label="Lines of the command stream; arrow keys move"
      aria-activedescendant={`${id}-${active}`}
      tabIndex={0}
      ref={box}
      style={{ height: `${SHOWN * ROW}px` }}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Enter" || event.key === " ") open(active);
        else {
          const to = targetOf(event.key, active, rows.length);
          if (to === undefined) return;
          setActive(to);
        }
        event.preventDefault();
      }}
    >
      <div class="lines-inner" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
        {visible.map((index) => (
          <Line
            key={index}
            row={rows[index]!}
            job={jobOf(data, rows[index]!)}
            id={`${id}-${index}`}
            index={index}
            count={rows.length}
            isActive={index === active}
            point={() => setActive(index)}
            open={() => open(index)}
          />
        ))}
      </div>
    </div>
  );
}

/** What a line starts; "" for lines that start nothing. */
function jobOf({ jobs }: StreamData, row: StreamRow): string {
  const { job, starts } = row;
  if (job === null || starts === null) return "";
  const { kind, op, descriptors } = jobs[job]!;
  return `job ${job} ${kind} ${op}${descriptors > 1 ? `, core ${starts.core}` : ""}`;
}

function Line({
  row,
  job,
  id,
  index,
  count,
  isActive,
  point,
  open,
}: {
  row: StreamRow;
  job: string;
  id: string;
  index: number;
  count: number;
  isActive: boolean;
  point(): void;
  open(): void;
}): JSX.Element {
  const parity = row.job === null ? "" : row.job % 2 === 0 ? "even" : "odd";
  return (
    <div
      role="option"
      id={id}
      class={`line ${parity}${row.starts ? " starts" : ""}`}
      aria-selected={isActive}
      aria-posinset={index + 1}
      aria-setsize={count}
      style={{ top: `${index * ROW}px` }}
      onPointerEnter={point}
      onClick={() => {
        point();
        open();
      }}
    >
      {/* The line's name is its text: spaces keep the columns apart where they are read as one. */}
      <span class="line-index">{`${row.index} `}</span>
      <code class="line-words">{`${row.words.map(hex32).join(" ")} `}</code>
      <span class="line-text">{`${row.text} `}</span>
      <span class="line-job">{job}</span>
    </div>
  );
}

/** Words of the current line, field by field, in a place of its own: nothing jumps. */
function Explanation(props: StreamProps & { row: number }): JSX.Element {
  const { data, row } = props;
  const view = useView<ExplainedWord[]>(props, "explain", { partition: data.partition, row });
  return (
    <section class="card">
      <h2>What the line says</h2>
      <div class="explanation" role="region" aria-label="What the line says" tabIndex={0}>
        <Shown view={view}>
          {(words) => words.map((word) => <Word key={word.index} word={word} />)}
        </Shown>
      </div>
    </section>
  );
}

function Word({ word }: { word: ExplainedWord }): JSX.Element {
  const { index, name, doc, evidence, fields, target } = word;
  const segments = useMemo(
    () => fields.map(({ hi, lo, name: field }) => ({ hi, lo, name: field })),
    [fields],
  );
  return (
    <div class="word">
      <h3>
        word {index}: <code>{hex32(word.word)}</code> {name}
      </h3>
      <p class="small-text">
        {doc} <span class="muted">({evidence})</span>
      </p>
      <WordBits word={word.word} segments={segments} />
      <dl class="fields">
        {fields.map((field) => (
          <div key={field.name}>
            <dt>
              {field.name} <span class="muted">{bitsText(field.hi, field.lo)}</span>
            </dt>
            <dd>
              <b>{field.text}</b> <span class="muted">{field.doc}</span>
            </dd>
          </div>
        ))}
      </dl>
      {target && (
        <p class="small-text">
          Relocation: becomes the address of buffer {target.buffer} ({target.role}) plus{" "}
          {grouped(target.offset)} bytes
          {target.job === null ? "" : `, the descriptor of job ${target.job}, core ${target.core}`}.
        </p>
      )}
    </div>
  );
}

const bitsText = (hi: number, lo: number): string => (hi === lo ? `bit ${hi}` : `bits ${hi}–${lo}`);
