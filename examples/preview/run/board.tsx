// The same picture on a board: an address and a token, then predicted and observed times side by side.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { Check } from "../shell/controls.tsx";
import { bytesText, grouped, msText } from "../shell/format.ts";
import { FailureBox } from "../shell/status.tsx";
import { Answer } from "./answer.tsx";
import {
  boardStore,
  connect,
  disconnect,
  runBoard,
  type BoardOutcome,
  type BoardProblem,
} from "./board-state.ts";
import { Inputs } from "./inputs.tsx";
import { inputBytes, inputFailureAt, runStore } from "./run-state.ts";
import { useStore } from "./store.ts";
import { JobTimes, Predicted, wallText, worthOf } from "./times.tsx";

export function BoardPanel(props: PanelProps): JSX.Element {
  const { failure, outcome, status } = useStore(boardStore);
  const run = useStore(runStore);
  const { key } = props.compiled;
  const isCurrent = outcome?.key === key && outcome.inputs === run.inputs;
  const ofRun = failure?.about === "run" && failure.key === key ? failure : null;
  const ofInput = inputFailureAt(run, props.compiled);
  return (
    <div class="run">
      <div class="run-side">
        <Connection />
        {failure?.about === "connection" && <Problem problem={failure} />}
        <Identity {...props} />
        <Inputs {...props} />
        <Start {...props} />
      </div>
      <div class="run-main">
        {ofInput && <FailureBox failure={ofInput} title="This cannot be run" />}
        {ofRun && <Problem problem={ofRun} />}
        {outcome && isCurrent ? (
          <Outcome {...props} outcome={outcome} />
        ) : (
          !ofRun && !ofInput && <Explanation status={status} />
        )}
      </div>
    </div>
  );
}

const Problem = ({ problem }: { problem: BoardProblem }): JSX.Element => (
  <div class="with-hint">
    <FailureBox failure={problem.failure} title={problem.title} />
    <Hint code={problem.failure.code} />
  </div>
);

const Explanation = ({ status }: { status: string }): JSX.Element => (
  <section class="card run-nothing">
    <p class="muted">
      {status === "open"
        ? "Choose an input, then run it on the board: its answer and its times appear here, beside the simulator's and the predicted ones."
        : "Connect to a board to see its answer and its times beside the simulator's and the predicted ones. The agent there has to allow this page:"}
      {status !== "open" && (
        <>
          <br />
          <code>tilewright serve --allow-origin {location.origin}</code>
        </>
      )}
    </p>
  </section>
);

/** Unencrypted, and not to this computer. */
function isOpen(url: string): boolean {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol !== "ws:") return false;
  return !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(parsed.hostname);
}

function Connection(): JSX.Element {
  const { url, status } = useStore(boardStore);
  const [address, setAddress] = useState(url);
  const [plaintext, setPlaintext] = useState(false);
  // Not a state: the token is read once, when it is sent.
  const token = useRef<HTMLInputElement>(null);
  const isBusy = status === "connecting" || status === "open";
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isBusy) void disconnect();
    else void connect(address.trim(), token.current!.value.trim(), plaintext);
  };
  return (
    <form
      class="card connection"
      aria-labelledby="board-title"
      autocomplete="off"
      onSubmit={submit}
    >
      <h2 id="board-title">Board</h2>
      <label class="stacked">
        <span>Address</span>
        <input
          type="text"
          inputMode="url"
          name="board-address"
          autocomplete="off"
          spellcheck={false}
          placeholder="wss://board:9370"
          value={address}
          disabled={isBusy}
          onInput={(event) => setAddress(event.currentTarget.value)}
        />
      </label>
      <label class="stacked">
        <span>Token, if it wants one</span>
        <input
          ref={token}
          type="password"
          name="board-token"
          autocomplete="off"
          disabled={isBusy}
          aria-describedby="token-note"
        />
      </label>
      <p class="muted small-text" id="token-note">
        Sent in the first frame when you connect; never stored, never part of a link.
      </p>
      <p class="muted small-text">
        <b>Nothing leaves the page before you press a button.</b> Connect sends the token to this
        address and nothing else; Run sends the executable, which holds the model's weights, and the
        input.
      </p>
      {isOpen(address) && (
        <Check checked={plaintext} change={setPlaintext} disabled={isBusy}>
          Send the token unencrypted: everybody on the network can read it
        </Check>
      )}
      <div class="row">
        <button type="submit" class={isBusy ? "button" : "button primary"}>
          {status === "connecting" ? "Give up" : status === "open" ? "Disconnect" : "Connect"}
        </button>
        <span class={`board-status ${status}`} role="status">
          {STATUS[status]}
        </span>
      </div>
    </form>
  );
}

const STATUS = {
  closed: "not connected",
  connecting: "connecting …",
  open: "connected",
  lost: "connection lost",
} as const;

