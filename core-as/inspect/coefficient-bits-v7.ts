// Annotates coefficient buffers of version 7: zero runs and literal bytes, biases and offsets between them.
// SPDX-License-Identifier: MIT
import { alignUp } from "../executable/format.ts";
import {
  badCoefficients,
  bitsAt,
  SpanList,
  zeroBits,
  type AnnotatedCoefficients,
  type CoefficientFields,
  type CoreStream,
  type StreamKernel,
  type WeightPlace,
} from "./bit-spans.ts";
import { blockTable } from "./decode.ts";
import { wordAt } from "./words.ts";

const ALIGN = 64;
const WORD = 32;
/** Streams are written in words of this many bytes before they are aligned. */
const LITERAL = 8;
/** Wider zero runs exist on no chip. */
const RUN_BITS_MAX = 8;
/** Input channels that a pointwise kernel takes at a time (ordering A), and columns that come first (B, C). */
const POINTWISE_BLOCK = 6;
const FIRST_COLUMNS = 3;

/** How the weights of a kernel are cut into blocks; all kernels of a superblock take turns at each block. */
interface Order {
  blocks: number;
  /** Weights of a kernel in each block but the last one, and in the last one. */
  length: number;
  lastLength: number;
  /** Place inside a block -> tap inside the block. */
  places: readonly number[];
  taps: number;
}

function orderOf({ kernelX, kernelY, kernelZ, outZ }: CoefficientFields): Order {
  const taps = kernelX * kernelY * kernelZ;
  if (kernelX === 1 && kernelY === 1 && outZ > 8) {
    const length = Math.min(kernelZ, POINTWISE_BLOCK);
    const blocks = Math.ceil(kernelZ / length);
    const lastLength = kernelZ - (blocks - 1) * length;
    return { blocks, length, lastLength, places: Array.from({ length }, (_, i) => i), taps };
  }
  const length = kernelX * kernelY;
  const places = planeOrder(kernelX, kernelY);
  return { blocks: kernelZ, length, lastLength: length, places, taps };
}

/** Pairs of rows: three columns of both rows first, then their other columns. */
function planeOrder(kernelX: number, kernelY: number): number[] {
  const first = Math.min(kernelX, FIRST_COLUMNS);
  const places: number[] = [];
  for (let top = 0; top < kernelY; top += 2)
    for (const [from, to] of [
      [0, first],
      [first, kernelX],
    ] as const)
      for (let y = top; y < Math.min(top + 2, kernelY); y++)
        for (let x = from; x < to; x++) places.push(y * kernelX + x);
  return places;
}

/**
 * Annotates a version 7 buffer.
 * @param only the core that is wanted; null = all
 * @throws SimFault TW_SIM_BAD_COEFFICIENTS when a stream leaves the buffer, ends early or late
 */
export function annotateV7(
  contents: Uint8Array,
  fields: CoefficientFields,
  only: number | null,
): AnnotatedCoefficients {
  const { nnCores } = fields;
  const headerBytes = alignUp(4 * nnCores, ALIGN);
  if (contents.length < headerBytes)
    throw badCoefficients(`${contents.length} bytes have no room for a header of ${headerBytes}`);
  const header = new SpanList();
  const cores: CoreStream[] = [];
  const kernels: number[] = [];
  const order = orderOf(fields);
  let at = headerBytes;
  for (let core = 0; core < nnCores; core++) {
    const size = wordAt(contents, 4 * core);
    header.pushNamed(
      WORD * core,
      WORD,
      size,
      `size of stream ${core}`,
      size === 0
        ? `core ${core} has no kernels`
        : `bytes of core ${core}'s stream, a multiple of 64`,
    );
    if (size === 0) continue;
    if (size % ALIGN !== 0 || at + size > contents.length)
      throw badCoefficients(`a stream of ${size} bytes at byte ${at} leaves ${contents.length}`);
    kernels.push(bitsAt(contents, 8 * at + LITERAL, 16));
    if (only === null || only === core)
      cores.push(new CoreReader(contents, core, at, size, fields, order).read());
    at += size;
  }
  if (kernels.length === 0) throw badCoefficients("the header has no stream");
  header.push(WORD * nnCores, 8 * headerBytes - WORD * nnCores, "padding", 0);
  return {
    header,
    cores,
    tail: new SpanList(),
    bits: 8 * at,
    kernels,
    taps: order.taps,
    runBits: bitsAt(contents, 8 * headerBytes, 8),
    symbolMap: null,
  };
}

/** Reads one core's stream from its head to its padding. */
class CoreReader {
  private readonly spans = new SpanList();
  private readonly kernels: StreamKernel[] = [];
  private readonly from: number;
  private readonly to: number;
  private readonly runBits: number;
  private readonly count: number;
  private readonly values: Int16Array;
  private position: number;
  /** Coded weights so far. */
  private item = 0;
  /** Zeros that come before the next literal; -1 = the next run is not read yet. */
  private run = -1;

