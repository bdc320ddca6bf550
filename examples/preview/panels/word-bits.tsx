// The 32 bits of a word, cut into its fields.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";

export interface Segment {
  name: string;
  hi: number;
  lo: number;
}

interface Props {
  word: number;
  segments: readonly Segment[];
  /** Name of the field that is pointed at. */
  current?: string;
  point?: (name: string) => void;
}

/** Bits from 31 down to 0; decoration, as the fields are listed beside it. */
export function WordBits({ word, segments, current, point }: Props): JSX.Element {
  const parts = cut(segments);
  return (
    <div class="word-bits" aria-hidden="true">
      {parts.map(({ name, hi, lo }) => (
        <span
          key={hi}
          class={`word-part${name === "" ? " undeclared" : ""}${name !== "" && name === current ? " current" : ""}`}
          style={{ flexGrow: hi - lo + 1 }}
          title={name === "" ? "no field" : name}
          onPointerEnter={() => name !== "" && point?.(name)}
        >
          {Array.from({ length: hi - lo + 1 }, (_, i) => (
            <i key={i}>{Math.floor((word >>> 0) / 2 ** (hi - i)) % 2}</i>
          ))}
        </span>
      ))}
    </div>
  );
}

/** Segments from the highest bit on, with what lies between them. */
function cut(segments: readonly Segment[]): Segment[] {
  const sorted = [...segments].sort((a, b) => b.hi - a.hi);
  const parts: Segment[] = [];
  let next = 31;
  for (const segment of sorted) {
    if (segment.hi < next) parts.push({ name: "", hi: next, lo: segment.hi + 1 });
    parts.push(segment);
    next = segment.lo - 1;
  }
  if (next >= 0) parts.push({ name: "", hi: next, lo: 0 });
  return parts;
}
