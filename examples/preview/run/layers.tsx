// Layer by layer: how far each operator's values on the NPU are from the reference's, on the chosen inputs.
// SPDX-License-Identifier: MIT
import { proxy } from "comlink";
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import {
  differenceOf,
  firstText,
  snrText,
  type AccuracyReport,
  type Comparison,
  type LayerAccuracy,
  type TensorDifference,
} from "../../../core-as/index.ts";
import type { PanelProps } from "../panel-types.ts";
import { Check, WorkBar } from "../shell/controls.tsx";
import { failureOf, isAborted, type Failure } from "../shell/failure.ts";
import { grouped, percentText, plural, sizesText } from "../shell/format.ts";
import { FailureBox } from "../shell/status.tsx";
import { DataTable, PlaceTag, type Column } from "../views/table.tsx";
import { Histogram, Spark } from "./histogram.tsx";
import { Inputs } from "./inputs.tsx";
import { inputBytes, inputFailureAt, runStore } from "./run-state.ts";
import { Store, useStore } from "./store.ts";

interface LayersState {
  /** The compilation and the inputs that the report or the failure is of. */
  key: string;
  inputs: readonly unknown[];
  report: AccuracyReport | null;
  running: { what: string; done: number } | null;
  failure: Failure | null;
}

const layersStore = new Store<LayersState>({
  key: "",
  inputs: [],
  report: null,
  running: null,
  failure: null,
});

async function compare({ compiled, service }: PanelProps, float: boolean): Promise<void> {
  const inputs = inputBytes(runStore.value);
  if (inputs === null || !compiled.options || layersStore.value.running) return;
  const { key, options } = compiled;
  const chosen = runStore.value.inputs;
  const name = chosen.map((input) => input!.name).join(", ");
  layersStore.set({ running: { what: "start", done: 0 }, failure: null });
  const progress = proxy((what: string, done: number): void => {
    if (layersStore.value.running) layersStore.set({ running: { what, done } });
  });
  try {
    const args = { key, options, inputs, name, float };
    const report = (await service.view("layers", args, progress)) as AccuracyReport;
    layersStore.set({ key, inputs: chosen, report, running: null });
  } catch (error) {
    layersStore.set({ running: null });
    if (!isAborted(error))
      layersStore.set({ key, inputs: chosen, report: null, failure: failureOf(error) });
  }
}

export function LayersPanel(props: PanelProps): JSX.Element {
  const { compiled } = props;
  const state = useStore(layersStore);
  const run = useStore(runStore);
  const isCurrent = state.key === compiled.key && state.inputs === run.inputs;
  const failure = isCurrent ? state.failure : null;
  const ofInput = inputFailureAt(run, compiled);
  if (compiled.kind === "twx")
    return (
      <div class="card">
        <h2>Compare layers</h2>
        <p>
          An executable holds no weights to compute a reference with. Open the .tflite that it was
          compiled from.
        </p>
      </div>
    );
  return (
    <div class="run">
      <div class="run-side">
        <Inputs {...props} />
        <Start {...props} />
      </div>
      <div class="run-main">
        {ofInput && <FailureBox failure={ofInput} title="This cannot be run" />}
        {failure && <FailureBox failure={failure} title="This cannot be compared" />}
        {state.report && isCurrent ? (
          <Report {...props} report={state.report} />
        ) : (
          !failure && !ofInput && <Explanation running={state.running !== null} />
        )}
      </div>
    </div>
  );
}

const Explanation = ({ running }: { running: boolean }): JSX.Element => (
  <section class="card run-nothing" aria-busy={running}>
    <p class="muted">
      {running
        ? "The layers are compared …"
        : "Choose an input and compare: every operator's values on the NPU, simulated bit for bit, beside those of TFLite's integer reference."}
    </p>
  </section>
);

function Start(props: PanelProps): JSX.Element {
  const run = useStore(runStore);
  const { running } = useStore(layersStore);
  const [float, setFloat] = useState(false);
  return (
    <section class="card start" aria-label="Comparison">
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={inputBytes(run) === null || running !== null}
          onClick={() => void compare(props, float)}
        >
          Compare layers
        </button>
        <button
          type="button"
          class="button"
          disabled={running === null}
          onClick={() => void props.service.cancelViews("layers")}
        >
          Cancel
        </button>
      </div>
      <Check checked={float} change={setFloat}>
        Also with a float evaluation; slower
      </Check>
      <WorkBar label="Comparing" done={running?.done} text={running?.what ?? "not started"} />
      <p class="muted small-text progress-line">{running?.what}</p>
    </section>
  );
}

/** What a row shows. */
interface Row {
  layer: LayerAccuracy;
  difference: TensorDifference | null;
}

const whole = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toPrecision(4);

const numberColumn = (
  id: string,
  title: string,
  value: (difference: TensorDifference) => number | null,
  text: (difference: TensorDifference) => ComponentChildren,
): Column<Row> => ({
  id,
  title,
  numeric: true,
  value: ({ difference }) => (difference ? value(difference) : null),
  cell: ({ difference }) => (difference ? text(difference) : "–"),
});