  constructor(
    private readonly contents: Uint8Array,
    private readonly core: number,
    at: number,
    size: number,
    private readonly fields: CoefficientFields,
    private readonly order: Order,
  ) {
    this.from = 8 * at;
    this.to = this.from + 8 * size;
    this.position = this.from;
    const [runWidth, kernelCount] = blockTable("COEF_STREAM_V7").fields;
    this.runBits = this.named(LITERAL, runWidth!.name, runWidth!.doc);
    this.count = this.named(16, kernelCount!.name, kernelCount!.doc);
    if (this.runBits > RUN_BITS_MAX)
      throw badCoefficients(
        `core ${core}: a run width of ${this.runBits} bits, at most ${RUN_BITS_MAX}`,
      );
    if (this.count === 0) throw badCoefficients(`core ${core}: a stream without kernels`);
    // A weight takes eight bits or is one of a run; no run is longer than 255.
    if (this.count * order.taps > size * 256)
      throw badCoefficients(`core ${core}: ${this.count} kernels do not fit ${size} bytes`);
    this.values = new Int16Array(this.count * order.taps);
  }

  read(): CoreStream {
    const { order, count, contents, core, spans, kernels, values } = this;
    const perSuperblock = this.fields.kernelsPerCore;
    for (let done = 0; done < count; done += perSuperblock)
      this.superblock(done, Math.min(perSuperblock, count - done));
    const usedBits = this.position - this.from;
    const padded = 8 * alignUp(4 * Math.ceil(usedBits / WORD), ALIGN);
    if (this.run !== -1 || padded !== this.to - this.from)
      throw badCoefficients(
        `core ${core}: the weights end after ${usedBits} bits of ${this.to - this.from}`,
      );
    if (!zeroBits(contents, this.position, this.to))
      throw badCoefficients(`core ${core}: bits are set behind the end of the weights`);
    spans.push(this.position, this.to - this.position, "padding", 0);
    const { from, to } = this;
    const placeOf = (item: number): WeightPlace | null =>
      item < values.length ? place(item, order, count, perSuperblock) : null;
    return { core, from, to, usedBits, spans, kernels, values, placeOf };
  }

  /** Kernels first .. first+n-1: block by block, in each block all kernels in turn. */
  private superblock(first: number, n: number): void {
    const { blocks, length, lastLength } = this.order;
    const superblock = first / this.fields.kernelsPerCore;
    for (let block = 0; block < blocks; block++) {
      const last = block === blocks - 1;
      for (let j = 0; j < n; j++) {
        let weights = last ? lastLength : length;
        if (block === 0) {
          this.weight();
          weights--;
          const bias = this.word("bias", first + j) | 0;
          this.kernels.push({ channel: null, bias, superblock });
        }
        for (; weights > 0; weights--) this.weight();
        if (last) this.kernels[first + j]!.channel = this.channelAt(this.word("offset", first + j));
      }
    }
  }

  /** The output channel whose plane begins at an offset; null for one that the output does not have. */
  private channelAt(offset: number): number | null {
    const { outPlane, outZ } = this.fields;
    const channel = outPlane === 0 ? 0 : offset / outPlane;
    return Number.isInteger(channel) && channel < outZ ? channel : null;
  }

  private weight(): void {
    if (this.run === -1 && this.runBits > 0) {
      const zeros = bitsAt(this.contents, this.position, this.runBits);
      this.spans.push(this.position, this.runBits, "run", zeros, this.item, zeros);
      this.advance(this.runBits);
      this.run = zeros;
    }
    if (this.run > 0) {
      this.run--;
      this.item++;
      return;
    }
    this.run = -1;
    const literal = bitsAt(this.contents, this.position, LITERAL);
    this.spans.push(this.position, LITERAL, "literal", literal, this.item, 1);
    this.advance(LITERAL);
    this.values[this.item++] = literal - this.fields.weightZeroPoint;
  }

  private word(kind: "bias" | "offset", kernel: number): number {
    // A run that is open here promised more zeros than there are weights before the word.
    if (this.run !== -1)
      throw badCoefficients(`core ${this.core}: a zero run goes on behind weight ${this.item}`);
    const value = bitsAt(this.contents, this.position, WORD);
    this.spans.push(this.position, WORD, kind, value, kernel);
    this.advance(WORD);
    return value;
  }

  private named(bits: number, name: string, doc: string): number {
    const value = bitsAt(this.contents, this.position, bits);
    this.spans.pushNamed(this.position, bits, value, name, doc);
    this.advance(bits);
    return value;
  }

  private advance(bits: number): void {
    this.position += bits;
    if (this.position > this.to)
      throw badCoefficients(`core ${this.core}: the stream ends before weight ${this.item}`);
  }
}

/** Kernel and tap of a coded weight: superblock, block, kernel, place. */
function place(item: number, order: Order, count: number, perSuperblock: number): WeightPlace {
  const { blocks, length, lastLength, places, taps } = order;
  const first = Math.floor(item / (perSuperblock * taps)) * perSuperblock;
  const n = Math.min(perSuperblock, count - first);
  let rest = item - first * taps;
  const block = Math.min(Math.floor(rest / (n * length)), blocks - 1);
  rest -= block * n * length;
  const share = block === blocks - 1 ? lastLength : length;
  const kernel = first + Math.floor(rest / share);
  return { kernel, tap: block * length + places[rest % share]! };
}
