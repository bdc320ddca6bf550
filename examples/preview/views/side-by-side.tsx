// The same model in both modes: totals and operators beside each other.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { CompileReport } from "../../../core-as/index.ts";
import type { Controller, State } from "../shell/controller.ts";
import { changeText, msText } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";
import { FailureBox } from "../shell/status.tsx";
import { compareTotals, placedAlike, verdict } from "./compare-data.ts";
import { PlaceTag } from "./table.tsx";

interface Props {
  controller: Controller;
  state: State;
}

export function SideBySide({ controller, state }: Props): JSX.Element {
  const { shown, other, otherFailure, source, work } = state;
  useEffect(() => void controller.compileOther(), [shown, other, otherFailure, work === null]);
  if (source?.kind === "twx")
    return (
      <p class="notice">
        An executable was opened, and it was compiled in one mode. Open the model to compare both.
      </p>
    );
  if (otherFailure?.code === "TW_IO_ABORTED")
    return <ComparisonCancelled controller={controller} />;
  if (otherFailure)
    return <FailureBox failure={otherFailure} title="The other mode does not compile" />;
  if (!other) return <div class="waiting compare-waiting" aria-busy="true" />;
  const [optimised, compatible] =
    shown!.mode === "optimised" ? [shown!.report, other.report] : [other.report, shown!.report];
  return (
    <div class="compare">
      <p class="muted">
        Compatible mode reproduces the reference driver; optimised mode is correct first, then fast.
        Both are priced with the same figures, {state.settings.chip}.
        {!placedAlike(optimised, compatible) &&
          " They leave different operators to the CPU, and sums over NPU jobs do not say which mode is better."}
      </p>
      <Totals optimised={optimised} compatible={compatible} />
      <Operators optimised={optimised} compatible={compatible} />
      <Notes compatible={compatible} />
    </div>
  );
}

function ComparisonCancelled({ controller }: { controller: Controller }): JSX.Element {
  const again = (): void => {
    // The button goes away with what it does.
    document.getElementById("panel")?.focus({ preventScroll: true });
    controller.compareAgain();
  };
  return (
    <div class="notice">
      <h2>Comparison cancelled</h2>
      <p class="muted">The other mode was not compiled.</p>
      <button type="button" class="button" onClick={again}>
        Compile the other mode
      </button>
    </div>
  );
}

function Totals({
  optimised,
  compatible,
}: {
  optimised: CompileReport;
  compatible: CompileReport;
}): JSX.Element {
  return (
    <PlainTable
      caption="Totals of both modes"
      head={["Figure", ">Optimised", ">Compatible", ">Change"]}
    >
      {compareTotals(optimised, compatible).map((row) => (
        <tr key={row.name}>
          <th scope="row">{row.name}</th>
          <td class="number strong">{row.optimised}</td>
          <td class="number">{row.compatible}</td>
          <td class={`number ${row.verdict}`}>{row.change}</td>
        </tr>
      ))}
    </PlainTable>
  );
}

function Operators({
  optimised,
  compatible,
}: {
  optimised: CompileReport;
  compatible: CompileReport;
}): JSX.Element {
  const most = useMemo(
    () =>
      Math.max(
        ...[optimised, compatible].flatMap(({ operators }) =>
          operators.map(({ predictedMs }) => predictedMs ?? 0),
        ),
      ),
    [optimised, compatible],
  );
  return (
    <>
      <h2>Operators</h2>
      <PlainTable
        caption="Operators in both modes"
        kind="compare-operators"
        head={[
          ">#",
          "Operator",
          { name: "Optimised", columns: 2 },
          { name: "Compatible", columns: 2 },
          ">Change",
        ]}
      >
        {optimised.operators.map((operator, i) => {
          const { op, name, predictedMs } = operator;
          const before = compatible.operators[i]!;
          const known = predictedMs !== null && before.predictedMs !== null;
          return (
            <tr key={op}>
              <td class="number">{op}</td>
              <th scope="row">{name}</th>
              <Side place={operator.place} ms={predictedMs} most={most} />
              <Side place={before.place} ms={before.predictedMs} most={most} />
              <td class={`number ${known ? verdict(predictedMs, before.predictedMs!, -1) : ""}`}>
                {known ? changeText(predictedMs, before.predictedMs!) : "–"}
              </td>
            </tr>
          );
        })}
      </PlainTable>
    </>
  );
}

function Side({
  place,
  ms,
  most,
}: {
  place: "npu" | "cpu";
  ms: number | null;
  most: number;
}): JSX.Element {
  return (
    <>
      <td class="side-place">
        <PlaceTag place={place} />
      </td>
      <td class="side-time">
        {ms !== null && (
          <>
            <span class="number">{msText(ms)}</span>
            <span class="bar" aria-hidden="true">
              <span style={{ transform: `scaleX(${most === 0 ? 0 : ms / most})` }} />
            </span>
          </>
        )}
      </td>
    </>
  );
}

function Notes({ compatible }: { compatible: CompileReport }): JSX.Element | null {
  if (compatible.warnings.length === 0) return null;
  return (
    <section class="card warnings" aria-labelledby="notes-title">
      <h2 id="notes-title">Warnings of compatible mode</h2>
      <ul>
        {compatible.warnings.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </section>
  );
}
