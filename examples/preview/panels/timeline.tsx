// When each job runs by the prediction, and beside it what was observed.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { msText, percentText, plural } from "../shell/format.ts";
import { Chart, lastNotAbove } from "./chart.tsx";
import {
  AsTable,
  currentJob,
  Facts,
  jobName,
  Legend,
  patternOf,
  Patterns,
  Shown,
  useSvgId,
  useView,
  useWidth,
  type Fact,
} from "./parts.tsx";
import { profileOf } from "./profile.ts";
import { RooflineChart } from "./roofline.tsx";
import type { TimelineBar, TimelineData } from "./timeline-data.ts";

const MARKS = [
  { kind: "compute", text: "NN job bound by multiplying" },
  { kind: "memory", text: "NN job bound by memory" },
  { kind: "tp", text: "TP job (moves values)" },
];

/** A bar in a sentence. */
function barText(bar: TimelineBar): string {
  const { op, sourceOp, sourceName, ms, share, mark, observedMs } = bar;
  const bound =
    mark === "tp" ? "TP cores" : `bound by ${mark === "memory" ? "memory" : "multiplying"}`;
  const observed = observedMs === null ? "" : `, observed ${msText(observedMs)}`;
  return `job ${jobName(bar)} ${op} of #${sourceOp} ${sourceName}: ${msText(ms)}${observed}, ${percentText(share)} of all, ${bound}`;
}

export function TimePanel(props: PanelProps): JSX.Element {
  const profile = profileOf(props.compiled.key);
  const view = useView<TimelineData>(props, "timeline", profile ? { profile } : {});
  return (
    <div class="hw-panel">
      <Shown view={view}>{(data) => <Times {...props} data={data} />}</Shown>
    </div>
  );
}

type WithData = PanelProps & { data: TimelineData };

function Times(props: WithData): JSX.Element {
  const { data, compiled, selection, select } = props;
  const { bars, totalMs, observed, error, evidence, roofline } = data;
  const selected = currentJob(compiled.report, selection);
  const start = bars.findIndex(
    ({ partition, job }) => selected?.partition === partition && selected.job === job,
  );
  const [pointed, setActive] = useState<number>();
  const active = pointed ?? Math.max(0, start);
  const bar = bars[active];
  if (bars.length === 0)
    return (
      <p class="notice">
        There are no figures for this chip, or no jobs: nothing is predicted and no time line can be
        drawn.
      </p>
    );
  const choose = (index: number): void => {
    const { sourceOp: op, partition, job } = bars[index]!;
    select({ op, partition, job });
  };
  const facts: Fact[] = [
    {
      name: "Predicted, NPU jobs",
      value: msText(totalMs),
      note: error === null ? evidence : `± ${percentText(error)}; ${evidence}`,
    },
    ...(observed
      ? [
          {
            name: "Observed",
            value: msText(observed.totalMs),
            note:
              observed.evidence === "simulated"
                ? "simulated, which says nothing about the chip"
                : observed.evidence,
          },
        ]
      : []),
    { name: "Jobs", value: String(bars.length), note: laneNote(data) },
  ];
  return (
    <>
      <Facts facts={facts} />
      <section class="card">
        <h2>Time line</h2>
        <Legend marks={MARKS} />
        <TimeChart data={data} active={active} setActive={setActive} choose={choose} />
        <p class="chart-line">{bar ? barText(bar) : ""}</p>
        <CpuSteps data={data} />
        <AsTable caption="Times of jobs" head={HEAD} rows={() => bars.map(tableRow)} />
      </section>
      {roofline && (
        <RooflineChart
          roofline={roofline}
          current={bar ? jobName(bar) : ""}
          setCurrent={(name) => setActive(bars.findIndex((other) => jobName(other) === name))}
          choose={(name) => choose(bars.findIndex((other) => jobName(other) === name))}
        />
      )}
    </>
  );
}

const laneNote = ({ bars }: TimelineData): string => {
  const nn = bars.filter(({ kind }) => kind === "NN").length;
  return `${nn} on NN cores, ${bars.length - nn} on TP cores`;
};

const HEAD = ["Job", "Does", "For", ">Start", ">Predicted", ">Share", ">Observed", "Bound by"];

