// A table of figures: scrolls on its own, is a region for screen readers, has a caption that only they read.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";

/** A column's name, ">" before that of numbers; or one for several columns. */
type Head = string | { name: string; columns: number };

/** "number" for columns whose name begins with ">". */
export const columnClass = (head: Head): string | undefined =>
  typeof head === "string" && head.startsWith(">") ? "number" : undefined;

export function PlainTable({
  caption,
  label = caption,
  head,
  kind,
  region,
  children,
}: {
  caption: string;
  /** Name of the region; default: the caption. */
  label?: string;
  head: readonly Head[];
  /** Further classes of the table and of the region. */
  kind?: string;
  region?: string;
  /** Rows. */
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div
      class={region === undefined ? "table-scroll" : `table-scroll ${region}`}
      role="region"
      aria-label={label}
      tabIndex={0}
    >
      <table class={kind === undefined ? "plain" : `plain ${kind}`}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {head.map((column, i) => {
              const { name, columns } =
                typeof column === "string" ? { name: column, columns: undefined } : column;
              return (
                <th scope="col" key={i} class={columnClass(column)} colSpan={columns}>
                  {name.replace(/^>/, "")}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
