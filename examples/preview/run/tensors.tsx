// Output tensors as numbers: bytes, stored values and what they stand for, page by page, and as a file.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { elementsOf, realValuesOf, type TensorInfo } from "../../../core-as/index.ts";
import { bytesText, grouped, sizesText } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";
import { saveFile } from "./save.ts";

/** Rows of a page. */
const ROWS = 32;

export function Tensors({
  infos,
  outputs,
}: {
  infos: readonly TensorInfo[];
  outputs: readonly Uint8Array[];
}): JSX.Element {
  return (
    <section class="card" aria-labelledby="tensors-title">
      <h2 id="tensors-title">Output tensors</h2>
      <p class="muted">Elements as they are stored, and the real numbers that they stand for.</p>
      {infos.map((info, i) => (
        <TensorValues key={i} info={info} bytes={outputs[i]!} index={i} />
      ))}
    </section>
  );
}

function TensorValues({
  info,
  bytes,
  index,
}: {
  info: TensorInfo;
  bytes: Uint8Array;
  index: number;
}): JSX.Element {
  const { name, type, shape } = info;
  const [open, setOpen] = useState(false);
  return (
    <details class="tensor" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="tensor-name">{name}</span>
        <span class="muted">
          {type} {sizesText(shape)}, {bytesText(bytes.length)}
        </span>
      </summary>
      {open && <ValueTable info={info} bytes={bytes} />}
      <button
        type="button"
        class="button small"
        onClick={() => saveFile(`output-${index}.bin`, [bytes], "application/octet-stream")}
      >
        Download output-{index}.bin
      </button>
    </details>
  );
}

/** Indices of an element, outermost first. */
function placeOf(index: number, shape: readonly number[]): string {
  const place: number[] = [];
  for (let rest = index, i = shape.length - 1; i >= 0; i--) {
    place.unshift(rest % shape[i]!);
    rest = Math.floor(rest / shape[i]!);
  }
  return place.join(", ");
}

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Numbers that are no whole ones need no more digits than their type has. */
const realText = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toPrecision(6);

function ValueTable({ info, bytes }: { info: TensorInfo; bytes: Uint8Array }): JSX.Element {
  const [first, setFirst] = useState(0);
  const count = info.shape.reduce((product, size) => product * size, 1);
  const width = count === 0 ? 1 : bytes.length / count;
  const last = Math.min(count, first + ROWS);
  const slice = bytes.subarray(first * width, last * width);
  const stored = elementsOf(info.type, slice);
  const real = realValuesOf(info, slice);
  const go = (to: number): void =>
    setFirst(Math.max(0, Math.min(to, Math.floor((count - 1) / ROWS) * ROWS)));
  return (
    <>
      <div class="row">
        <button
          type="button"
          class="button small"
          disabled={first === 0}
          onClick={() => go(first - ROWS)}
        >
          Before
        </button>
        <button
          type="button"
          class="button small"
          disabled={last >= count}
          onClick={() => go(first + ROWS)}
        >
          Next
        </button>
        <label class="field">
          <span>Element</span>
          <input
            type="number"
            min="0"
            max={count - 1}
            value={first}
            onChange={({ currentTarget: { valueAsNumber } }) =>
              Number.isFinite(valueAsNumber) && go(Math.floor(valueAsNumber / ROWS) * ROWS)
            }
          />
        </label>
        <span class="muted small-text number">of {grouped(count)}</span>
      </div>
      <PlainTable
        caption={`Values of ${info.name}`}
        region="values"
        head={[">Element", "Place", ">Bytes", ">Stored", ">Real"]}
      >
        {Array.from({ length: last - first }, (_, i) => (
          <tr key={i}>
            <th scope="row" class="number">
              {first + i}
            </th>
            <td class="number-text">{placeOf(first + i, info.shape)}</td>
            <td class="number">
              <code>{hex(slice.subarray(i * width, (i + 1) * width))}</code>
            </td>
            <td class="number">{stored ? stored[i] : ""}</td>
            <td class="number">{real ? realText(real[i]!) : ""}</td>
          </tr>
        ))}
      </PlainTable>
    </>
  );
}
