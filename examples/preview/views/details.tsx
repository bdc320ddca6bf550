// Everything about the operator or job that is selected, beside or above the panel.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { CompileReport, JobReport, OperatorReport } from "../../../core-as/index.ts";
import type { Selection } from "../panel-types.ts";
import type { State } from "../shell/controller.ts";
import { bytesText, grouped, msText, percentText, plural, sizesText } from "../shell/format.ts";
import { CloseIcon } from "../shell/icons.tsx";
import type { OpView, TensorView } from "./graph-data.ts";
import { cacheText, jobName, jobSelection, sizeText, unitText } from "./jobs.tsx";
import { PlaceTag } from "./table.tsx";

interface Props {
  state: State;
  select(selection: Selection): void;
}

/** Where keys go on choosing: the focus stays there while the details follow. */
const CHOOSING = "select, input, .steps *";

export function Details({ state, select }: Props): JSX.Element {
  const { selection, graph } = state;
  const { report } = state.shown!;
  const job = report.jobs.find(
    (each) => each.partition === selection.partition && each.job === selection.job,
  );
  const operator = report.operators[selection.op ?? job?.sourceOp ?? -1];
  const box = useRef<HTMLElement>(null);
  const back = useRef<Element | null>(null);
  // By keyboard, the focus follows to the details and returns when they close. With the same rendering
  // that shows them: a key pressed at once is meant for what is seen.
  useLayoutEffect(() => {
    const from = document.activeElement;
    if (!from?.matches(":focus-visible") || from.matches(CHOOSING)) return;
    if (box.current?.contains(from)) return;
    back.current = from;
    box.current?.focus();
  }, [selection]);
  // A link in the details goes away with them; the focus stays inside.
  const follow = (next: Selection): void => {
    box.current?.focus({ preventScroll: true });
    select(next);
  };
  const close = (): void => {
    const from = back.current as HTMLElement | null;
    select({});
    if (from?.isConnected) from.focus();
    else document.getElementById("panel")?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  return (
    <aside
      class="details"
      aria-label={job ? `Job ${jobName(job)}` : `Operator ${operator?.op} ${operator?.name}`}
      tabIndex={-1}
      ref={box}
      onKeyDown={onKeyDown}
    >
      <button type="button" class="button icon-only close" onClick={close}>
        <CloseIcon />
        <span class="hidden">Close details</span>
      </button>
      {job && <JobDetails job={job} select={follow} />}
      {operator && !job && (
        <OperatorDetails
          operator={operator}
          view={graph?.ops[operator.op]}
          report={report}
          select={follow}
        />
      )}
    </aside>
  );
}

type Fact = [name: string, value: ComponentChildren];

function Facts({ facts }: { facts: (Fact | null)[] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function OperatorDetails({
  operator,
  view,
  report,
  select,
}: {
  operator: OperatorReport;
  view: OpView | undefined;
  report: CompileReport;
  select: Props["select"];
}): JSX.Element {
  const { op, name, place, constraint, reason, evidence, macs, predictedMs, share } = operator;
  const jobs = report.jobs.filter(({ sourceOp }) => sourceOp === op);
  return (
    <>
      <p class="details-kind">Operator {op}</p>
      <h2>{name}</h2>
      <p>
        <PlaceTag place={place} /> {evidence && <span class="muted">{evidence}</span>}
      </p>
      {reason !== null && (
        <p class="reason">
          <code class="constraint">{constraint}</code> {reason}
        </p>
      )}
      <Facts
        facts={[
          ["Multiply-accumulates", grouped(macs)],
          predictedMs === null ? null : ["Predicted", msText(predictedMs)],
          share === null ? null : ["Share of time", percentText(share)],
          view?.partition == null ? null : ["Submit", view.partition],
        ]}
      />
      {view && <Tensors title="Inputs" tensors={view.inputs} />}
      {view && <Tensors title="Outputs" tensors={view.outputs} />}
      {view && view.options.length > 0 && (
        <>
          <h3>Options</h3>
          <Facts facts={view.options} />
        </>
      )}
      {place === "npu" && <JobList jobs={jobs} select={select} />}
    </>
  );
}

function Tensors({ title, tensors }: { title: string; tensors: TensorView[] }): JSX.Element {
  return (
    <>
      <h3>{title}</h3>
      <ul class="tensors">
        {tensors.map(({ id, name, type, shape, quant, constant }, i) => (
          <li key={`${i} ${id}`}>
            <p class="tensor-name">{name === "" ? `tensor ${id}` : name}</p>
            <p class="muted">
              <span class="number">{sizesText(shape)}</span> {type}
              {constant && ", constant"}
              {quant !== "" && <>; {quant}</>}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

function JobList({ jobs, select }: { jobs: JobReport[]; select: Props["select"] }): JSX.Element {
  return (
    <>
      <h3>{jobs.length === 0 ? "No job: nothing has to be done" : plural(jobs.length, "job")}</h3>
      <ul class="job-list">
        {jobs.map((job) => (
          <li key={jobName(job)}>
            <button type="button" class="link" onClick={() => select(jobSelection(job))}>
              <span class="number">{jobName(job)}</span> {unitText(job)} {job.op}
            </button>
            {job.prediction && <span class="number">{msText(job.prediction.ms)}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

function JobDetails({ job, select }: { job: JobReport; select: Props["select"] }): JSX.Element {
  const { sourceOp, sourceName, sourceTensor, input, output, nn, prediction } = job;
  const coefs = nn?.coefficients;
  return (
    <>
      <p class="details-kind">Job {jobName(job)}</p>
      <h2>
        {unitText(job)} {job.op}
      </h2>
      <p>
        for{" "}
        <button type="button" class="link" onClick={() => select({ op: sourceOp })}>
          #{sourceOp} {sourceName}
        </button>
      </p>
      <p class="tensor-name muted">{sourceTensor}</p>
      <Facts
        facts={[
          ["Input", sizeText(input)],
          output ? ["Output", sizeText(output)] : null,
          nn && ["Kernel", sizeText(nn.kernel)],
          nn && ["Tile", `${nn.tile.x}×${nn.tile.y}`],
          nn && ["Kernels a superblock", nn.kernelsPerSuperblock],
          nn && ["Image cache", cacheText(nn.imageCache, nn.imageCacheBytes)],
          nn && ["Kernel cache", cacheText(nn.kernelCache, nn.kernelCacheBytes)],
        ]}
      />
      {coefs && (
        <>
          <h3>Coefficients</h3>
          <Facts
            facts={[
              ["Bytes", grouped(coefs.bytes)],
              ["Weights", grouped(coefs.weights)],
              ["Bits a weight", coefs.bitsPerWeight.toFixed(2)],
              ["Zero-run width", coefs.zrlBits === 0 ? "off" : plural(coefs.zrlBits, "bit")],
              ["Superblocks", coefs.superblocks],
              ["Kernels a core", coefs.kernelsPerCore],
            ]}
          />
        </>
      )}
      {prediction && (
        <>
          <h3>Predicted</h3>
          <Facts
            facts={[
              ["Time", msText(prediction.ms)],
              ["Share of time", percentText(prediction.share)],
              ["Bound by", prediction.bound],
              ["Computing", msText(prediction.computeMs)],
              ["Moving", msText(prediction.memoryMs)],
              ["Cycles", grouped(prediction.cycles)],
              nn && ["Multipliers at work", percentText(prediction.utilisation)],
              ["Image from DRAM", bytesText(prediction.inputBytes)],
              ["Coefficients from DRAM", bytesText(prediction.coefficientBytes)],
              ["Written to DRAM", bytesText(prediction.outputBytes)],
              ["Saved by caches", bytesText(prediction.cachedBytes)],
            ]}
          />
        </>
      )}
    </>
  );
}
