// The model on a picture, in the simulator.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { Check, WorkBar } from "../shell/controls.tsx";
import { FailureBox } from "../shell/status.tsx";
import { Answer } from "./answer.tsx";
import { Inputs } from "./inputs.tsx";
import {
  cancelSimulation,
  failureAt,
  inputBytes,
  runStore,
  simulate,
  type Outcome,
} from "./run-state.ts";
import { useStore } from "./store.ts";
import { Tensors } from "./tensors.tsx";
import { JobTimes, Predicted, wallText } from "./times.tsx";

export function RunPanel(props: PanelProps): JSX.Element {
  const state = useStore(runStore);
  const { outcome, info, inputs, running } = state;
  const failure = failureAt(state, props.compiled);
  const [profile, setProfile] = useState(false);
  const isCurrent = outcome?.key === props.compiled.key;
  const startsByItself = inputBytes(state) !== null && state.stopped !== props.compiled.key;
  // A picture that was just chosen, or the same one after another compilation, runs by itself.
  useEffect(() => {
    if (startsByItself && !isCurrent && running === null && failure === null)
      void simulate(props, profile);
  }, [inputs, props.compiled.key, startsByItself, running === null]);
  const shown = info?.inputs.findIndex(({ takesPicture }) => takesPicture) ?? 0;
  return (
    <div class="run">
      <div class="run-side">
        <Inputs {...props} />
        <Start {...props} profile={profile} setProfile={setProfile} />
      </div>
      <div class="run-main">
        {failure && <FailureBox failure={failure} title="This cannot be run" />}
        {outcome && isCurrent && info ? (
          <>
            <section class="card" aria-labelledby="answer-title">
              <h2 id="answer-title">Answer</h2>
              <p class="muted">
                Computed by the simulator from the bytes that the NPU would get, bit for bit.
              </p>
              <Answer
                answer={outcome.answer}
                input={info.inputs[Math.max(0, shown)]!}
                chosen={inputs[Math.max(0, shown)] ?? null}
              />
            </section>
            <Times {...props} outcome={outcome} />
            <Tensors infos={info.outputs} outputs={outcome.outputs} />
          </>
        ) : (
          failure === null && <Nothing running={running !== null || startsByItself} />
        )}
      </div>
    </div>
  );
}

const Nothing = ({ running }: { running: boolean }): JSX.Element => (
  <section class="card run-nothing" aria-busy={running}>
    <p class="muted">
      {running
        ? "The simulator computes …"
        : "Choose an input: the answer appears here. The simulator reads the bytes that the NPU would get, and nothing leaves the page."}
    </p>
  </section>
);

function Start({
  profile,
  setProfile,
  ...props
}: PanelProps & { profile: boolean; setProfile(profile: boolean): void }): JSX.Element {
  const state = useStore(runStore);
  const { running } = state;
  return (
    <section class="card start" aria-label="Simulation">
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={inputBytes(state) === null || running !== null}
          onClick={() => void simulate(props, profile)}
        >
          Run in the simulator
        </button>
        <button
          type="button"
          class="button"
          disabled={running === null || running.cancelling}
          onClick={() => cancelSimulation(props)}
        >
          Cancel
        </button>
      </div>
      <Check checked={profile} change={setProfile}>
        Time of every job, in a second run
      </Check>
      <WorkBar label="Simulating" done={running?.done} />
    </section>
  );
}

function Times({
  outcome,
  compiled: { report },
  selection,
  select,
}: PanelProps & { outcome: Outcome }): JSX.Element {
  const { timings, wallMs, jobs, evidence } = outcome;
  const sumOf = (kind: string): number =>
    timings.reduce((sum, step) => sum + (step.kind === kind ? step.milliseconds : 0), 0);
  return (
    <section class="card" aria-labelledby="times-title">
      <h2 id="times-title">Times</h2>
      <dl class="facts">
        <div>
          <dt>On {report.target.name}</dt>
          <dd>
            <Predicted report={report} />
          </dd>
        </div>
        <div>
          <dt>Simulation on this computer</dt>
          <dd>
            <b>{wallText(wallMs)}</b> wall time{" "}
            <span class="muted small-text">(says nothing about the chip)</span>
          </dd>
        </div>
        <div>
          <dt>of it NPU parts, CPU parts</dt>
          <dd>
            {wallText(sumOf("npu"))}, {wallText(sumOf("cpu"))}
          </dd>
        </div>
      </dl>
      {jobs && (
        <JobTimes
          report={report}
          jobs={jobs}
          observed={`${evidence} here`}
          selection={selection}
          select={select}
        />
      )}
    </section>
  );
}
