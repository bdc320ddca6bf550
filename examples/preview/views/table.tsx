// A table with columns to sort by and rows to select.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { nextSort, sorted, type Column } from "./sorting.ts";

export type { Column } from "./sorting.ts";

interface Props<Row> {
  /** Says what the table is, for screen readers. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey(row: Row): string;
  /** Column id, descending behind a minus; "" = as given. */
  sort: string;
  setSort(sort: string): void;
  isSelected(row: Row): boolean;
  /** Called for a click on a row. */
  onSelect(row: Row): void;
}

export function DataTable<Row>(props: Props<Row>): JSX.Element {
  const { caption, columns, rows, rowKey, sort, setSort, isSelected, onSelect } = props;
  const shown = useMemo(() => sorted(rows, columns, sort), [rows, columns, sort]);
  return (
    <div class="table-scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} sort={sort} setSort={setSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr
              key={rowKey(row)}
              class={isSelected(row) ? "selected" : undefined}
              aria-current={isSelected(row) ? "true" : undefined}
              onClick={() => onSelect(row)}
            >
              {columns.map(({ id, numeric, kind, cell, value }) => (
                <td key={id} class={[numeric ? "number" : "", kind ?? ""].join(" ").trim()}>
                  {cell ? cell(row) : value(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p class="nothing">Nothing matches the filter.</p>}
    </div>
  );
}

function Head<Row>({
  column: { id, title, numeric = false, kind },
  sort,
  setSort,
}: {
  column: Column<Row>;
  sort: string;
  setSort(sort: string): void;
}): JSX.Element {
  const order = sort === id ? "ascending" : sort === `-${id}` ? "descending" : "none";
  return (
    <th
      scope="col"
      aria-sort={order}
      class={[numeric ? "number" : "", kind ?? ""].join(" ").trim()}
    >
      <button type="button" onClick={() => setSort(nextSort(sort, id, numeric))}>
        {title}
        <span class="sort-mark" aria-hidden="true">
          {order === "none" ? "" : order === "ascending" ? "▲" : "▼"}
        </span>
      </button>
    </th>
  );
}

/** A share of 0..1 as a bar with its text; the bar is decoration. */
export function ShareBar({ share, text }: { share: number; text: string }): JSX.Element {
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <span style={{ transform: `scaleX(${Math.min(1, share)})` }} />
      </span>
      <span class="share-text">{text}</span>
    </span>
  );
}

/** Where something runs, by word, shape and colour. */
export function PlaceTag({ place }: { place: "npu" | "cpu" }): JSX.Element {
  return <span class={`place ${place}`}>{place.toUpperCase()}</span>;
}

/** The field that narrows a table down to rows with a text. */
export function TextFilter({
  placeholder,
  text,
  setText,
}: {
  placeholder: string;
  text: string;
  setText(text: string): void;
}): JSX.Element {
  return (
    <label class="field grow">
      <span>Filter</span>
      <input
        type="search"
        placeholder={placeholder}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}
