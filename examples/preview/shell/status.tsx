// What happens and what went wrong: progress of a compilation, errors, a cancelled compilation.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import type { Controller, State, Work } from "./controller.ts";
import type { Failure } from "./failure.ts";

/** A bar of a fixed height, so that nothing moves when it comes and goes. */
export function Progress({ work, cancel }: { work: Work | null; cancel(): void }): JSX.Element {
  const percent = Math.round((work?.done ?? 0) * 100);
  return (
    <div class={work ? "progress busy" : "progress"}>
      {work && (
        <>
          <div
            class="progress-track"
            role="progressbar"
            aria-label="Compiling"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={percent}
            aria-valuetext={`${work.stage}, ${percent} %`}
          >
            <div
              class="progress-bar"
              style={{ transform: `scaleX(${Math.max(0.02, work.done)})` }}
            />
          </div>
          <p class="progress-text">
            <span class="progress-stage">
              {work.cancelling ? "Cancelling after this pass" : "Compiling"}, {work.mode}:{" "}
              <b>{work.stage}</b>
            </span>
            <span class="number">{`${percent} %`}</span>
            <button type="button" class="button small" disabled={work.cancelling} onClick={cancel}>
              Cancel
            </button>
          </p>
        </>
      )}
    </div>
  );
}

/** The line that the command line tool prints, and where the error was found. */
export function FailureBox({ failure, title }: { failure: Failure; title: string }): JSX.Element {
  const { message, code, meaning, where } = failure;
  return (
    <div class="failure" role="alert">
      <h2>{title}</h2>
      <p class="failure-line">
        <b>error:</b> {message} <span class="code">[{code}]</span>
      </p>
      {meaning !== "" && <p class="muted">{meaning}</p>}
      {where.length > 0 && (
        <dl class="pairs">
          {where.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class="number">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {code === "TW_BUG" && <p>This is a bug in Tilewright; please report it with this text.</p>}
    </div>
  );
}

export function Cancelled({
  controller,
  state,
}: {
  controller: Controller;
  state: State;
}): JSX.Element {
  return (
    <div class="notice">
      <h2>Compilation cancelled</h2>
      <p class="muted">{state.source?.name} was not compiled.</p>
      <button type="button" class="button" onClick={() => void controller.compile()}>
        Compile again
      </button>
    </div>
  );
}
