// A span of a coefficient stream in words: its bits, what they are, which weights follow from them.
// SPDX-License-Identifier: MIT
import type {
  AnnotatedCoefficients,
  BitSpan,
  CoefficientFields,
  CoreStream,
  SpanKind,
  SpanList,
} from "../../../core-as/index.ts";
import { signed, tapPlace } from "./weight-text.ts";

export interface SpanView {
  /** Index among the spans of the core. */
  index: number;
  /** First bit, from the start of the stream. */
  at: number;
  length: number;
  kind: SpanKind;
  /** "0" and "1" in the order of the stream (lowest bit first); the first 32 of longer padding. */
  bits: string;
  /** A word or two. */
  label: string;
  /** A sentence. */
  meaning: string;
  /** Kernel and taps of the weights that the span yields, at most 256. */
  kernel: number | null;
  taps: number[];
  /** Bits of other kernels between the span before and this one. */
  skippedBits: number;
}

const MOST_TAPS = 256;
const MOST_BITS = 32;

/** A coefficient buffer and the stream of one of its cores. */
export interface SpanSource {
  contents: Uint8Array;
  stream: CoreStream;
  fields: CoefficientFields;
  annotated: AnnotatedCoefficients;
}

/**
 * One span of a list: of the stream, whose places count from its start, or of what lies around the streams, whose places count
 * from the start of the buffer.
 */
export function spanView(source: SpanSource, list: SpanList, index: number): SpanView {
  const { contents, stream, annotated } = source;
  const span = list.at(index);
  const { from, bits, kind, item, yields } = span;
  const shown = Math.min(bits, MOST_BITS);
  const text = Array.from({ length: shown }, (_, i) => {
    const at = from + i;
    return ((contents[at >>> 3] ?? 0) >> (at & 7)) & 1;
  });
  const places = Array.from({ length: Math.min(yields, MOST_TAPS) }, (_, i) =>
    stream.placeOf(item + i),
  ).flatMap((place) => (place ? [place] : []));
  const isStream = list === stream.spans;
  // A run of length 0 belongs to the weight behind it.
  const first = places[0] ?? (kind === "run" && yields === 0 ? stream.placeOf(item) : null);
  const kernel = kind === "bias" || kind === "offset" ? item : (first?.kernel ?? null);
  const { label, meaning } = SENTENCES[kind](span, source, list);
  return {
    ...{
      index,
      at: isStream ? from - stream.from : from,
      length: bits,
      kind,
      bits: text.join(""),
      label,
      meaning,
    },
    kernel: list === annotated.tail ? null : kernel,
    taps: places.filter((place) => place.kernel === kernel).map(({ tap }) => tap),
    skippedBits: 0,
  };
}

interface Words {
  label: string;
  meaning: string;
}

type Sentence = (span: BitSpan, source: SpanSource, list: SpanList) => Words;

/** "input channel 2, row 0, column 1 of output channel 3". */
function placeText(item: number, { stream, fields }: SpanSource): string {
  const place = stream.placeOf(item);
  if (place === null) return "filling";
  const channel = stream.kernels[place.kernel]?.channel;
  return `${tapPlace(fields, place.tap, channel)} of ${channelText(channel)}`;
}

const channelText = (channel: number | null | undefined): string =>
  channel === null || channel === undefined
    ? "a kernel without a channel"
    : `output channel ${channel}`;

const bitCount = (bits: number): string => `${bits} ${bits === 1 ? "bit" : "bits"}`;

function weightText(item: number, source: SpanSource): string {
  const { stream, fields } = source;
  const value = stream.values[item] ?? 0;
  const byte = value + fields.weightZeroPoint;
  return `weight ${signed(value)} (byte ${byte} less the zero point ${fields.weightZeroPoint}): ${placeText(item, source)}`;
}

/** Patterns read better in hexadecimal, counts in decimal. */
const headerValue = (value: number): string =>
  value >= 0x10000 ? `0x${value.toString(16)}` : String(value);

const SENTENCES: Readonly<Record<SpanKind, Sentence>> = {
  header: ({ item, value }, _, { names }) => {
    const { name, doc } = names[item] ?? { name: "header", doc: "part of the header" };
    const text = headerValue(value);
    return {
      label: `${name.toLowerCase().replaceAll("_", " ")} ${text}`,
      meaning: `${doc}: ${text}`,
    };
  },
  count: ({ value }, { stream }) => ({
    label: "kernels",
    meaning: `part of the two bytes that say how many kernels the core has (${stream.kernels.length}); these bits are ${value}`,
  }),
  run: ({ value, item }, source) => ({
    label: `run ${value}`,
    meaning:
      value === 0
        ? "run of zeros with length 0: no zero before the weight that follows"
        : `${value} ${value === 1 ? "weight that is" : "weights that are"} the zero point, from ${placeText(item, source)} on`,
  }),
  literal: ({ value, item }, source) => ({
    label: signed(value - source.fields.weightZeroPoint),
    meaning: weightText(item, source),
  }),
  symbol: (span, source) => partOf("part 0", span, source),
  extension: (span, source) => partOf("part 1", span, source),
  payload: (span, source) => partOf("part 2", span, source),
  bias: ({ value, item }, { stream, annotated }, list) => {
    const channel = list === annotated.tail ? item : stream.kernels[item]?.channel;
    const text = signed(value | 0);
    return {
      label: `bias ${text}`,
      meaning: `start of the accumulator of ${channelText(channel)}: ${text}, the layer's bias with zero points folded in`,
    };
  },
  offset: ({ value, item }, { stream }) => ({
    label: `offset ${value}`,
    meaning: `where the output plane of ${channelText(stream.kernels[item]?.channel)} begins: ${value} bytes from the output's address`,
  }),
  filling: () => ({
    label: "filling",
    meaning: "a weight of 0 that fills a block of nine or a pair",
  }),
  flush: ({ value }) => ({
    label: "flush",
    meaning: `empty code ${value} that drains the pipeline of pairs at the end of the stream`,
  }),
  padding: ({ bits }) => ({
    label: `padding ${bits}`,
    meaning: `${bitCount(bits)} of zeros up to the next 64 bytes`,
  }),
};

/** The three parts of a version 8 code. */
function partOf(part: string, { item, value, kind }: BitSpan, source: SpanSource): Words {
  const weight = source.stream.values[item] ?? 0;
  const byte = weight & 255;
  const magnitude = byte < 128 ? byte : byte ^ 255;
  const length = magnitude === 0 ? 0 : 32 - Math.clz32(magnitude);
  const symbol = source.annotated.symbolMap?.indexOf(length) ?? 0;
  const stands = `symbol ${symbol}, which stands for ${bitCount(length)}`;
  const rare = "one of the rare symbols 5 to 7; part 1 says which";
  const signIsEarlier = symbol < 2 || symbol === 5;
  const what =
    kind === "payload"
      ? `the bits below the leading one${signIsEarlier ? "" : ", the sign first"}`
      : `code ${value}: ${kind === "symbol" && value === 2 ? rare : stands}`;
  return {
    label: kind === "symbol" ? signed(weight) : part,
    meaning: `${part} of a code, ${what}. It makes ${weightText(item, source)}`,
  };
}
