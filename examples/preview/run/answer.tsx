// What a model said: classes, boxes on the picture, a mask over it, key points, and every output as a table.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import {
  SKELETON,
  type Detection,
  type Keypoint,
  type RankedClass,
} from "../../../core-as/index.ts";
import { grouped, percentText } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";
import { inputPixels, Pixels } from "./canvas.tsx";
import { classColour, cssColour } from "./colours.ts";
import type { Shown } from "./picture-data.ts";
import type { AnswerView, InputView, MaskView } from "./run-data.ts";
import type { ChosenInput } from "./run-state.ts";

interface AnswerProps {
  answer: AnswerView;
  /** The input that is shown with it. */
  input: InputView;
  chosen: ChosenInput | null;
}

/** Scores below this are listed, not drawn. */
const FIRST_THRESHOLD = 0.5;
const POSE_THRESHOLD = 0.3;

export function Answer(props: AnswerProps): JSX.Element {
  const { answer } = props;
  switch (answer.kind) {
    case "detection":
      return <Detections {...props} detections={answer.detections ?? []} />;
    case "segmentation":
      return <Segmentation {...props} />;
    case "pose":
      return <Pose {...props} keypoints={answer.keypoints ?? []} />;
    case "tensors":
      return <Classes {...props} />;
  }
}

/** The picture of the input, or nothing where there is none to show. */
function pictureOf({ input, chosen }: AnswerProps): Shown | null {
  if (chosen === null) return null;
  if (chosen.shown !== null) return chosen.shown;
  return input.takesPicture ? inputPixels(input, chosen.bytes) : null;
}

/** A picture with something drawn over it, in the picture's own shape. */
function Framed({
  shown,
  name,
  children,
}: {
  shown: Shown;
  name: string;
  children?: JSX.Element | (JSX.Element | false)[] | false;
}): JSX.Element {
  const { width, height } = shown;
  return (
    <div class="framed" style={{ aspectRatio: `${width} / ${height}`, "--ratio": width / height }}>
      <Pixels shown={shown} name={name} className="framed-picture" />
      {children}
    </div>
  );
}

const NO_NUMBERS = "no numbers";

