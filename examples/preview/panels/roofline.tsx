// Jobs by arithmetic intensity and speed, below what memory and multipliers allow.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { percentText } from "../shell/format.ts";
import { Chart } from "./chart.tsx";
import { AsTable, jobName, patternOf, Patterns, useSvgId, useWidth } from "./parts.tsx";
import type { RooflineData, RooflinePoint } from "./timeline-data.ts";

const LEFT = 56;
const RIGHT = 14;
const TOP = 14;
const BOTTOM = 44;

const power = (exponent: number): string =>
  exponent >= -2 && exponent <= 4 ? String(Number((10 ** exponent).toFixed(2))) : `1e${exponent}`;

const round = (value: number): string => Number(value.toPrecision(3)).toString();

const pointText = (point: RooflinePoint, { peak, bandwidthGBs }: RooflineData): string => {
  const { op, sourceOp, sourceName, intensity, speed } = point;
  const roof = Math.min(peak, intensity * bandwidthGBs);
  return `job ${jobName(point)} ${op} of #${sourceOp} ${sourceName}: ${round(speed)} GMAC/s at ${round(intensity)} multiply-accumulates a DRAM byte, ${percentText(speed / roof)} of what the roof allows there`;
};

interface Props {
  roofline: RooflineData;
  /** Name of the job that is pointed at. */
  current: string;
  setCurrent(name: string): void;
  choose(name: string): void;
}

interface Scales {
  x(intensity: number): number;
  y(speed: number): number;
  width: number;
  height: number;
}

export function RooflineChart({ roofline, current, setCurrent, choose }: Props): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { points, peak, bandwidthGBs } = roofline;
  const active = points.findIndex((point) => jobName(point) === current);
  const scales = useMemo(() => scalesOf(roofline, width), [roofline, width]);
  const point = points[active];
  return (
    <section class="card">
      <h2>Roofline</h2>
      <p class="muted">
        NN jobs by multiply-accumulates a DRAM byte; areas are shares of the predicted time.
        Starting jobs, partly filled tiles and idle multipliers pull jobs below the roof of{" "}
        {Math.round(peak)} GMAC/s and {bandwidthGBs} GB/s.
      </p>
      <div class="chart-scroll roof-scroll" ref={ref}>
        {width > 0 && (
          <Chart
            label="Roofline of the NN jobs"
            width={scales.width}
            height={scales.height}
            count={points.length}
            active={active}
            setActive={(index) => setCurrent(jobName(points[index]!))}
            choose={(index) => choose(jobName(points[index]!))}
            nameOf={(index) => pointText(points[index]!, roofline)}
            itemAt={(x, y) => nearest(points, scales, x, y)}
            cursor={
              point && (
                <circle
                  class="cursor-box"
                  cx={scales.x(point.intensity)}
                  cy={scales.y(point.speed)}
                  r={radiusOf(point) + 3}
                />
              )
            }
          >
            <Roof roofline={roofline} scales={scales} />
            <Points points={points} scales={scales} />
          </Chart>
        )}
      </div>
      <p class="chart-line">
        {point ? pointText(point, roofline) : "Not an NN job: it multiplies nothing."}
      </p>
      <AsTable
        caption="Roofline"
        head={["Job", "For", ">MAC a DRAM byte", ">GMAC/s", ">Of the roof", ">Share of time"]}
        rows={() =>
          points.map((p) => [
            `${jobName(p)} ${p.op}`,
            `#${p.sourceOp} ${p.sourceName}`,
            round(p.intensity),
            round(p.speed),
            percentText(p.speed / Math.min(peak, p.intensity * bandwidthGBs)),
            percentText(p.share),
          ])
        }
      />
    </section>
  );
}

function scalesOf({ decades }: RooflineData, room: number): Scales {
  const { low, high, bottom, top } = decades;
  const width = room;
  const height = Math.max(280, Math.min(440, width * 0.5));
  const axis = (from: number, to: number, start: number, end: number) => (value: number) =>
    start + ((Math.log10(value) - from) / (to - from)) * (end - start);
  return {
    x: axis(low, high, LEFT, width - RIGHT),
    y: axis(bottom, top, height - BOTTOM, TOP),
    width,
    height,
  };
}

const radiusOf = ({ share }: RooflinePoint): number => 3.5 + 22 * Math.sqrt(share);

/** The point whose border is nearest, not farther than a finger. */
function nearest(
  points: readonly RooflinePoint[],
  scales: Scales,
  x: number,
  y: number,
): number | undefined {
  let best: number | undefined;
  let least = 24;
  for (const [index, point] of points.entries()) {
    const distance = Math.hypot(scales.x(point.intensity) - x, scales.y(point.speed) - y);
    // Of points that lie in each other the smaller one is meant by whoever points at its middle.
    const gap = Math.max(0, distance - radiusOf(point)) + distance / 1000;
    if (gap < least) [best, least] = [index, gap];
  }
  return best;
}

function Roof({ roofline, scales }: { roofline: RooflineData; scales: Scales }): JSX.Element {
  const { decades, corner, peak, bandwidthGBs } = roofline;
  const { low, high, bottom, top } = decades;
  const { x, y, width, height } = scales;
  const floor = height - BOTTOM;
  const start = Math.max(10 ** low, 10 ** bottom / bandwidthGBs);
  const exponents = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return (
    <>
      {exponents(low, high).map((e) => (
        <g key={`x${e}`}>
          <line class="grid" x1={x(10 ** e)} x2={x(10 ** e)} y1={TOP} y2={floor} />
          <text class="axis" x={x(10 ** e)} y={floor + 16} text-anchor="middle">
            {power(e)}
          </text>
        </g>
      ))}
      {exponents(bottom, top).map((e) => (
        <g key={`y${e}`}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(10 ** e)} y2={y(10 ** e)} />
          <text class="axis" x={LEFT - 6} y={y(10 ** e) + 4} text-anchor="end">
            {power(e)}
          </text>
        </g>
      ))}
      <text class="axis" x={(LEFT + width - RIGHT) / 2} y={height - 8} text-anchor="middle">
        multiply-accumulates a DRAM byte
      </text>
      <text class="axis" text-anchor="middle" transform={`translate(12 ${floor / 2}) rotate(-90)`}>
        GMAC/s
      </text>
      <path
        class="roof"
        d={`M${x(start)} ${y(start * bandwidthGBs)} L${x(corner)} ${y(peak)} H${x(10 ** high)}`}
      />
      <text class="axis strong" x={x(corner) - 10} y={y(peak) + 4} text-anchor="end">
        {Math.round(peak)} GMAC/s
      </text>
    </>
  );
}

function Points({
  points,
  scales,
}: {
  points: readonly RooflinePoint[];
  scales: Scales;
}): JSX.Element {
  const id = useSvgId();
  return useMemo(
    () => (
      <>
        <Patterns id={id} />
        {points.map((point) => {
          const circle = {
            cx: scales.x(point.intensity),
            cy: scales.y(point.speed),
            r: radiusOf(point),
          };
          const pattern = patternOf(point.mark, id);
          return (
            <g key={jobName(point)}>
              <circle {...circle} class={`mark point ${point.mark}`} />
              {pattern !== "none" && <circle {...circle} fill={pattern} />}
            </g>
          );
        })}
      </>
    ),
    [points, scales, id],
  );
}
