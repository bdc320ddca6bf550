// Columns of a table and the order that they ask for.
// SPDX-License-Identifier: MIT
import type { ComponentChildren } from "preact";

export interface Column<Row> {
  /** Letters only; part of the address. */
  id: string;
  title: string;
  numeric?: boolean;
  /** What rows are sorted by; null comes last whatever the direction. */
  value(row: Row): number | string | null;
  /** What the cell shows; default: the value. */
  cell?(row: Row): ComponentChildren;
  /** A class for the column's cells. */
  kind?: string;
}

function compare(a: number | string, b: number | string): number {
  return typeof a === "number" && typeof b === "number"
    ? a - b
    : String(a).localeCompare(String(b), "en", { numeric: true });
}

/** Rows in the order that a sort asks for; rows of equal value keep their order. */
export function sorted<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: string,
): readonly Row[] {
  const column = columns.find(({ id }) => id === sort.replace(/^-/, ""));
  if (column === undefined) return rows;
  const sign = sort.startsWith("-") ? -1 : 1;
  return rows
    .map((row) => ({ row, value: column.value(row) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null)
        return Number(a.value === null) - Number(b.value === null);
      return sign * compare(a.value, b.value);
    })
    .map(({ row }) => row);
}

/** A click sorts numbers by the largest first, text from A; a second one turns the order, a third one drops it. */
export function nextSort(sort: string, id: string, numeric: boolean): string {
  const [first, second] = numeric ? [`-${id}`, id] : [id, `-${id}`];
  return sort === first ? second : sort === second ? "" : first;
}
