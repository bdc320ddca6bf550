// Choosing what a model runs on: files, drops, the clipboard, the camera, the sample's pictures; and names for its classes.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { bytesText, sizesText } from "../shell/format.ts";
import { useDocumentEvent } from "../shell/hooks.ts";
import { relabelBoard } from "./board-state.ts";
import { Camera } from "./camera.tsx";
import { inputPixels, Pixels } from "./canvas.tsx";
import type { InputView } from "./run-data.ts";
import {
  chooseInput,
  chooseLabels,
  choosePattern,
  failInput,
  openModel,
  readLabels,
  relabel,
  runStore,
  type ChosenInput,
} from "./run-state.ts";
import { isSample, SAMPLE_PICTURES, sampleLabels, samplePicture } from "./sample.ts";
import { useStore } from "./store.ts";

/** What the page itself opens when it is dropped. */
const IS_MODEL = /\.(tflite|twx)$/i;

export function Inputs(props: PanelProps): JSX.Element | null {
  const { compiled } = props;
  const { info } = useStore(runStore);
  useEffect(() => void openModel(props), [compiled.key]);
  if (info === null) return <div class="card inputs inputs-waiting" aria-busy="true" />;
  return (
    <section class="card inputs" aria-labelledby="inputs-title">
      <h2 id="inputs-title">{info.inputs.length === 1 ? "Input" : "Inputs"}</h2>
      {info.inputs.map((input, i) => (
        <Input key={i} {...props} input={input} index={i} />
      ))}
      <LabelsRow {...props} />
    </section>
  );
}

interface InputProps extends PanelProps {
  input: InputView;
  index: number;
}

type Take = (source: Blob | ImageBitmap | Promise<Blob>, name: string) => void;

function Input(props: InputProps): JSX.Element {
  const { input, index } = props;
  const { inputs } = useStore(runStore);
  const [over, setOver] = useState(false);
  const [camera, setCamera] = useState(false);
  const chosen = inputs[index] ?? null;
  const take: Take = (source, name) => void chooseInput(props, index, source, name);
  usePastedPicture(input.takesPicture && isFirstPicture(index), take);
  const onDrop = (event: DragEvent): void => {
    setOver(false);
    const file = event.dataTransfer?.files[0];
    if (!file || IS_MODEL.test(file.name)) return;
    event.preventDefault();
    if (/\.txt$/i.test(file.name)) void takeLabels(props, file);
    else take(file, file.name);
  };
  return (
    <div
      class={over ? "input over" : "input"}
      onDragOver={(event) => (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <p class="muted small-text">
        <span class="tensor-name">{input.name}</span> {input.type} {sizesText(input.shape)},{" "}
        {bytesText(input.bytes)}
      </p>
      {camera ? (
        <Camera
          take={(frame) => (setCamera(false), take(frame, "camera picture"))}
          close={() => setCamera(false)}
        />
      ) : (
        <Sources {...props} take={take} openCamera={() => setCamera(true)} />
      )}
      <Chosen input={input} chosen={chosen} />
    </div>
  );
}

/** Pasted pictures go to the first input that takes one. */
const isFirstPicture = (index: number): boolean =>
  runStore.value.info?.inputs.findIndex(({ takesPicture }) => takesPicture) === index;

function usePastedPicture(active: boolean, take: Take): void {
  useDocumentEvent("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!active || !file?.type.startsWith("image/") || event.defaultPrevented) return;
    event.preventDefault();
    take(file, file.name || "pasted picture");
  });
}

function Sources({
  input,
  index,
  take,
  openCamera,
  ...props
}: InputProps & { take: Take; openCamera(): void }): JSX.Element {
  return (
    <>
      <div class="row">
        <FileChoice
          title={input.takesPicture ? "Choose a picture" : "Choose a raw file"}
          accept={input.takesPicture ? "image/*,.bmp,.bin,.raw" : ".bin,.raw"}
          choose={(file) => take(file, file.name)}
        />
        {input.takesPicture && (
          <button type="button" class="button" onClick={openCamera}>
            Camera
          </button>
        )}
        <button type="button" class="button" onClick={() => choosePattern(index)}>
          {input.takesPicture ? "Test pattern" : "Zeros"}
        </button>
      </div>
      <Samples {...props} take={take} />
      <p class="muted small-text">
        {input.takesPicture
          ? "Or drop or paste one here: JPEG, PNG, WebP or BMP, resized and coloured as on the command line; .bin files are taken byte by byte."
          : `The bytes of the tensor, ${bytesText(input.bytes)}, little endian.`}
      </p>
    </>
  );
}

/** Pictures of the sample, for the sample. */
function Samples({ take }: PanelProps & { take: Take }): JSX.Element | null {
  const { info, labels } = useStore(runStore);
  const [fits, setFits] = useState(false);
  useEffect(() => {
    if (info === null) return;
    // Without the sample's files this is any other model.
    isSample(info).then(setFits, () => setFits(false));
  }, [info]);
  if (!fits) return null;
  const load = async (name: string): Promise<Blob> => {
    if (labels === null) chooseLabels(await sampleLabels());
    return samplePicture(name);
  };
  return (
    <div class="row samples" role="group" aria-label="Pictures of the sample">
      {SAMPLE_PICTURES.map(({ name, url }) => (
        <button
          type="button"
          class="sample"
          key={name}
          aria-label={name}
          onClick={() => take(load(name), name)}
        >
          <img src={url} alt="" width="44" height="44" />
        </button>
      ))}
    </div>
  );
}

function FileChoice({
  title,
  accept,
  choose,
}: {
  title: string;
  accept: string;
  choose(file: File): void;
}): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button" onClick={() => input.current?.click()}>
        {title}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept}
        aria-label={title}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          // The same file can be chosen again once it was changed.
          event.currentTarget.value = "";
          if (file) choose(file);
        }}
      />
    </>
  );
}

/** The name of what was chosen, and for pictures how the model sees it. */
function Chosen({ input, chosen }: { input: InputView; chosen: ChosenInput | null }): JSX.Element {
  if (chosen === null) return <p class="chosen muted">Nothing chosen yet.</p>;
  const seen = input.takesPicture ? inputPixels(input, chosen.bytes) : null;
  const [, height, width] = input.shape;
  return (
    <div class="chosen">
      {seen && (
        <Pixels shown={seen} name={`${chosen.name} as the model sees it`} className="seen" />
      )}
      <p>
        <b title={chosen.name}>{chosen.name}</b>
        <span class="muted small-text">
          {seen
            ? `as the model sees it, ${width}×${height} pixels`
            : bytesText(chosen.bytes.length)}
        </span>
      </p>
    </div>
  );
}

async function takeLabels(props: PanelProps, file: File): Promise<void> {
  const { model } = runStore.value;
  try {
    chooseLabels(await readLabels(file));
    await Promise.all([relabel(props), relabelBoard(props)]);
  } catch (error) {
    failInput(model, props.compiled.key, error);
  }
}

function LabelsRow(props: PanelProps): JSX.Element {
  const { labels } = useStore(runStore);
  return (
    <div class="row labels-row">
      <span class="labels-name" title={labels?.name}>
        Labels: {labels === null ? "none" : `${labels.name}, ${labels.lines.length} names`}
      </span>
      <FileChoice
        title="Choose labels"
        accept=".txt,text/plain"
        choose={(file) => void takeLabels(props, file)}
      />
    </div>
  );
}