function Classes(props: AnswerProps): JSX.Element {
  const { answer } = props;
  const picture = pictureOf(props);
  return (
    <div class={picture ? "answer with-picture" : "answer"}>
      {picture && <Framed shown={picture} name={props.chosen?.name ?? "input"} />}
      <div class="answer-text">
        {answer.outputs.map(({ name, top, range, type, shape }, i) => (
          <div key={i}>
            <h3>
              <span class="tensor-name">{name}</span>{" "}
              <span class="muted">
                {type} {shape.join("×")}
              </span>
            </h3>
            {top ? (
              <Ranking top={top} />
            ) : (
              <p class="number">
                {range
                  ? `${range.min.toPrecision(5)} to ${range.max.toPrecision(5)}, mean ${range.mean.toPrecision(5)}`
                  : NO_NUMBERS}
              </p>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

function Ranking({ top }: { top: readonly RankedClass[] }): JSX.Element {
  const most = Math.max(1, ...top.map(({ value }) => value));
  return (
    <ol class="ranking" aria-label="Best classes">
      {top.map(({ index, label, value }, i) => (
        <li key={index} class={i === 0 ? "first" : undefined}>
          <span class="ranking-name">
            {label ?? `class ${index}`}
            {label !== null && <span class="muted number"> {index}</span>}
          </span>
          <span class="number">{value.toFixed(4)}</span>
          <span class="bar" aria-hidden="true">
            <span style={{ transform: `scaleX(${Math.max(0, value / most)})` }} />
          </span>
        </li>
      ))}
    </ol>
  );
}

function Threshold({
  value,
  change,
  what,
}: {
  value: number;
  change(value: number): void;
  what: string;
}): JSX.Element {
  return (
    <label class="threshold">
      <span>{what} from a score of</span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.05"
        value={value}
        aria-valuetext={value.toFixed(2)}
        onInput={(event) => change(Number(event.currentTarget.value))}
      />
      <span class="number">{value.toFixed(2)}</span>
    </label>
  );
}

const nameOf = ({ label, class: index }: Detection): string => label ?? `class ${index}`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

function Detections(props: AnswerProps & { detections: readonly Detection[] }): JSX.Element {
  const { detections, chosen } = props;
  const [threshold, setThreshold] = useState(FIRST_THRESHOLD);
  const drawn = detections.filter(({ score }) => score >= threshold);
  const picture = pictureOf(props);
  const said = drawn.map((one) => `${nameOf(one)} ${percent(one.score)}`).join(", ");
  return (
    <div class="answer with-picture">
      {picture && (
        <Framed shown={picture} name={`${chosen?.name}: ${said === "" ? "no boxes" : said}`}>
          {drawn.map((one, i) => (
            <Box key={i} detection={one} />
          ))}
        </Framed>
      )}
      <div class="answer-text">
        <Threshold value={threshold} change={setThreshold} what="Boxes" />
        <PlainTable
          caption="Detections; places in percent of the picture"
          label="Detections"
          head={["What", ">Score", ">Left, top", ">Right, bottom"]}
        >
          {detections.map((one, i) => (
            <tr key={i} class={one.score >= threshold ? undefined : "faint"}>
              <th scope="row">
                <Key index={one.class} /> {nameOf(one)}
              </th>
              <td class="number">{one.score.toFixed(3)}</td>
              <td class="number">
                {percent(one.box.left)}, {percent(one.box.top)}
              </td>
              <td class="number">
                {percent(one.box.right)}, {percent(one.box.bottom)}
              </td>
            </tr>
          ))}
        </PlainTable>
      </div>
    </div>
  );
}

const Key = ({ index }: { index: number }): JSX.Element => (
  <span class="swatch" aria-hidden="true" style={{ background: cssColour(index) }} />
);

/** A side inside the picture. */
const inside = (share: number): number => Math.min(1, Math.max(0, share));

function Box({ detection }: { detection: Detection }): JSX.Element {
  const { box, score } = detection;
  const [left, top] = [inside(box.left), inside(box.top)];
  const place = {
    left: `${left * 100}%`,
    top: `${top * 100}%`,
    width: `${(inside(box.right) - left) * 100}%`,
    height: `${(inside(box.bottom) - top) * 100}%`,
    "--class": cssColour(detection.class),
  };
  // A name above the upper edge of the picture would be cut off.
  return (
    <div class={top < 0.08 ? "box below" : "box"} aria-hidden="true" style={place}>
      <span>
        {nameOf(detection)} {percent(score)}
      </span>
    </div>
  );
}

function Segmentation(props: AnswerProps): JSX.Element {
  const { answer, chosen } = props;
  const classes = answer.mask ?? [];
  const [opacity, setOpacity] = useState(0.6);
  const picture = pictureOf(props);
  const mask = useMemo(
    () => (answer.maskView ? maskPixels(answer.maskView) : null),
    [answer.maskView],
  );
  const said = classes.map(
    ({ label, index, share }) => `${label ?? `class ${index}`} ${percentText(share)}`,
  );
  return (
    <div class="answer with-picture">
      {picture && (
        <Framed shown={picture} name={`${chosen?.name}: ${said.join(", ")}`}>
          {mask !== null && (
            <div class="mask" style={{ opacity }}>
              <Pixels shown={mask} name="" className="framed-picture" />
            </div>
          )}
        </Framed>
      )}
      <div class="answer-text">
        <label class="threshold">
          <span>Mask over the picture</span>
          <input
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={opacity}
            aria-valuetext={percent(opacity)}
            onInput={(event) => setOpacity(Number(event.currentTarget.value))}
          />
          <span class="number">{percent(opacity)}</span>
        </label>
        <ul class="areas">
          {classes.map(({ index, label, pixels, share }) => (
            <li key={index}>
              {/* Class 0, the background, is left clear. */}
              {index === 0 ? <span class="swatch" aria-hidden="true" /> : <Key index={index} />}
              <span>{label ?? `class ${index}`}</span>
              <span class="muted number">{grouped(pixels)} pixels</span>
              <span class="number">{percentText(share)}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

/** Class 0 is the background of segmentation models: it stays clear. */
function maskPixels({ width, height, classes }: MaskView): Shown {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (const [i, index] of classes.entries())
    if (index !== 0) rgba.set([...classColour(index), 255], 4 * i);
  return { width, height, rgba };
}

function Pose(props: AnswerProps & { keypoints: readonly Keypoint[] }): JSX.Element {
  const { keypoints, chosen } = props;
  const [threshold, setThreshold] = useState(POSE_THRESHOLD);
  const picture = pictureOf(props);
  const seen = keypoints.filter(({ score }) => score >= threshold);
  return (
    <div class="answer with-picture">
      {picture && (
        <Framed
          shown={picture}
          name={`${chosen?.name}: ${seen.length} of ${keypoints.length} key points`}
        >
          <Skeleton keypoints={keypoints} threshold={threshold} shown={picture} />
        </Framed>
      )}
      <div class="answer-text">
        <Threshold value={threshold} change={setThreshold} what="Key points" />
        <PlainTable
          caption="Key points; places in percent of the picture"
          label="Key points"
          head={["Key point", ">Score", ">x, y"]}
        >
          {keypoints.map(({ name, score, x, y }) => (
            <tr key={name} class={score >= threshold ? undefined : "faint"}>
              <th scope="row">{name}</th>
              <td class="number">{score.toFixed(3)}</td>
              <td class="number">
                {percent(x)}, {percent(y)}
              </td>
            </tr>
          ))}
        </PlainTable>
      </div>
    </div>
  );
}

function Skeleton({
  keypoints,
  threshold,
  shown: { width, height },
}: {
  keypoints: readonly Keypoint[];
  threshold: number;
  shown: Shown;
}): JSX.Element {
  const unit = Math.min(width, height) / 100;
  const at = (i: number) => ({ x: keypoints[i]!.x * width, y: keypoints[i]!.y * height });
  const isSeen = (i: number): boolean => keypoints[i]!.score >= threshold;
  return (
    <svg class="skeleton" viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {SKELETON.filter(([from, to]) => isSeen(from) && isSeen(to)).map(([from, to]) => (
        <line
          key={`${from} ${to}`}
          x1={at(from).x}
          y1={at(from).y}
          x2={at(to).x}
          y2={at(to).y}
          stroke-width={unit * 1.1}
        />
      ))}
      {keypoints.map(
        ({ name }, i) =>
          isSeen(i) && (
            <circle key={name} cx={at(i).x} cy={at(i).y} r={unit * 1.5} stroke-width={unit * 0.5} />
          ),
      )}
    </svg>
  );
}
