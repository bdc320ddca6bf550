// What every verb writes with: streams, colours, tables, progress. Nothing else touches process.stdout.
// SPDX-License-Identifier: MIT
import Table from "cli-table3";
import pico from "picocolors";
import { UsageError } from "../core-as/errors.ts";

type Colours = ReturnType<typeof pico.createColors>;

/** NO_COLOR wins over FORCE_COLOR; without either, only a terminal gets colours. */
function coloursFor(stream: NodeJS.WriteStream): Colours {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const wanted = !NO_COLOR && (Boolean(FORCE_COLOR) || stream.isTTY === true);
  return pico.createColors(wanted);
}

/** Colours for standard output and for standard error. */
export const out = coloursFor(process.stdout);
export const err = coloursFor(process.stderr);

/** Everything that a terminal might obey but line ends, tabs and colours. */
const CONTROLS = /\u001b(?!\[[\d;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Names come from models, labels and boards: none of them moves a cursor or changes a terminal. */
const harmless = (text: string): string => text.replace(CONTROLS, "?");

/** Writes a line to standard output. */
export function print(text = ""): void {
  process.stdout.write(`${harmless(text)}\n`);
}

/** Writes a line to standard error: what is not the result. */
export function note(text: string): void {
  process.stderr.write(`${harmless(text)}\n`);
}

/** A value as JSON that terminals print as it is; 64-bit integers become decimal text. */
export function jsonText(value: unknown, indent?: number): string {
  const plain = (_key: string, member: unknown): unknown =>
    typeof member === "bigint" ? member.toString() : member;
  return JSON.stringify(value, plain, indent).replace(
    /[\u007f-\u009f]/g,
    (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`,
  );
}

/** Writes a value as JSON, two spaces deep. */
export const printJson = (value: unknown): void => print(jsonText(value, 2));

/** Writes text as it is, or raw bytes, to standard output; bytes not to a terminal, which they would garble. */
export async function writeOutput(bytes: Uint8Array | string): Promise<void> {
  if (typeof bytes !== "string" && process.stdout.isTTY)
    throw new UsageError("standard output is a terminal; name a file with -o, or redirect");
  await new Promise<void>((resolve, reject) =>
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())),
  );
}

export type Align = "left" | "right";

const NO_LINES = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"],
    ...["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((name) => [name, ""]),
);

/** Rows under a head, aligned, without lines. */
export function table(
  head: readonly string[],
  rows: ReadonlyArray<readonly (string | number)[]>,
  aligns: readonly Align[] = [],
): string {
  const grid = new Table({
    head: head.map((text) => out.dim(text)),
    colAligns: head.map((_, i) => aligns[i] ?? "left"),
    chars: { ...NO_LINES, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const row of rows) grid.push(row.map(String));
  return grid
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** 1234567 -> "1,234,567". */
export const count = (value: number): string => value.toLocaleString("en-US");

/** Bytes for people: "512 B", "12.3 KiB", "4.1 MiB". */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kibi = bytes / 1024;
  return kibi < 1024 ? `${kibi.toFixed(1)} KiB` : `${(kibi / 1024).toFixed(1)} MiB`;
}

/** Progress on standard error: only on a terminal, and only once something takes longer than a second. */
export class Progress {
  private readonly start = performance.now();
  private shown = false;

  constructor(private readonly title: string) {}

  /** @param done share of the work, 0..1 */
  update(stage: string, done: number): void {
    if (!process.stderr.isTTY || performance.now() - this.start < 1000) return;
    this.shown = true;
    const percent = Math.floor(done * 100);
    process.stderr.write(`\r\x1b[K${err.dim(`${this.title}: ${stage}, ${percent} %`)}`);
  }

  /** Clears the line. */
  end(): void {
    if (this.shown) process.stderr.write("\r\x1b[K");
    this.shown = false;
  }
}
