// A graphic of many items as one control: arrow keys move between items, the current one is named to screen readers.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowDown: 1,
  ArrowLeft: -1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
};

/** Index that a key leads to, or undefined for keys that mean nothing in a list. */
export function targetOf(key: string, at: number, count: number): number | undefined {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = STEPS[key];
  return step === undefined ? undefined : Math.max(0, Math.min(count - 1, at + step));
}

interface Props {
  /** What the graphic shows. */
  label: string;
  width: number;
  height: number;
  /** Items, and the one that is pointed at or was moved to. */
  count: number;
  active: number;
  /** What is said about the current item. */
  nameOf(index: number): string;
  /** Item at a place of the graphic, in its pixels; undefined where there is none. */
  itemAt(x: number, y: number): number | undefined;
  setActive(index: number): void;
  /** Enter, space or a click. */
  choose?: (index: number) => void;
  /** Keys of the graphic's own: the item that they lead to. */
  keyTarget?: (key: string, at: number) => number | undefined;
  children: ComponentChildren;
  /** Marks the current item. */
  cursor?: ComponentChildren;
}

export function Chart(props: Props): JSX.Element {
  const { label, width, height, count, active, nameOf, itemAt, setActive, choose, cursor } = props;
  const id = useId();
  const exists = active >= 0 && active < count;
  const placeOf = (event: MouseEvent): number | undefined => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return itemAt(event.clientX - box.left, event.clientY - box.top);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || count === 0) return;
    if (event.key === "Enter" || event.key === " ") {
      if (exists) choose?.(active);
    } else {
      const next = props.keyTarget?.(event.key, active) ?? targetOf(event.key, active, count);
      if (next === undefined) return;
      setActive(next);
    }
    event.preventDefault();
  };
  return (
    <svg
      class="chart"
      role="listbox"
      aria-label={`${label}; arrow keys move`}
      aria-activedescendant={exists ? `${id}-${active}` : undefined}
      // An attribute of SVG by its exact name: as tabIndex nothing could be focused.
      tabindex={0}
      width={width}
      height={height}
      onKeyDown={onKeyDown}
      onPointerMove={(event) => {
        const at = placeOf(event);
        if (at !== undefined && at !== active) setActive(at);
      }}
      onClick={(event) => {
        const at = placeOf(event);
        if (at === undefined) return;
        setActive(at);
        choose?.(at);
      }}
    >
      <g aria-hidden="true">{props.children}</g>
      {exists && (
        <g
          role="option"
          id={`${id}-${active}`}
          key={active}
          aria-selected="true"
          aria-setsize={count}
          aria-posinset={active + 1}
          aria-label={nameOf(active)}
        >
          {cursor ?? <rect width="0" height="0" />}
        </g>
      )}
    </svg>
  );
}

/** Index of the last position that is not above a value, in a sorted list. */
export function lastNotAbove(positions: readonly number[], value: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (positions[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