/** What to do about an error, where that is known here. */
function Hint({ code }: { code: string }): JSX.Element | null {
  const { url } = boardStore.value;
  switch (code) {
    case "TW_IO_CONNECT":
      return (
        <p class="small-text">
          Browsers tell pages no reason. Is the agent running there, and does it allow this page?
          Start it with <code>tilewright serve --allow-origin {location.origin}</code>.
          {location.protocol === "https:" &&
            url.startsWith("ws:") &&
            " This page came encrypted: browsers then reach boards by wss:// only."}
        </p>
      );
    case "TW_IO_AUTH":
      return (
        <p class="small-text">
          The token is the text of the file that the agent was given with <code>--token-file</code>.
        </p>
      );
    case "TW_EXE_CHIP":
      return (
        <p class="small-text">
          Choose the board's chip at the top of the page; the model is then compiled for it.
        </p>
      );
    case "TW_IO_LOST":
      return (
        <p class="small-text">
          Press Connect to try again; a run under way may or may not have ended there.
        </p>
      );
    default:
      return null;
  }
}

/** Who the board says that it is. */
function Identity({ compiled }: PanelProps): JSX.Element | null {
  const { capabilities } = useStore(boardStore);
  if (capabilities === null) return null;
  const { chip, chipName, transport, device, evidence, agentVersion, limits } = capabilities;
  const ids = [chip.model, chip.revision, chip.productId, chip.ecoId, chip.customerId];
  const rows: [string, string][] = [
    ["Chip", chipName || "unknown to the board"],
    ["Ids", ids.map((id) => id.toString(16)).join(":")],
    ["Device", `${device} (${transport})`],
    ["Results are", evidence === "none" ? "placeholders" : evidence],
    ["Agent", agentVersion],
    ["Runs at a time", String(limits.runs)],
  ];
  return (
    <section class="card" aria-label="Identity of the board">
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {chipName !== compiled.chip && (
        <p class="mismatch small-text">
          The model is compiled for {compiled.chip}. Choose {chipName || "the board's chip"} at the
          top of the page to run it here.
        </p>
      )}
    </section>
  );
}

function Start(props: PanelProps): JSX.Element {
  const { status, running, upload } = useStore(boardStore);
  const run = useStore(runStore);
  const [profile, setProfile] = useState(true);
  const ready = status === "open" && inputBytes(run) !== null && !running;
  const share = upload === null ? 0 : upload.sent / Math.max(1, upload.total);
  return (
    <section class="card start" aria-label="Run on the board">
      <button
        type="button"
        class="button primary"
        disabled={!ready}
        onClick={() => void runBoard(props, profile)}
      >
        Run on the board
      </button>
      <Check checked={profile} change={setProfile}>
        Time of every job, in a second run
      </Check>
      <p class="muted small-text progress-line" role="status">
        {running && upload && share < 1
          ? `uploading ${bytesText(upload.sent)} of ${bytesText(upload.total)}`
          : running
            ? "running …"
            : ""}
      </p>
    </section>
  );
}

function Outcome(props: PanelProps & { outcome: BoardOutcome }): JSX.Element {
  const { outcome, compiled, selection, select } = props;
  const { info, inputs } = useStore(runStore);
  const { evidence, milliseconds, roundTripMs, differences, jobs } = outcome;
  const shown = Math.max(0, info?.inputs.findIndex(({ takesPicture }) => takesPicture) ?? 0);
  const { report } = compiled;
  const observed = jobs?.reduce((sum, job) => sum + job.milliseconds, 0);
  return (
    <>
      <section class="card" aria-labelledby="board-times-title">
        <h2 id="board-times-title">
          Predicted and {evidence === "measured" ? "measured" : "observed"}
        </h2>
        <p class="muted">The board says that its results are {worthOf(evidence)}.</p>
        <dl class="facts">
          <div>
            <dt>Predicted for {report.target.name}</dt>
            <dd>
              <Predicted report={report} />
            </dd>
          </div>
          <div>
            <dt>Inference on the board</dt>
            <dd>
              <b>{milliseconds === undefined ? "not told" : msText(milliseconds)}</b> {evidence}
            </dd>
          </div>
          {observed !== undefined && (
            <div>
              <dt>Sum of its jobs, each a submit of its own</dt>
              <dd>
                <b>{msText(observed)}</b> {evidence}
              </dd>
            </div>
          )}
          <div>
            <dt>There and back, network included</dt>
            <dd>{wallText(roundTripMs)}</dd>
          </div>
          {differences.map(({ name, elements, different, max }, i) => (
            <div key={i}>
              <dt>Output {name}</dt>
              <dd class={different === 0 ? "good" : "bad"}>
                {different === 0
                  ? "equal to the simulator's, byte for byte"
                  : `${grouped(different)} of ${grouped(elements)} elements differ from the simulator's, at most by ${Number(max.toPrecision(4))}`}
              </dd>
            </div>
          ))}
        </dl>
        {jobs ? (
          <JobTimes
            report={report}
            jobs={jobs}
            observed={`${evidence} on the board`}
            selection={selection}
            select={select}
          />
        ) : null}
      </section>
      {info && (
        <section class="card" aria-labelledby="board-answer-title">
          <h2 id="board-answer-title">Answer of the board</h2>
          <Answer
            answer={outcome.answer}
            input={info.inputs[shown]!}
            chosen={inputs[shown] ?? null}
          />
        </section>
      )}
    </>
  );
}
