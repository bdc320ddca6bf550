// Where results come from, in words that claim nothing beyond it.
// SPDX-License-Identifier: MIT
import type { SubmitResult } from "../core-as/index.ts";
import type { Connection } from "./connect.ts";

/** Milliseconds of a run where it ran, without the way there and back; null when the transport does not tell. */
export function ownTime({ milliseconds, timings }: SubmitResult): number | null {
  if (milliseconds !== undefined) return milliseconds;
  if (timings.length === 0) return null;
  return timings.reduce((sum, step) => sum + step.milliseconds, 0);
}

type Source = Pick<Connection, "place" | "recorded">;

/** "simulated", "measured" … with who says so: "simulated by the board at ws://…". */
export function sourceText({ place, recorded }: Source, evidence: string): string {
  const word = evidence === "none" ? "placeholders, nothing was computed" : evidence;
  switch (place.kind) {
    case "sim":
      return word;
    case "null":
      return `${word}: the null transport answers zeros`;
    case "drm":
      return `${word} through the kernel driver${place.path === undefined ? "" : ` at ${place.path}`}`;
    case "replay":
      return `${word} when it was recorded on ${recorded ?? "another transport"}`;
    case "board":
      return `${word}, says the board at ${place.url}`;
    case "pool":
      return `${word}, says a board of the pool ${place.url}`;
  }
}

/** What a time is worth: a simulated one says how fast a simulator is. */
export const aboutTheChip = (evidence: string): string =>
  evidence === "simulated" ? " (says nothing about the chip)" : "";

/**
 * The last line of a result.
 * @param roundTripMs from the call to its answer
 */
export function timingText(connection: Source, result: SubmitResult, roundTripMs: number): string {
  const { evidence } = result;
  const { kind } = connection.place;
  const own = ownTime(result);
  const source = sourceText(connection, evidence);
  if (kind === "null") return source;
  const about = aboutTheChip(evidence);
  if (kind === "board" || kind === "pool") {
    const onBoard = own === null ? "" : `, on the board ${own.toFixed(0)} ms`;
    return `${source}; round trip ${roundTripMs.toFixed(0)} ms${onBoard}${about}`;
  }
  const who = kind === "sim" ? "this host" : kind === "drm" ? "it" : "then it";
  return `${source}; ${who} took ${(own ?? roundTripMs).toFixed(0)} ms${about}`;
}
