// A core's stream as bits: every span with its meaning, page by page.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { grouped, plural } from "../shell/format.ts";
import { targetOf } from "./chart.tsx";
import { AsTable, Shown, useView } from "./parts.tsx";
import type { SpanView } from "./span-text.ts";
import type { BitsArgs, BitsData, WeightsData } from "./weights-data.ts";

type Part = BitsArgs["only"];

const PAGE = 160;

const KINDS: readonly { kinds: readonly string[]; name: string; text: string }[] = [
  { kinds: ["header", "count"], name: "header", text: "header" },
  { kinds: ["run"], name: "run", text: "run of zeros" },
  { kinds: ["literal", "symbol"], name: "literal", text: "weight" },
  { kinds: ["extension", "payload"], name: "payload", text: "rest of a weight" },
  { kinds: ["bias", "offset"], name: "word", text: "bias, offset" },
  { kinds: ["filling", "flush", "padding"], name: "filling", text: "filling" },
];

const classOf = (kind: string): string =>
  KINDS.find(({ kinds }) => kinds.includes(kind))?.name ?? "filling";

/** Kinds that a version of the format has. */
const legendOf = (version: number, runBits: number) =>
  KINDS.filter(({ name }) =>
    name === "run" ? runBits > 0 : name !== "payload" || version !== 7,
  ).map((kind) =>
    version === 7 || kind.name !== "literal" ? kind : { ...kind, text: "weight: first part" },
  );

interface Props extends PanelProps {
  weights: WeightsData;
  /** A weight whose bits are wanted; turn rises with every wish. */
  wanted: { tap: number; turn: number };
  setTap(tap: number): void;
}

export function BitStream(props: Props): JSX.Element {
  const { weights, wanted } = props;
  const { partition, job, core, kernel, spanOfTap, fields } = weights;
  const [only, setOnly] = useState<Part>("kernel");
  const [from, setFrom] = useState(0);
  const [active, setActive] = useState(0);
  const args = { partition, job, core, kernel, only, from, count: PAGE };
  const view = useView<BitsData>(props, "bits", args);
  useEffect(() => {
    if (wanted.turn === 0) return;
    const span = spanOfTap[wanted.tap] ?? 0;
    setOnly("kernel");
    setFrom(span - (span % PAGE));
    setActive(span % PAGE);
  }, [wanted.turn]);
  const turn = (to: number): void => {
    setFrom(to);
    setActive(0);
  };
  return (
    <section class="card bits-card">
      <h2>Bits of the stream</h2>
      <p class="muted">In the order of the stream, the lowest bit of each byte first.</p>
      <div class="bits-tools">
        <label class="field">
          <span>Show</span>
          <select
            value={only}
            onChange={(event) => {
              setOnly(event.currentTarget.value as Part);
              turn(0);
            }}
          >
            <option value="kernel">this kernel</option>
            <option value="core">all of core {core}</option>
            <option value="buffer">
              {fields.nnCoreVersion === 7
                ? "the buffer's header"
                : "the buffer's header and biases"}
            </option>
          </select>
        </label>
        <ul class="marks-legend" aria-label="Legend">
          {legendOf(fields.nnCoreVersion, weights.runBits).map(({ name, text }) => (
            <li key={name}>
              <span class={`bit-key bits-${name}`} aria-hidden="true" />
              {text}
            </li>
          ))}
        </ul>
      </div>
      <Shown view={view}>
        {(data) => (
          <Page
            {...props}
            data={data}
            active={Math.min(active, Math.max(0, data.spans.length - 1))}
            setActive={setActive}
            turn={turn}
          />
        )}
      </Shown>
    </section>
  );
}

