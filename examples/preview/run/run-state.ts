// The inputs that were chosen for a model, and what it made of them. One for the page: the panels of this folder share it.
// SPDX-License-Identifier: MIT
import { proxy, type Remote } from "comlink";
import { TransportError, type JobProfile, type SubmitResult } from "../../../core-as/index.ts";
import type { Compiled, PanelProps } from "../panel-types.ts";
import type { PreviewService } from "../service.ts";
import { failureOf, isAborted, type Failure } from "../shell/failure.ts";
import type { PictureView, Shown } from "./picture-data.ts";
import type { AnswerView, RunInfo } from "./run-data.ts";
import { Store } from "./store.ts";

export interface ChosenInput {
  name: string;
  bytes: Uint8Array;
  /** Of a picture. */
  shown: Shown | null;
}

export interface Labels {
  name: string;
  lines: string[];
}

export interface Outcome extends Pick<SubmitResult, "outputs" | "evidence" | "timings"> {
  /** The compilation that ran. */
  key: string;
  answer: AnswerView;
  /** From the request to the answer, on this machine. */
  wallMs: number;
  jobs: JobProfile[] | null;
}

/** What went wrong with the inputs of a compilation, or with its run. */
export interface RunFailure extends Failure {
  key: string;
  about: "input" | "run";
}

export interface RunState {
  /** What the state belongs to; "" before any model. */
  model: string;
  info: RunInfo | null;
  inputs: (ChosenInput | null)[];
  labels: Labels | null;
  /** Share of the simulation that is done, 0..1; null while nothing runs. */
  running: { done: number; cancelling: boolean } | null;
  /** The compilation whose run the reader stopped: it does not start again by itself. */
  stopped: string | null;
  /** Of the inputs above. */
  outcome: Outcome | null;
  failure: RunFailure | null;
}

const NOTHING: RunState = {
  model: "",
  info: null,
  inputs: [],
  labels: null,
  running: null,
  stopped: null,
  outcome: null,
  failure: null,
};

export const runStore = new Store<RunState>(NOTHING);

/** Classes that are listed. */
const TOP = 5;

/**
 * Another model, not the same in another mode or for another chip. Where browsers compute no digest (pages without encryption) the number
 * of the opened file, which keys begin with, stands for it.
 */
const modelOf = ({ name, report, key }: Compiled): string =>
  `${name} ${report.model.sha256 || key.split(" ")[0]}`;

/** What went wrong with this compilation; what was said of another one does not concern it. */
export const failureAt = ({ failure }: RunState, { key }: Compiled): RunFailure | null =>
  failure?.key === key ? failure : null;

/** The same of its inputs only: other panels than Run do not say how its run failed. */
export function inputFailureAt(state: RunState, compiled: Compiled): RunFailure | null {
  const failure = failureAt(state, compiled);
  return failure?.about === "input" ? failure : null;
}

/** Bytes of all inputs in the model's order; null while one is missing. */
export function inputBytes({ inputs, info }: RunState): Uint8Array[] | null {
  if (info === null || inputs.length !== info.inputs.length) return null;
  return inputs.every((input) => input !== null) ? inputs.map((input) => input!.bytes) : null;
}

/** Asks what the model takes; forgets what was chosen for another one. */
export async function openModel({ compiled, service }: PanelProps): Promise<void> {
  const model = modelOf(compiled);
  const isNew = runStore.value.model !== model;
  if (isNew) runStore.set({ ...NOTHING, model });
  if (runStore.value.info !== null) return;
  try {
    const info = (await service.view("run-info", { key: compiled.key })) as RunInfo;
    if (runStore.value.model !== model || runStore.value.info !== null) return;
    runStore.set({ info, inputs: info.inputs.map(() => null) });
  } catch (error) {
    failInput(model, compiled.key, error);
  }
}

/** Says what is wrong with an input or labels; a run that is under way goes on. */
export function failInput(model: string, key: string, error: unknown): void {
  if (runStore.value.model !== model) return;
  runStore.set({ failure: { ...failureOf(error), key, about: "input" } });
}

/** Choices of each input so far: a slow picture must not replace what was chosen after it. */
const choices = new Map<number, number>();

/** @returns whether nothing else was chosen for the input since */
function startChoice(input: number): () => boolean {
  const own = (choices.get(input) ?? 0) + 1;
  choices.set(input, own);
  return () => choices.get(input) === own;
}

/**
 * Takes a file or a frame of the camera for an input: as a picture where the input takes one, otherwise byte by byte.
 * @param source a promise where it has to be loaded first
 */
export async function chooseInput(
  { compiled, service }: PanelProps,
  input: number,
  source: Blob | ImageBitmap | Promise<Blob>,
  name: string,
): Promise<void> {
  const { model, info } = runStore.value;
  if (info === null) return;
  const isLast = startChoice(input);
  runStore.set({ failure: null });
  try {
    const given = await source;
    const isRaw =
      given instanceof Blob && (!info.inputs[input]!.takesPicture || /\.(bin|raw)$/i.test(name));
    const chosen = isRaw
      ? await rawInput(given, name, info.inputs[input]!)
      : await pictureInput(service, compiled.key, input, given, name);
    if (isLast()) setInput(model, input, chosen);
  } catch (error) {
    if (isLast()) failInput(model, compiled.key, error);
  }
}

function setInput(model: string, input: number, chosen: ChosenInput): void {
  const { value } = runStore;
  if (value.model !== model) return;
  runStore.set({
    inputs: value.inputs.map((before, i) => (i === input ? chosen : before)),
    outcome: null,
    stopped: null,
    failure: null,
  });
}

