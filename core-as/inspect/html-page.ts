// What all pages have in common: the frame, and a style for light and dark.
// SPDX-License-Identifier: MIT
import { escapeHtml } from "./html-text.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2230; --soft: #5c6675; --page: #ffffff; --card: #f3f5f8; --rule: #d9dee6;
  --memory: #2f7ebc; --compute: #d9792b; --tp: #6b9c3f; --roof: #b0304a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #9aa5b5; --page: #14171d; --card: #1f242d; --rule: #343b47;
    --memory: #5aa7e0; --compute: #f0a05a; --tp: #96c86a; --roof: #f07a92; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 48px; max-width: 1180px; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 32px 0 8px; }
p { margin: 4px 0 10px; max-width: 90ch; } .soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; margin: 18px 0; padding: 0; }
.cards div { background: var(--card); border-radius: 8px; padding: 12px 14px; }
.cards b { display: block; font-size: 20px; font-weight: 600; } .cards span { color: var(--soft); font-size: 12px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 12.5px; }
th { text-align: left; color: var(--soft); font-weight: 500; } th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
.r { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; } svg text.strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--rule); } .roof { stroke: var(--roof); stroke-width: 2; }
.memory { fill: var(--memory); } .compute { fill: var(--compute); } .tp { fill: var(--tp); }
circle { fill-opacity: 0.55; stroke: var(--page); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 4px 0 12px; }
.key.memory { background: var(--memory); margin-left: 0; } .key.compute { background: var(--compute); } .key.tp { background: var(--tp); }
.legend { white-space: nowrap; } td:has(.bar) { width: 40%; }
.bar { background: var(--memory); height: 9px; border-radius: 2px; min-width: 1px; }
`;

/**
 * A self-contained page: no scripts, no other files, light and dark by the reader's choice.
 * @param sections HTML; empty ones are left out
 * @param style CSS of this page's own
 */
export function htmlPage(title: string, sections: readonly string[], style = ""): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
${sections.filter((section) => section !== "").join("\n")}
</body>
</html>
`;
}

/** The end of a long name says more than its start. */
export function nameCell(name: string): string {
  const LONGEST = 36;
  if (name.length <= LONGEST) return escapeHtml(name);
  const end = name.slice(name.length - LONGEST + 1);
  return `<span title="${escapeHtml(name)}">…${escapeHtml(end)}</span>`;
}

/** Boxes with a large figure and what it is. */
export function cardsHtml(list: readonly (readonly [value: string, label: string])[]): string {
  const boxes = list.map(
    ([value, text]) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(text)}</span></div>`,
  );
  return `<div class="cards">${boxes.join("")}</div>`;
}
