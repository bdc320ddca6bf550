// The inputs that were chosen for a model, and what it made of them. One for the page: the panels of this folder share it.
// SPDX-License-Identifier: MIT
import { proxy, type Remote } from "comlink";
import { TransportError, type JobProfile, type SubmitResult } from "../../../core-as/index.ts";
import type { Compiled, PanelProps } from "../panel-types.ts";
import type { PreviewService } from "../service.ts";
import { failureOf, type Failure } from "../shell/failure.ts";
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
  /** The inputs that it ran on. */
  inputs: readonly Uint8Array[];
  answer: AnswerView;
  /** From the request to the answer, on this machine. */
  wallMs: number;
  jobs: JobProfile[] | null;
}

export interface RunState {
  /** What the state belongs to; "" before any model. */
  model: string;
  info: RunInfo | null;
  inputs: (ChosenInput | null)[];
  labels: Labels | null;
  /** Share of the simulation that is done, 0..1; null while nothing runs. */
  running: { done: number; cancelling: boolean } | null;
  outcome: Outcome | null;
  failure: Failure | null;
}

const NOTHING: RunState = {
  model: "",
  info: null,
  inputs: [],
  labels: null,
  running: null,
  outcome: null,
  failure: null,
};

export const runStore = new Store<RunState>(NOTHING);

/** Classes that are listed. */
const TOP = 5;

/** Another model, not the same in another mode or for another chip. */
const modelOf = ({ name, report }: Compiled): string => `${name} ${report.model.sha256}`;

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
    fail(model, error);
  }
}

function fail(model: string, error: unknown): void {
  if (runStore.value.model === model) runStore.set({ failure: failureOf(error), running: null });
}

/** Takes a file or a frame of the camera for an input: as a picture where the input takes one, otherwise byte by byte. */
export async function chooseInput(
  { compiled, service }: PanelProps,
  input: number,
  source: Blob | ImageBitmap,
  name: string,
): Promise<void> {
  const { model, info } = runStore.value;
  if (info === null) return;
  runStore.set({ failure: null });
  try {
    const isRaw =
      source instanceof Blob && (!info.inputs[input]!.takesPicture || /\.(bin|raw)$/i.test(name));
    const chosen = isRaw
      ? await rawInput(source, name, info.inputs[input]!)
      : await pictureInput(service, compiled.key, input, source, name);
    setInput(model, input, chosen);
  } catch (error) {
    fail(model, error);
  }
}

function setInput(model: string, input: number, chosen: ChosenInput): void {
  const { value } = runStore;
  if (value.model !== model) return;
  runStore.set({
    inputs: value.inputs.map((before, i) => (i === input ? chosen : before)),
    outcome: null,
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
  const { bytes, shown } = (await service.view("run-picture", view)) as PictureView;
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

/** Runs the chosen inputs in the simulator. */
export async function simulate({ compiled, service }: PanelProps, profile: boolean): Promise<void> {
  const { model, labels } = runStore.value;
  const inputs = inputBytes(runStore.value);
  if (inputs === null || runStore.value.running !== null) return;
  runStore.set({ running: { done: 0, cancelling: false }, failure: null });
  const { key, twx } = compiled;
  const progress = proxy((_stage: string, done: number): void => {
    const { running } = runStore.value;
    if (running !== null && runStore.value.model === model)
      runStore.set({ running: { ...running, done } });
  });
  try {
    const start = performance.now();
    const result = await service.simulate(twx, inputs, progress);
    const wallMs = performance.now() - start;
    const { outputs, evidence, timings } = result;
    const answer = await answerOf(service, key, outputs, labels);
    const view = { key, inputs };
    const jobs = profile ? ((await service.view("run-profile", view)) as JobProfile[]) : null;
    if (runStore.value.model !== model) return;
    const outcome = { key, inputs, outputs, evidence, timings, answer, wallMs, jobs };
    runStore.set({ outcome, running: null });
  } catch (error) {
    if ((error as { code?: string }).code === "TW_IO_ABORTED") runStore.set({ running: null });
    else fail(model, error);
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
  { compiled, service }: PanelProps,
  outputs: Uint8Array[],
): Promise<AnswerView> => answerOf(service, compiled.key, outputs, runStore.value.labels);

/** New labels for an answer that is there. */
export async function relabel(props: PanelProps): Promise<void> {
  const { outcome, model } = runStore.value;
  if (outcome === null) return;
  try {
    const answer = await describeAnswer(props, outcome.outputs);
    if (runStore.value.outcome === outcome) runStore.set({ outcome: { ...outcome, answer } });
  } catch (error) {
    fail(model, error);
  }
}

/** Asks the simulation to stop at its next step. */
export function cancelSimulation({ service }: PanelProps): void {
  const { running } = runStore.value;
  if (running === null) return;
  runStore.set({ running: { ...running, cancelling: true } });
  void service.cancel();
}
