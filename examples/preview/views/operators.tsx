// Table of all operators: where each runs and why, what it costs.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { CompileReport, OperatorReport } from "../../../core-as/index.ts";
import type { Selection } from "../panel-types.ts";
import { amountText, endOf, grouped, msText, percentText, plural } from "../shell/format.ts";
import { DataTable, TextFilter, PlaceTag, ShareBar, type Column } from "./table.tsx";

export interface TableProps {
  report: CompileReport;
  sort: string;
  setSort(sort: string): void;
  selection: Selection;
  select(selection: Selection): void;
}

/** Why an operator is where it is: the sentence for the CPU, the evidence for the NPU. */
const whyText = ({ reason, evidence }: OperatorReport): string => reason ?? evidence ?? "";

function columnsOf(report: CompileReport, select: TableProps["select"]): Column<OperatorReport>[] {
  const most = Math.max(0, ...report.operators.map(({ share }) => share ?? 0));
  return [
    { id: "op", title: "#", numeric: true, value: ({ op }) => op },
    {
      id: "name",
      title: "Operator",
      value: ({ name }) => name,
      cell: ({ op, name }) => (
        <button
          type="button"
          class="link"
          onClick={(event) => (event.stopPropagation(), select({ op }))}
        >
          {name}
        </button>
      ),
    },
    {
      id: "place",
      title: "Runs on",
      value: ({ place }) => place,
      cell: ({ place }) => <PlaceTag place={place} />,
    },
    {
      id: "time",
      title: "Predicted",
      numeric: true,
      value: ({ predictedMs }) => predictedMs,
      cell: ({ predictedMs }) => (predictedMs === null ? "–" : msText(predictedMs)),
    },
    {
      id: "share",
      title: "Share",
      numeric: true,
      value: ({ share }) => share,
      cell: ({ share }) =>
        share === null ? (
          "–"
        ) : (
          <ShareBar share={most === 0 ? 0 : share / most} text={percentText(share)} />
        ),
    },
    {
      id: "macs",
      title: "MACs",
      numeric: true,
      value: ({ macs }) => macs,
      cell: ({ macs }) => <span title={grouped(macs)}>{amountText(macs)}</span>,
    },
    { id: "jobs", title: "Jobs", numeric: true, value: ({ jobs }) => jobs },
    {
      id: "output",
      title: "Output",
      kind: "name",
      value: ({ output }) => output,
      cell: ({ output }) => <span title={output}>{endOf(output, 34)}</span>,
    },
    {
      id: "why",
      title: "Why the CPU, or evidence for the NPU",
      kind: "sentence",
      value: whyText,
      cell: (operator) => (
        <>
          {operator.constraint !== null && <code class="constraint">{operator.constraint}</code>}{" "}
          {whyText(operator)}
        </>
      ),
    },
  ];
}

export function OperatorsPanel(props: TableProps): JSX.Element {
  const { report, sort, setSort, selection, select } = props;
  const [text, setText] = useState("");
  const [place, setPlace] = useState("");
  const columns = useMemo(() => columnsOf(report, select), [report, select]);
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return report.operators.filter((operator) => {
      const { op, name, output, constraint } = operator;
      const words = `#${op} ${name} ${output} ${constraint ?? ""} ${whyText(operator)}`;
      return (place === "" || operator.place === place) && words.toLowerCase().includes(wanted);
    });
  }, [report, text, place]);
  return (
    <div class="table-panel">
      <div class="filters" role="search" aria-label="Filter operators">
        <TextFilter placeholder="Name, output, reason" text={text} setText={setText} />
        <label class="field">
          <span>Runs on</span>
          <select value={place} onChange={(event) => setPlace(event.currentTarget.value)}>
            <option value="">anywhere</option>
            <option value="npu">NPU</option>
            <option value="cpu">CPU</option>
          </select>
        </label>
        <p class="filter-count" role="status">
          {grouped(rows.length)} of {plural(report.operators.length, "operator")}
        </p>
      </div>
      <DataTable
        caption="Operators"
        columns={columns}
        rows={rows}
        rowKey={({ op }) => String(op)}
        sort={sort}
        setSort={setSort}
        isSelected={({ op }) => selection.op === op}
        onSelect={({ op }) => select({ op })}
      />
    </div>
  );
}