const tableRow = (bar: TimelineBar): JSX.Element[] =>
  [
    `${bar.kind} ${jobName(bar)}`,
    bar.op,
    `#${bar.sourceOp} ${bar.sourceName}`,
    msText(bar.startMs),
    msText(bar.ms),
    percentText(bar.share),
    bar.observedMs === null ? "–" : msText(bar.observedMs),
    bar.mark === "tp" ? "moves values" : bar.mark,
  ].map((text) => <>{text}</>);

/** Nothing predicts the time of the CPU's share; what it does is said instead. */
function CpuSteps({ data: { cpu } }: { data: TimelineData }): JSX.Element {
  const ops = cpu.flatMap((step) => step.ops);
  return (
    <p class="muted small-text">
      {ops.length === 0
        ? "Nothing runs on the CPU."
        : `On the CPU, without a predicted time: ${plural(ops.length, "operator")} in ${plural(cpu.length, "step")}; the first is #${ops[0]!.op} ${ops[0]!.name}, after ${msText(cpu[0]!.atMs)} of NPU time.`}
    </p>
  );
}

const LEFT = 40;
const TOP = 22;
const LANE = 34;
const GAP = 8;
const ZOOMS = [1, 2, 4, 8, 16];

export interface Lane {
  name: string;
  /** What a bar of the lane is: null = not in it. */
  place(bar: TimelineBar): { start: number; ms: number } | null;
}

export function lanesOf({ observed }: TimelineData): Lane[] {
  const predicted = (kind: string): Lane => ({
    name: kind,
    place: (bar) => (bar.kind === kind ? { start: bar.startMs, ms: bar.ms } : null),
  });
  const seen: Lane = {
    name: "obs.",
    place: ({ observedMs, observedStartMs }) =>
      observedMs === null ? null : { start: observedStartMs!, ms: observedMs },
  };
  return [predicted("NN"), predicted("TP"), ...(observed ? [seen] : [])];
}

/** The bar at a height of the chart and a time: the one of that lane, otherwise the last one that has begun. */
export function barAt(
  { bars }: TimelineData,
  lanes: readonly Lane[],
  starts: readonly number[],
  y: number,
  ms: number,
): number {
  const lane = lanes[Math.floor((y - TOP) / (LANE + GAP))];
  const there = bars.findIndex((bar) => {
    const place = lane?.place(bar);
    return place && place.start <= ms && ms < place.start + place.ms;
  });
  return there >= 0 ? there : Math.max(0, lastNotAbove(starts, ms));
}

interface ChartProps {
  data: TimelineData;
  active: number;
  setActive(index: number): void;
  choose(index: number): void;
}

