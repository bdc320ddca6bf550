// Controls that several panels have.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";

/** A box to tick, with what it means behind it. */
export function Check({
  checked,
  change,
  disabled,
  children,
}: {
  checked: boolean;
  change(checked: boolean): void;
  disabled?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => change(event.currentTarget.checked)}
      />
      {children}
    </label>
  );
}

/** How far something is; keeps its place while nothing goes on. */
export function WorkBar({
  label,
  done,
  text,
}: {
  label: string;
  /** 0..1; undefined: nothing goes on. */
  done: number | undefined;
  /** Default: the percentage. */
  text?: string;
}): JSX.Element {
  return (
    <div
      class={done === undefined ? "bar idle" : "bar"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((done ?? 0) * 100)}
      aria-valuetext={text}
    >
      <span style={{ transform: `scaleX(${done === undefined ? 0 : Math.max(0.03, done)})` }} />
    </div>
  );
}
