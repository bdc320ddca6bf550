// A kernel's weights before and after encoding: a picture of the values, and the bits that they became.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { JobReport } from "../../../core-as/index.ts";
import type { PanelProps } from "../panel-types.ts";
import { grouped, percentText, plural } from "../shell/format.ts";
import { BitStream } from "./bits.tsx";
import { HeatMap, tapText } from "./heat-map.tsx";
import {
  AsTable,
  currentJob,
  Facts,
  JobChoice,
  jobName,
  Shown,
  Steps,
  useView,
  type Fact,
} from "./parts.tsx";
import { signed } from "./weight-text.ts";
import type { WeightsData } from "./weights-data.ts";

const hasKernels = ({ nn }: JobReport): boolean => nn?.coefficients !== null && nn !== null;

interface Chosen {
  /** With its compilation: the same job of another one has other cores. */
  job: string;
  core: number;
  kernel: number;
}

export function WeightsPanel(props: PanelProps): JSX.Element {
  const { compiled, selection, select } = props;
  const job = currentJob(compiled.report, selection, hasKernels);
  const nameOf = (of: { partition: number; job: number }): string =>
    `${compiled.key}/${jobName(of)}`;
  const name = job ? nameOf(job) : "";
  const [chosen, setChosen] = useState<Chosen>({ job: "", core: 0, kernel: 0 });
  // Another job starts with its first kernel.
  const { core, kernel } = chosen.job === name ? chosen : { core: 0, kernel: 0 };
  const args = job ? { partition: job.partition, job: job.job, core, kernel } : null;
  const view = useView<WeightsData>(props, "weights", args);
  if (!job) return <p class="notice">No job of this executable has kernels that can be read.</p>;
  return (
    <div class="hw-panel">
      <div class="choices-row">
        <JobChoice compiled={compiled} current={job} select={select} fits={hasKernels} />
        {view.data && (
          <KernelChoice
            data={view.data}
            choose={(next) => setChosen({ job: nameOf(view.data!), ...next })}
          />
        )}
      </div>
      <Shown view={view}>
        {(data) => (
          <Kernel key={`${jobName(data)}/${data.core}/${data.kernel}`} {...props} data={data} />
        )}
      </Shown>
    </div>
  );
}

function KernelChoice({
  data,
  choose,
}: {
  data: WeightsData;
  choose(next: { core: number; kernel: number }): void;
}): JSX.Element {
  const { kernelsOfCores, core, kernel } = data;
  const kernels = kernelsOfCores[core] ?? 1;
  return (
    <>
      <label class="field">
        <span>Core</span>
        <select
          value={core}
          onChange={(event) => choose({ core: Number(event.currentTarget.value), kernel: 0 })}
        >
          {kernelsOfCores.map((count, i) => (
            <option value={i} key={i}>
              {i} ({plural(count, "kernel")})
            </option>
          ))}
        </select>
      </label>
      <div class="choice">
        <label class="field">
          <span>Kernel</span>
          <input
            type="number"
            min={0}
            max={kernels - 1}
            value={kernel}
            onChange={(event) => {
              const wanted = Math.trunc(Number(event.currentTarget.value));
              choose({ core, kernel: Math.max(0, Math.min(kernels - 1, wanted || 0)) });
            }}
          />
        </label>
        <Steps
          what="kernel"
          at={kernel}
          count={kernels}
          go={(to) => choose({ core, kernel: to })}
        />
      </div>
    </>
  );
}

const bitsText = (bits: number): string => `${grouped(bits)} bits`;

