// One descriptor: its words with the fields in them, and what each field says.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { Check } from "../shell/controls.tsx";
import { plural } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";
import { Shown, useView } from "./parts.tsx";
import type { DescriptorData, DescriptorField } from "./stream-data.ts";
import { WordBits, type Segment } from "./word-bits.tsx";

interface Props extends PanelProps {
  partition: number;
  job: number;
  core: number;
  setCore(core: number): void;
}

export function DescriptorCard(props: Props): JSX.Element {
  const { partition, job, core } = props;
  const view = useView<DescriptorData>(props, "descriptor", { partition, job, core });
  return (
    <section class="card descriptor" aria-labelledby="descriptor-title">
      <Shown view={view}>{(data) => <Descriptor {...props} data={data} />}</Shown>
    </section>
  );
}

function Descriptor({ data, setCore }: Props & { data: DescriptorData }): JSX.Element {
  const [all, setAll] = useState(false);
  const [current, setCurrent] = useState("");
  const { partition, job, core, cores, kind, op, sourceOp, doc, fields, undeclared } = data;
  const shown = all ? fields : fields.filter(({ isReset }) => !isReset);
  return (
    <>
      <h2 id="descriptor-title">
        Descriptor of job {partition}.{job}: {kind} {op} for operator #{sourceOp}
      </h2>
      <p class="muted">{doc}</p>
      <div class="choices-row">
        {cores > 1 && (
          <label class="field">
            <span>TP core</span>
            <select value={core} onChange={(event) => setCore(Number(event.currentTarget.value))}>
              {Array.from({ length: cores }, (_, i) => (
                <option value={i} key={i}>
                  {i}
                </option>
              ))}
            </select>
          </label>
        )}
        <Check checked={all} change={setAll}>
          also the{" "}
          {plural(fields.length - fields.filter(({ isReset }) => !isReset).length, "field")} as in a
          fresh descriptor
        </Check>
      </div>
      <div class="descriptor-pair">
        <Fields fields={shown} current={current} setCurrent={setCurrent} />
        <Words data={data} current={current} setCurrent={setCurrent} />
      </div>
      {undeclared.map(({ word, bits }) => (
        <p class="bad small-text" key={word}>
          Bits 0x{bits.toString(16)} of word {word} are set and belong to no field.
        </p>
      ))}
    </>
  );
}

interface Pointed {
  current: string;
  setCurrent(name: string): void;
}

const partsText = ({ parts }: DescriptorField): string =>
  parts.map(({ word, hi, lo }) => `${word}:${hi === lo ? hi : `${hi}–${lo}`}`).join(" + ");

function Fields({
  fields,
  current,
  setCurrent,
}: Pointed & { fields: readonly DescriptorField[] }): JSX.Element {
  return (
    <PlainTable
      caption="Fields of the descriptor"
      kind="field-table"
      head={["Field", ">Value", "Meaning", "Evidence", "Word:bits"]}
    >
      {fields.map((field) => (
        <tr
          key={field.name}
          class={field.name === current ? "selected" : undefined}
          onPointerEnter={() => setCurrent(field.name)}
        >
          <th scope="row">
            <code>{field.name}</code>
          </th>
          <td class="number">
            {field.text}
            {field.target && <small class="muted"> {field.target.role}</small>}
          </td>
          <td class="meaning">{field.doc}</td>
          <td>{field.evidence}</td>
          <td class="number">{partsText(field)}</td>
        </tr>
      ))}
    </PlainTable>
  );
}

function Words({ data, current, setCurrent }: Pointed & { data: DescriptorData }): JSX.Element {
  const { words, fields } = data;
  const segments = useMemo(() => segmentsOf(fields, words.length), [fields, words.length]);
  const pointed = fields.find(({ name }) => name === current);
  return (
    <div class="descriptor-words">
      <h3>Words</h3>
      <div class="word-list">
        {words.map((word, i) => (
          <div class="word-row" key={i}>
            <span class="line-index">{i}</span>
            <WordBits word={word} segments={segments[i]!} current={current} point={setCurrent} />
          </div>
        ))}
      </div>
      <p class="chart-line">
        {pointed
          ? `${pointed.name} = ${pointed.text}: ${pointed.doc} (${pointed.evidence})`
          : "Point at bits or at a field."}
      </p>
    </div>
  );
}

function segmentsOf(fields: readonly DescriptorField[], words: number): Segment[][] {
  const segments: Segment[][] = Array.from({ length: words }, () => []);
  for (const { name, parts } of fields)
    for (const { word, hi, lo } of parts) segments[word]?.push({ name, hi, lo });
  return segments;
}
