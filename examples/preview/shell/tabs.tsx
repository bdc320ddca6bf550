// The tabs of the panels: one tab list, in a column beside the panel or in a row above it.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { TAB_GROUPS, TABS } from "./panels.ts";

interface Props {
  current: string;
  vertical: boolean;
  choose(id: string): void;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowDown: 1,
  ArrowLeft: -1,
  ArrowUp: -1,
};

/** Index that a key leads to, or undefined for keys that mean nothing here. */
function target(key: string, at: number): number | undefined {
  if (key === "Home") return 0;
  if (key === "End") return TABS.length - 1;
  const step = STEPS[key];
  return step === undefined ? undefined : (at + step + TABS.length) % TABS.length;
}

export function Tabs({ current, vertical, choose }: Props): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = target(
      event.key,
      TABS.findIndex(({ id }) => id === current),
    );
    if (next === undefined) return;
    event.preventDefault();
    const { id } = TABS[next]!;
    choose(id);
    list.current?.querySelector<HTMLElement>(`#tab-${id}`)?.focus();
  };
  // In a row that scrolls, the chosen tab is brought into view; the page itself does not move.
  useEffect(() => {
    const row = list.current;
    const tab = row?.querySelector<HTMLElement>(`#tab-${current}`);
    if (!row || !tab || vertical) return;
    row.scrollLeft = tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  }, [current, vertical]);
  return (
    <div
      class="tabs"
      role="tablist"
      aria-label="Views of the model"
      aria-orientation={vertical ? "vertical" : "horizontal"}
      ref={list}
      onKeyDown={onKeyDown}
    >
      {TAB_GROUPS.map((group) => (
        <div role="none" class="tab-group" key={group.title}>
          <span class="tab-group-title" aria-hidden="true">
            {group.title}
          </span>
          {group.tabs.map(({ id, title }) => (
            <button
              type="button"
              role="tab"
              key={id}
              id={`tab-${id}`}
              aria-selected={id === current}
              aria-controls="panel"
              tabIndex={id === current ? 0 : -1}
              onClick={() => choose(id)}
            >
              {title}
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}
