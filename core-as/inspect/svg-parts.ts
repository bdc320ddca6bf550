// Pieces of inline SVG charts. Colours are CSS variables of the page.
// SPDX-License-Identifier: MIT
import { escapeHtml, svgNumber } from "./html-text.ts";

/** Units across a chart; the page scales it to its own width. */
export const CHART_WIDTH = 1080;

export const svg = (height: number, title: string, body: readonly string[]): string =>
  `<svg viewBox="0 0 ${CHART_WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">\n${body.join("\n")}\n</svg>`;

export function label(x: number, y: number, text: string, anchor = "start", extra = ""): string {
  return `<text x="${svgNumber(x)}" y="${svgNumber(y)}" text-anchor="${anchor}"${extra}>${escapeHtml(text)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(svgNumber);
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" class="${kind}"/>`;
}
