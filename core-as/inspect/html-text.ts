// Pieces that the report's page is put together from: escaped text, numbers, tables.
// SPDX-License-Identifier: MIT

/** Text that is safe in HTML and SVG, also inside of attributes. */
export const escapeHtml = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");

/** 1234567 -> "1,234,567"; the same on every host. */
export const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** Bytes for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kibi = bytes / 1024;
  return kibi < 1024 ? `${kibi.toFixed(1)} KiB` : `${(kibi / 1024).toFixed(2)} MiB`;
}

export const msText = (ms: number): string => `${ms < 0.1 ? ms.toFixed(3) : ms.toFixed(2)} ms`;
export const percentText = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A number in SVG. */
export const svgNumber = (value: number): string => String(Number(value.toFixed(2)));

/** A table; cells are HTML, columns whose name begins with ">" are aligned to the right. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = head.map((name) => name.startsWith(">"));
  const line = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell, i) => `<${tag}${right[i] ? ' class="r"' : ""}>${cell}</${tag}>`).join("")}</tr>`;
  const names = head.map((name) => escapeHtml(name.replace(/^>/, "")));
  return (
    `<div class="scroll"><table><thead>${line("th", names)}</thead>` +
    `<tbody>\n${rows.map((row) => line("td", row)).join("\n")}\n</tbody></table></div>`
  );
}