function factsOf(data: WeightsData): Fact[] {
  const { figures, channel, runBits, symbolMap, superblock, bias, fields } = data;
  const { weights, zeros, rawBits, weightBits, wordBits, coreBits, coreWeights, jobBitsPerWeight } =
    figures;
  return [
    {
      name: "Output channel",
      value: channel === null ? "none" : String(channel),
      note: `superblock ${superblock}, bias word ${grouped(bias).replace("-", "−")}`,
    },
    {
      name: "Weights",
      value: grouped(weights),
      note: `${percentText(zeros / weights)} are the zero point ${fields.weightZeroPoint}`,
    },
    {
      name: "Before",
      value: bitsText(rawBits),
      note: "a byte for each weight",
    },
    {
      name: "After",
      value: bitsText(weightBits),
      note:
        fields.nnCoreVersion === 7
          ? `and ${bitsText(wordBits)} of bias and offset`
          : "its bias of 32 bits is behind all streams",
    },
    {
      name: "Bits a weight",
      value: (weightBits / weights).toFixed(2),
      note: `${(coreBits / coreWeights).toFixed(2)} in this core's stream${jobBitsPerWeight === null ? "" : `, ${jobBitsPerWeight.toFixed(2)} in the job's, padding counted`}`,
    },
    symbolMap === null
      ? {
          name: "Run width",
          value: runBits === 0 ? "none" : plural(runBits, "bit"),
          note:
            runBits === 0
              ? "each weight is a byte"
              : `up to ${plural(2 ** runBits - 1, "zero")} before a byte`,
        }
      : {
          name: "Symbols",
          value: symbolMap.join(" "),
          note: `bit lengths that symbols 0 to 7 stand for${runBits === 0 ? "" : `; zero runs of ${plural(runBits, "bit")}`}`,
        },
  ];
}

function Kernel(props: PanelProps & { data: WeightsData }): JSX.Element {
  const { data } = props;
  const [tap, setTap] = useState(0);
  /** Rises with every wish to see the bits of a weight. */
  const [wanted, setWanted] = useState({ tap: 0, turn: 0 });
  return (
    <>
      <Facts facts={factsOf(data)} />
      <div class="weights-pair">
        <section class="card">
          <h2>Weights</h2>
          <p class="muted">
            {planesText(data)}. Filled squares are above the zero point, hollow ones below, with
            areas in proportion to the largest of the kernel, {largestText(data)}. Click one to see
            its bits.
          </p>
          <HeatMap
            data={data}
            tap={tap}
            setTap={setTap}
            choose={(index) => setWanted(({ turn }) => ({ tap: index, turn: turn + 1 }))}
          />
          <p class="chart-line">{tapText(data, tap)}</p>
          <Origin data={data} />
          <AsTable
            caption="Weights"
            head={["Weight", ">Value", ">Byte"]}
            rows={() => tableRows(data)}
          />
        </section>
        <BitStream {...props} weights={data} wanted={wanted} setTap={setTap} />
      </div>
    </>
  );
}

/** The weight that is farthest from the zero point. */
function largestText({ weights }: WeightsData): string {
  const most = weights.reduce(
    (found, weight) => (Math.abs(weight) > Math.abs(found) ? weight : found),
    0,
  );
  return signed(most);
}

const planesText = ({ planes, fields }: WeightsData): string =>
  fields.kernelX * fields.kernelY === 1
    ? `${plural(planes, "input channel")}, one weight each`
    : `${plural(planes, "input channel")} of ${fields.kernelX}×${fields.kernelY} weights`;

/** A table of more rows than anybody reads would take long to draw. */
const MOST_ROWS = 2048;

function tableRows(data: WeightsData): string[][] {
  const { weights, fields } = data;
  const rows = [...weights.subarray(0, MOST_ROWS)].map((weight, tap) => [
    tapText(data, tap).split(":")[0]!,
    String(weight),
    String(weight + fields.weightZeroPoint),
  ]);
  if (weights.length > MOST_ROWS)
    rows.push([`and ${grouped(weights.length - MOST_ROWS)} more`, "", ""]);
  return rows;
}

/** Whether the model file has this very kernel. */
function Origin({ data: { inModel, hasModel } }: { data: WeightsData }): JSX.Element {
  return (
    <p class="muted small-text">
      {inModel
        ? `Value for value output channel ${inModel.channel} of the model's ${inModel.type} tensor “${inModel.tensor}”` +
          `${inModel.transposed ? ", rows and columns exchanged" : ""}` +
          `${inModel.plane === null ? "" : `: its plane is input channel ${inModel.plane}, the others are filled with the zero point`}.`
        : hasModel
          ? "The compiler put this kernel together: the model has no kernel with these values. Strides are folded into channels, and other operators become convolutions."
          : "An executable does not keep the model's weights; these are decoded from its bytes."}
    </p>
  );
}