function TimeChart({ data, active, setActive, choose }: ChartProps): JSX.Element {
  const [ref, room] = useWidth<HTMLDivElement>();
  const [zoom, setZoom] = useState(1);
  const lanes = lanesOf(data);
  const height = TOP + (lanes.length + 1) * (LANE + GAP);
  const width = Math.max(room, 1) * zoom;
  const scale = (width - LEFT - 12) / data.spanMs;
  const starts = useMemo(() => data.bars.map(({ startMs }) => startMs), [data]);
  const bar = data.bars[active];
  // What the keyboard moves to, or what was current before the zoom. What is pointed at is in view.
  useEffect(() => {
    const box = ref.current;
    if (!box || !bar) return;
    const isInView = lanes.some((lane) => {
      const place = lane.place(bar);
      if (!place) return false;
      const left = LEFT + place.start * scale - box.scrollLeft;
      return left < box.clientWidth && left + place.ms * scale > 0;
    });
    if (!isInView) box.scrollLeft = LEFT + (bar.startMs + bar.ms / 2) * scale - box.clientWidth / 2;
  }, [active, zoom, room]);
  return (
    <>
      <div class="zooms">
        <label class="field">
          <span>Zoom</span>
          <select value={zoom} onChange={(event) => setZoom(Number(event.currentTarget.value))}>
            {ZOOMS.map((factor) => (
              <option value={factor} key={factor}>
                ×{factor}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="chart-scroll time-scroll" ref={ref}>
        {room > 0 && (
          <Chart
            label="Time line of predicted job times"
            width={width}
            height={height}
            count={data.bars.length}
            active={active}
            setActive={setActive}
            choose={choose}
            nameOf={(index) => barText(data.bars[index]!)}
            itemAt={(x, y) => barAt(data, lanes, starts, y, (x - LEFT) / scale)}
            cursor={bar && <Cursor bar={bar} scale={scale} lanes={lanes} height={height} />}
          >
            <Axis data={data} scale={scale} height={height} width={width} />
            <Bars data={data} lanes={lanes} scale={scale} />
            <CpuMarks data={data} scale={scale} y={TOP + lanes.length * (LANE + GAP)} />
          </Chart>
        )}
      </div>
    </>
  );
}

function Axis({
  data,
  scale,
  height,
  width,
}: {
  data: TimelineData;
  scale: number;
  height: number;
  width: number;
}): JSX.Element {
  // Labels need room; on a narrow page every second or third tick has one.
  const step = Math.ceil(52 / Math.max(1, (data.ticks[1] ?? data.spanMs) * scale));
  return (
    <>
      {data.ticks.map((ms, i) => (
        <g key={ms}>
          <line
            class="grid"
            x1={LEFT + ms * scale}
            x2={LEFT + ms * scale}
            y1={TOP - 4}
            y2={height}
          />
          {i % step === 0 && LEFT + ms * scale < width - 16 && (
            <text class="axis" x={LEFT + ms * scale} y={TOP - 8} text-anchor="middle">
              {ms} ms
            </text>
          )}
        </g>
      ))}
    </>
  );
}

/** All bars: drawn once for each width, not for every move of the cursor. */
function Bars({
  data,
  lanes,
  scale,
}: {
  data: TimelineData;
  lanes: readonly Lane[];
  scale: number;
}): JSX.Element {
  const id = useSvgId();
  return useMemo(
    () => (
      <>
        <Patterns id={id} />
        {lanes.map((lane, i) => {
          const y = TOP + i * (LANE + GAP);
          return (
            <g key={lane.name}>
              <text class="axis strong" x={LEFT - 8} y={y + LANE / 2 + 4} text-anchor="end">
                {lane.name}
              </text>
              {data.bars.map((bar) => {
                const place = lane.place(bar);
                if (!place) return null;
                const box = {
                  x: LEFT + place.start * scale,
                  y,
                  // A gap between bars where there is room for one.
                  width: Math.max(place.ms * scale - (place.ms * scale > 3 ? 1 : 0), 0.5),
                  height: LANE,
                };
                const pattern = patternOf(bar.mark, id);
                return (
                  <g key={jobName(bar)}>
                    <rect {...box} class={`mark ${bar.mark}`} />
                    {pattern !== "none" && <rect {...box} fill={pattern} />}
                  </g>
                );
              })}
            </g>
          );
        })}
      </>
    ),
    [data, lanes.length, scale, id],
  );
}

function CpuMarks({
  data,
  scale,
  y,
}: {
  data: TimelineData;
  scale: number;
  y: number;
}): JSX.Element {
  return (
    <>
      <text class="axis strong" x={LEFT - 8} y={y + LANE / 2 + 4} text-anchor="end">
        CPU
      </text>
      {data.cpu.map(({ atMs, ops }, i) => (
        <path
          key={i}
          class="mark cpu-step"
          d={`M${Math.min(LEFT + atMs * scale, LEFT + data.spanMs * scale)} ${y + 3} l7 ${LANE / 2 - 3} l-7 ${LANE / 2 - 3} l-7 ${-(LANE / 2 - 3)} z`}
        >
          <title>{ops.map(({ op, name }) => `#${op} ${name}`).join(", ")}</title>
        </path>
      ))}
    </>
  );
}

function Cursor({
  bar,
  scale,
  lanes,
  height,
}: {
  bar: TimelineBar;
  scale: number;
  lanes: readonly Lane[];
  height: number;
}): JSX.Element {
  const middle = LEFT + (bar.startMs + bar.ms / 2) * scale;
  return (
    <>
      <line class="cursor-line" x1={middle} x2={middle} y1={TOP - 4} y2={height} />
      {lanes.map((lane, i) => {
        const place = lane.place(bar);
        return (
          place && (
            <rect
              key={lane.name}
              class="cursor-box"
              x={LEFT + place.start * scale - 1}
              y={TOP + i * (LANE + GAP) - 1}
              width={Math.max(place.ms * scale, 1) + 2}
              height={LANE + 2}
            />
          )
        );
      })}
    </>
  );
}
