// The page before a file was opened.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import type { Controller } from "./controller.ts";
import { FileButton } from "./header.tsx";
import { fetchSample } from "./source.ts";

const SHOWS: readonly [title: string, text: string][] = [
  [
    "Where every operator runs",
    "NPU or CPU, with the reason in a sentence for everything that falls back.",
  ],
  [
    "What it will cost",
    "Predicted time with its error, memory, coefficient sizes, tile by tile and job by job.",
  ],
  [
    "Down to the bits",
    "Descriptors, command stream and encoded weights, and a simulator that reads only those bytes.",
  ],
];

export function Empty({ controller }: { controller: Controller }): JSX.Element {
  return (
    <div class="empty">
      <h1>What will a Vivante NPU do with your model?</h1>
      <p class="lead">
        Drop a quantised TensorFlow Lite model. It is compiled right here, in this page, and nothing
        of it leaves the page.
      </p>
      <div class="drop">
        <p>
          Drop or paste a <code>.tflite</code> or <code>.twx</code> file
        </p>
        <div class="drop-actions">
          <FileButton controller={controller} primary />
          <button
            type="button"
            class="button"
            id="sample"
            onClick={() => void controller.openFrom(fetchSample)}
          >
            Try the sample
          </button>
        </div>
        <p class="muted small-text">
          The sample is a classifier of handwritten digits with 14 operators, 20 KB.
        </p>
      </div>
      <ul class="shows">
        {SHOWS.map(([title, text]) => (
          <li key={title}>
            <h2>{title}</h2>
            <p>{text}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
