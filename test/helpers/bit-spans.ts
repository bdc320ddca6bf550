// What spans of a coefficient buffer must be like: every bit once, values from their own bits, weights as the decoder's.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import type { Core } from "../../core-as/core.ts";
import { bitsAt, type BitSpan, type CoreStream } from "../../core-as/inspect/bit-spans.ts";
import { annotateCoefficients, type AnnotatedCoefficients, type CoefficientFields } from "../../core-as/inspect/coefficient-bits.ts"; // prettier-ignore
import { decodeCoefs } from "./decode-coefs.ts";

/** Annotates a buffer and checks everything that can be checked about the result. */
export function checkSpans(
  core: Core,
  bytes: Uint8Array,
  fields: CoefficientFields,
  name: string,
): AnnotatedCoefficients {
  const annotated = annotateCoefficients(bytes, fields);
  const { header, cores, tail } = annotated;
  const spans = [header, ...cores.map((stream) => stream.spans), tail].flatMap((list) => [...list]);
  let at = 0;
  for (const span of spans) {
    assert.is(span.from, at, `${name}: bit ${at} belongs to the next span`);
    assert.ok(span.bits > 0);
    if (span.bits <= 32) assert.is(span.value, bitsAt(bytes, at, span.bits), name);
    at += span.bits;
  }
  assert.is(at, annotated.bits, `${name}: spans cover what is read`);

  const { kernelX, kernelY, kernelZ, outZ, kernelsPerCore: perCore, nnCores, depthwise } = fields;
  const decoded = decodeCoefs(core, fields.nnCoreVersion as 7 | 8, bytes, {
    ...{ kernelX, kernelY, kernelZ, outZ, perCore, depthwise },
    weightZp: fields.weightZeroPoint,
    cores: nnCores,
  });
  let kernel = 0;
  for (const stream of cores) {
    assert.equal(weightsOfSpans(stream, fields, annotated), [...stream.values], name);
    const weights = new Int16Array(stream.kernels.length * annotated.taps);
    const seen = new Uint8Array(weights.length);
    for (const [item, value] of stream.values.entries()) {
      const place = stream.placeOf(item);
      if (place === null) continue;
      const index = place.kernel * annotated.taps + place.tap;
      weights[index] = value;
      seen[index]!++;
    }
    assert.not(seen.some((count) => count !== 1), `${name}: every weight once`); // prettier-ignore
    const first = kernel * annotated.taps;
    assert.equal(weights, decoded.weights.slice(first, first + weights.length), name);
    for (const { channel, bias } of stream.kernels) {
      assert.is(bias, decoded.biases[kernel], name);
      const word = decoded.offsets[kernel]! >>> 0;
      const expected = fields.nnCoreVersion === 8 ? word : word / Math.max(fields.outPlane, 1);
      const exists = Number.isInteger(expected) && expected < outZ;
      assert.is(channel, exists ? expected : null, name);
      kernel++;
    }
  }
  assert.is(kernel, decoded.biases.length);
  return annotated;
}

/** Weights of a core from the bits of its spans alone, by the tables of the format's description. */
function weightsOfSpans(
  { spans, values }: CoreStream,
  { nnCoreVersion, weightZeroPoint }: CoefficientFields,
  { symbolMap }: AnnotatedCoefficients,
): number[] {
  const weights = new Array<number>(values.length).fill(0);
  if (nnCoreVersion === 7) {
    for (const { kind, value, item, yields } of spans)
      if (kind === "literal") weights[item] = value - weightZeroPoint;
      else if (kind === "run") assert.is(yields, value);
    return weights;
  }
  const parts: (BitSpan[] | undefined)[] = [];
  for (const span of spans)
    if (span.kind === "run") assert.is(span.yields, span.value);
    else if (span.yields === 1 || (span.kind === "filling" && span.item < values.length))
      (parts[span.item] ??= []).push(span);
  for (const [item, list] of parts.entries()) {
    // One of a run.
    if (list === undefined) continue;
    const byte = byteOf(list, symbolMap!);
    weights[item] = ((byte + weightZeroPoint) & 255) - weightZeroPoint;
  }
  return weights;
}

/** The byte that the parts of one code say (coefficients-v8.md 3). */
function byteOf(parts: readonly BitSpan[], map: readonly number[]): number {
  const bits = parts.map(({ value, bits: width }) => value.toString(2).padStart(width, "0"));
  const part0 = Number(`0b${bits.shift()}`);
  let symbol = [0, 1, 5, 3, 0, 1, 4, 2][part0]!;
  let low = [0, 4].includes(part0) || [1, 5].includes(part0) ? String(part0 >> 2) : "";
  if (part0 === 2) {
    const part1 = Number(`0b${bits.shift()}`);
    symbol = part1 === 0 ? 7 : part1 === 2 ? 6 : 5;
    low = symbol === 5 ? String(part1 >> 1) : "";
  }
  const payload = Number(`0b0${bits.join("")}${low}`);
  const length = map[symbol]!;
  const magnitude = length === 0 ? 0 : 2 ** (length - 1) + (payload >> 1);
  return payload & 1 ? magnitude ^ 255 : magnitude;
}
