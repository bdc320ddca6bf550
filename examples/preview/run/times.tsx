// Times with the word for what they are worth: predicted for the chip, simulated on this computer, measured by a board.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import type { CompileReport, JobProfile } from "../../../core-as/index.ts";
import type { Selection } from "../panel-types.ts";
import { msText } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";

/** "1.234 ms predicted", with the range that the error of the prediction leaves. */
export function Predicted({ report }: { report: CompileReport }): JSX.Element {
  const { predictedMs, predictedRangeMs } = report.totals;
  if (predictedMs === null || predictedRangeMs === null)
    return <>nothing is predicted for this chip</>;
  const [low, high] = predictedRangeMs;
  return (
    <>
      <b>{msText(predictedMs)}</b> predicted
      <span class="muted small-text">
        {" "}
        ({msText(low)} to {msText(high)}; all NPU jobs, without operators on the CPU)
      </span>
    </>
  );
}

/** Evidence in words that claim nothing beyond it. */
export function worthOf(evidence: string): string {
  switch (evidence) {
    case "simulated":
      return "simulated, which says nothing about the chip";
    case "measured":
      return "measured";
    default:
      return "placeholders, since nothing was computed";
  }
}

/** Clocks of browsers tick in tenths of a millisecond. */
const observedText = (ms: number): string => (ms === 0 ? "below 0.1 ms" : msText(ms));

/** Times of a whole run on this computer: more digits would be noise. */
export const wallText = (ms: number): string => (ms < 10 ? msText(ms) : `${Math.round(ms)} ms`);

interface JobTimesProps {
  report: CompileReport;
  jobs: readonly JobProfile[];
  /** Head of the column of observed times, e.g. "simulated here". */
  observed: string;
  selection: Selection;
  select(selection: Selection): void;
}

/** Every job with its predicted and its observed time. */
export function JobTimes({
  report,
  jobs,
  observed,
  selection,
  select,
}: JobTimesProps): JSX.Element {
  const seen = new Map(jobs.map((job) => [`${job.partition}.${job.job}`, job]));
  return (
    <PlainTable
      caption="Predicted and observed time of every job"
      label="Times of jobs"
      region="job-times"
      head={["Job, for operator", ">Predicted", `>${observed}`]}
    >
      {report.jobs.map(({ partition, job, kind, op, sourceOp, sourceName, prediction }) => {
        const own = seen.get(`${partition}.${job}`);
        const isSelected = selection.partition === partition && selection.job === job;
        return (
          <tr key={`${partition}.${job}`} class={isSelected ? "selected" : undefined}>
            <th scope="row">
              <button
                type="button"
                class="link"
                onClick={() => select({ op: sourceOp, partition, job })}
              >
                {partition}.{job} {kind} {op}
              </button>{" "}
              <span class="muted job-of">
                #{sourceOp} {sourceName}
              </span>
            </th>
            <td class="number">{prediction ? msText(prediction.ms) : ""}</td>
            <td class="number">{own ? observedText(own.milliseconds) : "not told"}</td>
          </tr>
        );
      })}
    </PlainTable>
  );
}