function Page({
  data,
  active,
  setActive,
  turn,
  weights,
  setTap,
}: Props & {
  data: BitsData;
  active: number;
  setActive(index: number): void;
  turn(from: number): void;
}): JSX.Element {
  const { spans, from, total } = data;
  const span = spans[active];
  return (
    <>
      <Spans
        spans={spans}
        from={from}
        total={total}
        active={active}
        setActive={(index) => {
          setActive(index);
          const next = spans[index];
          if (next && next.kernel === weights.kernel && next.taps.length > 0)
            setTap(next.taps.at(-1)!);
        }}
      />
      <p class="chart-line span-line">{span ? spanText(span) : ""}</p>
      <div class="pager">
        <button
          type="button"
          class="button small"
          disabled={from === 0}
          onClick={() => turn(Math.max(0, from - PAGE))}
        >
          Earlier
        </button>
        <span class="muted number">
          {total === 0
            ? "no spans"
            : `${grouped(from + 1)} to ${grouped(from + spans.length)} of ${plural(total, "span")}`}
        </span>
        <button
          type="button"
          class="button small"
          disabled={from + spans.length >= total}
          onClick={() => turn(from + PAGE)}
        >
          Later
        </button>
      </div>
      <AsTable
        caption="Bits of the stream"
        head={[">Bit", "Bits", "Kind", "Meaning"]}
        rows={() =>
          spans.map(({ at, bits, kind, meaning }) => [
            grouped(at),
            <code>{bits}</code>,
            kind,
            meaning,
          ])
        }
      />
    </>
  );
}

const spanText = ({ at, length, kind, bits, meaning }: SpanView): string =>
  length > bits.length
    ? `bits ${grouped(at)} to ${grouped(at + length - 1)}, ${kind}: ${meaning}`
    : `${length === 1 ? `bit ${grouped(at)}` : `bits ${grouped(at)} to ${grouped(at + length - 1)}`}, ${kind}, ${bits}: ${meaning}`;

interface SpansProps {
  spans: readonly SpanView[];
  from: number;
  total: number;
  active: number;
  setActive(index: number): void;
}

function Spans({ spans, from, total, active, setActive }: SpansProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    const list = box.current;
    const item = list?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!list || !item) return;
    const top = item.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top - 8;
    else if (top + item.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top + item.offsetHeight + 8 - list.clientHeight;
  }, [active, spans]);
  return (
    <div
      class="spans"
      role="listbox"
      aria-label="Spans of bits; arrow keys move"
      aria-orientation="horizontal"
      aria-activedescendant={spans.length > 0 ? `${id}-${active}` : undefined}
      tabIndex={0}
      ref={box}
      onKeyDown={(event) => {
        const to = targetOf(event.key, active, spans.length);
        if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        setActive(to);
      }}
      onPointerOver={(event) => {
        const item = (event.target as Element).closest<HTMLElement>("[data-span]");
        if (item) setActive(Number(item.dataset["span"]));
      }}
    >
      {spans.map((span, index) => (
        <Span
          key={span.index}
          span={span}
          id={`${id}-${index}`}
          index={index}
          isActive={index === active}
          position={from + index + 1}
          total={total}
        />
      ))}
    </div>
  );
}

function Span({
  span,
  id,
  index,
  isActive,
  position,
  total,
}: {
  span: SpanView;
  id: string;
  index: number;
  isActive: boolean;
  position: number;
  total: number;
}): JSX.Element {
  const { kind, bits, length, label, meaning, skippedBits } = span;
  // What is written is part of the name; the space keeps the two texts apart where they are read as one.
  const shown = length > bits.length ? `${bits.slice(0, 8)}…` : bits;
  return (
    <>
      {skippedBits > 0 && (
        <span class="skipped" role="presentation">
          {plural(skippedBits, "other bit")}
        </span>
      )}
      <span
        role="option"
        id={id}
        class={`span bits-${classOf(kind)}`}
        data-span={index}
        aria-selected={isActive}
        aria-posinset={position}
        aria-setsize={total}
      >
        <code>{`${shown} `}</code>
        <small>{label}</small>
        <span class="hidden">
          , {kind}: {meaning}
        </span>
      </span>
    </>
  );
}