const COLUMNS: readonly Column<Row>[] = [
  { id: "op", title: "#", numeric: true, value: ({ layer }) => layer.op },
  {
    id: "name",
    title: "Operator",
    value: ({ layer }) => layer.name,
    cell: ({ layer }) => <span class="row-name">{layer.name}</span>,
  },
  {
    id: "place",
    title: "Place",
    value: ({ layer }) => layer.place,
    cell: ({ layer }) => <PlaceTag place={layer.place} />,
  },
  numberColumn(
    "max",
    "Max",
    ({ max }) => max,
    ({ max }) => whole(max),
  ),
  numberColumn(
    "mean",
    "Mean",
    ({ mean }) => mean,
    ({ mean }) => mean.toFixed(4),
  ),
  numberColumn(
    "cosine",
    "Cosine",
    ({ cosine }) => cosine,
    ({ cosine }) => cosine.toFixed(6),
  ),
  numberColumn(
    "snr",
    "dB",
    ({ snrDb, different }) => snrDb ?? (different === 0 ? 1e9 : null),
    snrText,
  ),
  numberColumn(
    "within",
    "Within 1",
    ({ within1 }) => within1,
    ({ within1 }) => percentText(within1),
  ),
  numberColumn(
    "channel",
    "Worst channel",
    ({ worstChannel }) => worstChannel?.channel ?? null,
    ({ worstChannel }) =>
      worstChannel ? `${worstChannel.channel} (max ${whole(worstChannel.max)})` : "none",
  ),
  {
    id: "histogram",
    title: "Differences",
    value: ({ difference }) => difference?.different ?? null,
    cell: ({ difference }) => difference && <Spark bins={difference.histogram} />,
  },
];

function Report({
  report,
  selection,
  select,
}: PanelProps & { report: AccuracyReport }): JSX.Element {
  const { layers, wholeModel, notes, evidence } = report;
  const [comparison, setComparison] = useState<Comparison>("alone");
  const [float, setFloat] = useState(false);
  const [sort, setSort] = useState("");
  const hasFloat = layers.some((layer) => layer.float);
  const byFloat = float && hasFloat;
  const rows = layers.map((layer) => ({
    layer,
    difference: differenceOf(layer, comparison, byFloat),
  }));
  const selected = rows.find(({ layer }) => layer.op === selection.op);
  const equal = rows.filter(({ difference }) => difference?.different === 0).length;
  return (
    <>
      <section class="card">
        <h2>Compare layers</h2>
        <p class="muted">
          Values of the NPU are {evidence}. Differences are in steps of the stored integers.
        </p>
        <dl class="facts">
          {wholeModel.map((output, i) => (
            <div key={i}>
              <dt>Output {output.name} of the whole model</dt>
              <dd>{outputText(output)}</dd>
            </div>
          ))}
        </dl>
        {notes.map((note) => (
          <p key={note} class="small-text">
            {note}
          </p>
        ))}
      </section>
      <div class="filters">
        <Segments
          name="comparison"
          legend="Inputs of the layers"
          words={{ alone: "each alone", chained: "behind the others" } as const}
          value={comparison}
          change={(word) => setComparison(word)}
        />
        {hasFloat && (
          <Segments
            name="reference"
            legend="Compared with"
            words={{ integer: "integer reference", float: "float" }}
            value={float ? "float" : "integer"}
            change={(word) => setFloat(word === "float")}
          />
        )}
        <span class="filter-count">
          {equal} of {plural(rows.length, "layer")} equal
        </span>
      </div>
      <div class="layers table-panel">
        <DataTable
          caption="Differences of every layer"
          columns={COLUMNS}
          rows={rows}
          rowKey={({ layer }) => String(layer.op)}
          sort={sort}
          setSort={setSort}
          isSelected={({ layer }) => layer.op === selection.op}
          onSelect={({ layer }) => select({ op: layer.op })}
        />
      </div>
      {rows.length > 0 && (
        <Layer row={selected ?? worstOf(rows)} isChosen={selected !== undefined} />
      )}
    </>
  );
}

const worstOf = (rows: readonly Row[]): Row =>
  rows.reduce((a, b) => ((b.difference?.max ?? -1) > (a.difference?.max ?? -1) ? b : a));

function outputText({ different, elements, max }: TensorDifference): string {
  if (different === 0) return "equal to the reference's in every byte";
  return `${grouped(different)} of ${grouped(elements)} elements differ, at most by ${whole(max)}`;
}

function Layer({
  row: { layer, difference },
  isChosen,
}: {
  row: Row;
  isChosen: boolean;
}): JSX.Element {
  return (
    <section class="card" aria-live="polite">
      <h2>
        {isChosen ? "" : "Furthest off: "}#{layer.op} {layer.name}
      </h2>
      <p class="muted">
        <span class="tensor-name">{layer.output}</span> {layer.type} {sizesText(layer.shape)}
        {layer.method !== null && `; ${layer.method}`}
      </p>
      {difference === null ? (
        <p>
          {layer.place === "cpu"
            ? "It runs on the CPU, as the reference itself."
            : "Its own values could not be read."}
        </p>
      ) : (
        <>
          <Histogram bins={difference.histogram} elements={difference.elements} />
          {difference.first !== null && (
            <p class="small-text">
              First difference, reference / NPU: {firstText(layer.shape, difference)}
            </p>
          )}
        </>
      )}
    </section>
  );
}

function Segments<W extends string>({
  name,
  legend,
  words,
  value,
  change,
}: {
  name: string;
  legend: string;
  words: Readonly<Record<W, string>>;
  value: W;
  change(word: W): void;
}): JSX.Element {
  return (
    <fieldset class="segments">
      <legend>{legend}</legend>
      {(Object.keys(words) as W[]).map((word) => (
        <label key={word}>
          <input type="radio" name={name} checked={word === value} onChange={() => change(word)} />
          <span>{words[word]}</span>
        </label>
      ))}
    </fieldset>
  );
}
