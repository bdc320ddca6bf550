// A span of a coefficient stream in words: its bits, what they are, which weights follow from them.
// SPDX-License-Identifier: MIT
import type {
  AnnotatedCoefficients,
  BitSpan,
  CoefficientFields,
  CoreStream,
  SpanKind,
} from "../../../core-as/index.ts";

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

export function spanView(
  contents: Uint8Array,
  stream: CoreStream,
  fields: CoefficientFields,
  annotated: AnnotatedCoefficients,
  index: number,
): SpanView {
  const span = stream.spans.at(index);
  const { from, bits, kind, item, yields } = span;
  const shown = Math.min(bits, MOST_BITS);
  const text = Array.from({ length: shown }, (_, i) => {
    const at = from + i;
    return ((contents[at >>> 3] ?? 0) >> (at & 7)) & 1;
  });
  const places = Array.from({ length: Math.min(yields, MOST_TAPS) }, (_, i) =>
    stream.placeOf(item + i),
  ).flatMap((place) => (place ? [place] : []));
  const kernel = kind === "bias" || kind === "offset" ? item : (places[0]?.kernel ?? null);
  const { label, meaning } = sentenceOf(span, stream, fields, annotated);
  return {
    ...{ index, at: from - stream.from, length: bits, kind, bits: text.join(""), label, meaning },
    kernel,
    taps: places.filter((place) => place.kernel === kernel).map(({ tap }) => tap),
    skippedBits: 0,
  };
}

interface Words {
  label: string;
  meaning: string;
}

type Sentence = (
  span: BitSpan,
  stream: CoreStream,
  fields: CoefficientFields,
  annotated: AnnotatedCoefficients,
) => Words;

/** "plane 2, row 0, column 1 of kernel 3". */
function placeText(item: number, { placeOf, kernels }: CoreStream, fields: CoefficientFields): string {
  const place = placeOf(item);
  if (place === null) return "filling";
  const { kernelX, kernelY } = fields;
  const [x, y, z] = [
    place.tap % kernelX,
    Math.floor(place.tap / kernelX) % kernelY,
    Math.floor(place.tap / (kernelX * kernelY)),
  ];
  const channel = kernels[place.kernel]?.channel ?? null;
  const owner = channel === null ? "a kernel without a channel" : `output channel ${channel}`;
  return kernelX * kernelY === 1
    ? `input channel ${z} of ${owner}`
    : `input channel ${z}, row ${y}, column ${x} of ${owner}`;
} // prettier-ignore

const signed = (value: number): string => (value < 0 ? `−${-value}` : String(value));

const weightText = (item: number, stream: CoreStream, fields: CoefficientFields): string => {
  const value = stream.values[item] ?? 0;
  const byte = value + fields.weightZeroPoint;
  return `weight ${signed(value)} (byte ${byte} less the zero point ${fields.weightZeroPoint}): ${placeText(item, stream, fields)}`;
};

const SENTENCES: Readonly<Record<SpanKind, Sentence>> = {
  header: ({ item, value }, { spans }) => {
    const { name, doc } = spans.names[item] ?? { name: "header", doc: "" };
    return { label: `${name.toLowerCase().replaceAll("_", " ")} ${value}`, meaning: `${doc}: ${value}` };
  },
  count: ({ value }, { kernels }) => ({
    label: "kernels",
    meaning: `part of the two bytes that say how many kernels the core has (${kernels.length}); these bits are ${value}`,
  }),
  run: ({ value, item }, stream, fields) => ({
    label: `run ${value}`,
    meaning:
      value === 0
        ? "run of zeros with length 0: the literal follows at once"
        : `${value} ${value === 1 ? "weight that is" : "weights that are"} the zero point, from ${placeText(item, stream, fields)} on`,
  }),
  literal: ({ value, item }, stream, fields) => ({
    label: signed(value - fields.weightZeroPoint),
    meaning: weightText(item, stream, fields),
  }),
  symbol: (span, stream, fields, annotated) => partOf("part 0", span, stream, fields, annotated),
  extension: (span, stream, fields, annotated) => partOf("part 1", span, stream, fields, annotated),
  payload: (span, stream, fields, annotated) => partOf("part 2", span, stream, fields, annotated),
  bias: ({ value, item }, { kernels }) => ({
    label: `bias ${signed(value | 0)}`,
    meaning: `start of the accumulator of ${channelText(kernels[item]?.channel)}: ${signed(value | 0)}, the layer's bias with zero points folded in`,
  }),
  offset: ({ value, item }, { kernels }) => ({
    label: `offset ${value}`,
    meaning: `where the output plane of ${channelText(kernels[item]?.channel)} begins: ${value} bytes from the output's address`,
  }),
  filling: () => ({ label: "filling", meaning: "a weight of 0 that fills a block of nine or a pair" }),
  flush: ({ value }) => ({
    label: "flush",
    meaning: `empty code ${value} that drains the pipeline of pairs at the end of the stream`,
  }),
  padding: ({ bits }) => ({ label: `padding ${bits}`, meaning: `${bits} zero bits up to the next 64 bytes` }),
}; // prettier-ignore

const channelText = (channel: number | null | undefined): string =>
  channel === null || channel === undefined
    ? "a kernel without a channel"
    : `output channel ${channel}`;

/** The three parts of a version 8 code. */
function partOf(part: string, span: BitSpan, stream: CoreStream, fields: CoefficientFields, { symbolMap }: AnnotatedCoefficients): Words {
  const { item, value, kind } = span;
  const weight = stream.values[item] ?? 0;
  const byte = weight & 255;
  const magnitude = byte < 128 ? byte : byte ^ 255;
  const length = magnitude === 0 ? 0 : 32 - Math.clz32(magnitude);
  const symbol = symbolMap?.indexOf(length) ?? 0;
  const what =
    kind === "symbol"
      ? `code ${value}: ${value === 2 ? "one of the rare symbols 5 to 7, part 1 says which" : `symbol ${symbol}, which stands for ${length} ${length === 1 ? "bit" : "bits"}`}`
      : kind === "extension"
        ? `code ${value}: symbol ${symbol}, which stands for ${length} ${length === 1 ? "bit" : "bits"}`
        : `the bits below the leading one${symbol < 2 || symbol === 5 ? "" : ", and the sign first"}`;
  const label = kind === "symbol" ? signed(weight) : part;
  return { label, meaning: `${part} of a code, ${what}. It makes ${weightText(item, stream, fields)}` };
} // prettier-ignore

function sentenceOf(span: BitSpan, stream: CoreStream, fields: CoefficientFields, annotated: AnnotatedCoefficients): Words {
  return SENTENCES[span.kind](span, stream, fields, annotated);
} // prettier-ignore
