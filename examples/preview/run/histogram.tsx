// Differences of a tensor by size. Bars are logarithmic: one element among a million is what one looks for.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import type { HistogramBin } from "../../../core-as/index.ts";
import { grouped } from "../shell/format.ts";

/** Height of a bar, 0..1; anything above nothing is seen. */
function heightOf(count: number, most: number): number {
  return count === 0 ? 0 : Math.max(0.06, Math.log(count + 1) / Math.log(most + 1));
}

const mostOf = (bins: readonly HistogramBin[]): number =>
  Math.max(1, ...bins.map(({ count }) => count));

/** "0", "−4 to −7", "32 and more" */
function binText({ from, to }: HistogramBin): string {
  const number = (value: number): string => String(value).replace("-", "−");
  if (from === null) return `${number(to!)} and less`;
  if (to === null) return `${number(from)} and more`;
  return from === to ? number(from) : `${number(from)} to ${number(to)}`;
}

/** For a table's cell. */
export function Spark({ bins }: { bins: readonly HistogramBin[] }): JSX.Element {
  const most = mostOf(bins);
  const outside = bins.filter(({ from, count }) => from !== 0 && count > 0);
  const said = outside.map((bin) => `${binText(bin)}: ${grouped(bin.count)}`).join("; ");
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${bins.length * 5} 18`}
      width={bins.length * 5}
      height="18"
      role="img"
      aria-label={said === "" ? "no differences" : `differences ${said}`}
    >
      {bins.map(({ from, count }, i) => {
        const height = 18 * heightOf(count, most);
        const kind = from === 0 ? "bin zero" : "bin";
        return <rect key={i} class={kind} x={i * 5} y={18 - height} width="4" height={height} />;
      })}
    </svg>
  );
}

export function Histogram({
  bins,
  elements,
}: {
  bins: readonly HistogramBin[];
  elements: number;
}): JSX.Element {
  const most = mostOf(bins);
  return (
    <div
      class="histogram-scroll"
      role="region"
      tabIndex={0}
      aria-label="Elements by difference from the reference, in steps"
    >
      <ol class="histogram">
        {bins.map((bin, i) => (
          <li key={i} title={`${binText(bin)}: ${grouped(bin.count)} of ${grouped(elements)}`}>
            <span class="histogram-count number">{bin.count === 0 ? "" : grouped(bin.count)}</span>
            <span class="histogram-track" aria-hidden="true">
              <span
                class={bin.from === 0 ? "bin zero" : "bin"}
                style={{ transform: `scaleY(${heightOf(bin.count, most)})` }}
              />
            </span>
            <span class="histogram-name number">{shortText(bin)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The same in the width of a bar. */
function shortText({ from, to }: HistogramBin): string {
  const number = (value: number): string => String(value).replace("-", "−");
  if (from === null) return `≤${number(to!)}`;
  if (to === null) return `≥${number(from)}`;
  // The end that is closer to zero comes first on both sides.
  return from === to ? number(from) : from > 0 ? `${from}…` : `…${number(to)}`;
}
