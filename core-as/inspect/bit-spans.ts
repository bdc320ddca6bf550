// Spans of bits by the hundred thousand: columns of numbers that grow, with an object made for each span that is looked at.
// SPDX-License-Identifier: MIT
import { SimFault } from "../errors.ts";

/** What a span of bits can be. */
const SPAN_KINDS = [
  "header",
  "count",
  "run",
  "literal",
  "symbol",
  "extension",
  "payload",
  "bias",
  "offset",
  "filling",
  "flush",
  "padding",
] as const;

/** What a span of bits stands for. */
export type SpanKind = (typeof SPAN_KINDS)[number];

/** Bits that mean one thing. */
export interface BitSpan {
  /** First bit, from the start of the buffer; bit 0 is the lowest of byte 0. */
  from: number;
  bits: number;
  kind: SpanKind;
  /** The bits as a number, lowest first: unsigned, up to 32 bits; 0 for padding. */
  value: number;
  /**
   * run, literal, symbol, extension, payload, filling: first coded value of the core that the span yields (or helps to);
   * bias and offset: kernel of the core, in the tail of version 8 the output channel; header: number of the span's name;
   * others: 0.
   */
  item: number;
  /** Coded values that follow from the span: zeros of a run, 1 for other parts of a weight, 0 for the rest. */
  yields: number;
}

const FIRST_ROOM = 256;
const KIND_INDEX = new Map<SpanKind, number>(SPAN_KINDS.map((kind, index) => [kind, index]));

/** Spans in the order of their bits. */
export class SpanList {
  length = 0;
  /** Names that header spans refer to by `item`. */
  readonly names: { name: string; doc: string }[] = [];
  private from = new Float64Array(FIRST_ROOM);
  private bits = new Uint32Array(FIRST_ROOM);
  private kind = new Uint8Array(FIRST_ROOM);
  private value = new Uint32Array(FIRST_ROOM);
  private item = new Uint32Array(FIRST_ROOM);
  private yields = new Uint32Array(FIRST_ROOM);

  /** Appends a span; one without bits is left out. */
  push(from: number, bits: number, kind: SpanKind, value: number, item = 0, yields = 0): void {
    if (bits === 0) return;
    if (this.length === this.kind.length) this.grow();
    const at = this.length++;
    this.from[at] = from;
    this.bits[at] = bits;
    this.kind[at] = KIND_INDEX.get(kind)!;
    this.value[at] = value;
    this.item[at] = item;
    this.yields[at] = yields;
  }

  /** Appends a header span with its name and meaning. */
  pushNamed(from: number, bits: number, value: number, name: string, doc: string): void {
    this.names.push({ name, doc });
    this.push(from, bits, "header", value, this.names.length - 1);
  }

  /** @throws RangeError when there is no such span */
  at(index: number): BitSpan {
    if (!(index >= 0 && index < this.length))
      throw new RangeError(`there is no span ${index} of ${this.length}`);
    return {
      from: this.from[index]!,
      bits: this.bits[index]!,
      kind: SPAN_KINDS[this.kind[index]!]!,
      value: this.value[index]!,
      item: this.item[index]!,
      yields: this.yields[index]!,
    };
  }

  /** Spans one after the other. */
  *[Symbol.iterator](): Generator<BitSpan> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  private grow(): void {
    const room = this.kind.length * 2;
    const longer = <T extends Uint8Array | Uint32Array | Float64Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.from = longer(this.from, new Float64Array(room));
    this.bits = longer(this.bits, new Uint32Array(room));
    this.kind = longer(this.kind, new Uint8Array(room));
    this.value = longer(this.value, new Uint32Array(room));
    this.item = longer(this.item, new Uint32Array(room));
    this.yields = longer(this.yields, new Uint32Array(room));
  }
}

/** `count` (up to 32) bits from bit `at` on, lowest first; bits behind the end count as 0. */
export function bitsAt(bytes: Uint8Array, at: number, count: number): number {
  const low = at & 7;
  const first = at >>> 3;
  if (low + count <= 24) {
    const word = bytes[first]! | (bytes[first + 1]! << 8) | (bytes[first + 2]! << 16);
    return (word >>> low) & ((1 << count) - 1);
  }
  let value = 0;
  let taken = 0;
  // Sums instead of shifts: the result may have 32 bits and is unsigned.
  for (let byte = first, skip = low; taken < count; byte++, skip = 0) {
    const width = Math.min(8 - skip, count - taken);
    value += (((bytes[byte] ?? 0) >> skip) & ((1 << width) - 1)) * 2 ** taken;
    taken += width;
  }
  return value;
}

/** Whether bits from..to-1 are all 0. */
export function zeroBits(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 32)
    if (bitsAt(bytes, at, Math.min(32, to - at)) !== 0) return false;
  return true;
}

/** What the descriptor and the chip say about a coefficient buffer. */
export interface CoefficientFields {
  /** Format: 7 or 8. */
  nnCoreVersion: number;
  /** NN cores of the chip. */
  nnCores: number;
  /** Columns, rows and planes of a kernel. */
  kernelX: number;
  kernelY: number;
  kernelZ: number;
  /** Output channels. */
  outZ: number;
  /** Kernels per core and superblock. */
  kernelsPerCore: number;
  /** 0..255. */
  weightZeroPoint: number;
  /** Version 8: a kernel has the plane of its own channel only. */
  depthwise: boolean;
  /** Bytes of an output plane in memory: version 7 writes a kernel's plane by its offset. */
  outPlane: number;
}

/** One kernel as a core's stream holds it. */
export interface StreamKernel {
  /** Output channel; null for a kernel that belongs to none (quirk Q1). */
  channel: number | null;
  /** Accumulator start: the layer's bias with zero points folded in, 32 bits, signed. */
  bias: number;
  superblock: number;
}

/** Place of a weight: which kernel of the core, and its index (z * rows + y) * columns + x. */
export interface WeightPlace {
  kernel: number;
  tap: number;
}

/** What one NN core reads. */
export interface CoreStream {
  core: number;
  /** First bit of the stream and the bit behind its padding, from the start of the buffer. */
  from: number;
  to: number;
  /** Bits before the padding. */
  usedBits: number;
  /** Every bit from..to-1, once, in order. */
  spans: SpanList;
  kernels: StreamKernel[];
  /** Coded values in stream order: weight - zero point; spans count in them. */
  values: Int16Array;
  /** Where a coded value belongs; null for filling. */
  placeOf(item: number): WeightPlace | null;
}

/** A whole buffer. */
export interface AnnotatedCoefficients {
  /** Bits 0.. of the header. */
  header: SpanList;
  /** Of the cores that were asked for, or of all that take part. */
  cores: CoreStream[];
  /** Version 8: biases behind the streams; version 7: empty. */
  tail: SpanList;
  /** Bits that header, streams and tail cover: all that the job reads. */
  bits: number;
  /** Kernels of each core that takes part, over all superblocks. */
  kernels: number[];
  /** Weights of a kernel. */
  taps: number;
  /** Width of zero-run lengths; 0 = none. */
  runBits: number;
  /** Version 8: bit length that each symbol stands for; version 7: null. */
  symbolMap: number[] | null;
}

/** The error of a buffer that contradicts the descriptor. */
export function badCoefficients(message: string): SimFault {
  return new SimFault("TW_SIM_BAD_COEFFICIENTS", message);
}