async function pictureInput(
  service: Remote<PreviewService>,
  key: string,
  input: number,
  source: Blob | ImageBitmap,
  name: string,
): Promise<ChosenInput> {
  const view = { key, input, source };
  const answer = service.view("run-picture", view);
  // The worker has a frame of its own by now; this one would keep its memory until it is collected.
  if (!(source instanceof Blob)) source.close();
  const { bytes, shown } = (await answer) as PictureView;
  return { name, bytes, shown };
}

async function rawInput(
  file: Blob,
  name: string,
  { bytes: wanted, type, shape }: RunInfo["inputs"][number],
): Promise<ChosenInput> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length !== wanted)
    throw new TransportError(
      "TW_IO_INPUT",
      `${name} has ${bytes.length} bytes; the input is ${type} [${shape.join(", ")}] = ${wanted} bytes`,
    );
  return { name, bytes, shown: null };
}

/** An input that says nothing, for trying a model without a picture at hand: slopes of all channels in different directions. */
export function choosePattern(input: number): void {
  const { model, info } = runStore.value;
  const { shape, bytes: size, type } = info!.inputs[input]!;
  const [height = 1, width = 1, channels = 1] = shape.slice(-3);
  const bytes = new Uint8Array(size);
  if (info!.inputs[input]!.takesPicture)
    for (let i = 0; i < size; i++) {
      const [c, x, y] = [
        i % channels,
        Math.floor(i / channels) % width,
        Math.floor(i / channels / width),
      ];
      const slope = [x / width, y / height, 1 - (x / width + y / height) / 2][c % 3]!;
      bytes[i] = Math.round(slope * 255) ^ (type === "int8" ? 0x80 : 0);
    }
  startChoice(input);
  setInput(model, input, { name: "test pattern", bytes, shown: null });
}

export function chooseLabels(labels: Labels | null): void {
  runStore.set({ labels });
}

/** One label a line; empty lines at the end do not count. */
export async function readLabels(file: File): Promise<Labels> {
  const lines = (await file.text()).split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  return { name: file.name, lines };
}

/** Rises with every run: of runs of the same model only the last one may say something. */
let runs = 0;

/** Runs the chosen inputs in the simulator. */
export async function simulate({ compiled, service }: PanelProps, profile: boolean): Promise<void> {
  const before = runStore.value;
  const { model, inputs: chosen } = before;
  const inputs = inputBytes(before);
  if (inputs === null || before.running !== null) return;
  runStore.set({ running: { done: 0, cancelling: false }, stopped: null, failure: null });
  const { key, twx } = compiled;
  const own = ++runs;
  const isCurrent = (): boolean => own === runs && runStore.value.model === model;
  const progress = proxy((_stage: string, done: number): void => {
    const { running } = runStore.value;
    if (running !== null && isCurrent()) runStore.set({ running: { ...running, done } });
  });
  try {
    const start = performance.now();
    const result = await service.simulate(twx, inputs, progress);
    const wallMs = performance.now() - start;
    const { outputs, evidence, timings } = result;
    const isWanted = profile && isCurrent() && !runStore.value.running?.cancelling;
    const jobs = isWanted ? await jobTimes(service, key, inputs) : null;
    const { labels } = runStore.value;
    const answer = await answerOf(service, key, outputs, labels);
    if (!isCurrent()) return;
    // Other inputs were chosen meanwhile: this is not their answer.
    if (runStore.value.inputs !== chosen) return runStore.set({ running: null });
    const outcome = { key, outputs, evidence, timings, answer, wallMs, jobs };
    runStore.set({ outcome, running: null });
    if (runStore.value.labels !== labels) await relabel({ compiled, service });
  } catch (error) {
    if (!isCurrent()) return;
    const { running, inputs: now } = runStore.value;
    const end: Partial<RunState> = { running: null };
    if (now === chosen && !isAborted(error))
      end.failure = { ...failureOf(error), key, about: "run" };
    if (now === chosen && isAborted(error) && running?.cancelling) end.stopped = key;
    runStore.set(end);
  }
}

/** Times of a second run; null when the reader did not wait for it. */
async function jobTimes(
  service: Remote<PreviewService>,
  key: string,
  inputs: Uint8Array[],
): Promise<JobProfile[] | null> {
  const view = { key, inputs };
  try {
    return (await service.view("run-profile", view)) as JobProfile[];
  } catch (error) {
    if (isAborted(error)) return null;
    throw error;
  }
}

async function answerOf(
  service: Remote<PreviewService>,
  key: string,
  outputs: Uint8Array[],
  labels: Labels | null,
): Promise<AnswerView> {
  const view = { key, outputs, labels: labels?.lines ?? [], top: TOP };
  return (await service.view("run-answer", view)) as AnswerView;
}

/** What outputs of any transport say, in the words of the chosen labels. */
export const describeAnswer = (
  { compiled, service }: Pick<PanelProps, "compiled" | "service">,
  outputs: Uint8Array[],
): Promise<AnswerView> => answerOf(service, compiled.key, outputs, runStore.value.labels);

/** New labels for an answer that is there. */
export async function relabel(props: Pick<PanelProps, "compiled" | "service">): Promise<void> {
  const { outcome } = runStore.value;
  if (outcome === null) return;
  const answer = await describeAnswer(props, outcome.outputs);
  const now = runStore.value.outcome;
  if (now?.outputs === outcome.outputs) runStore.set({ outcome: { ...now, answer } });
}

/** Asks the simulation, or the run for the times of its jobs, to stop at its next step. */
export function cancelSimulation({ service }: PanelProps): void {
  const { running } = runStore.value;
  if (running === null) return;
  runStore.set({ running: { ...running, cancelling: true } });
  void service.cancel();
  void service.cancelViews("run-profile");
}
