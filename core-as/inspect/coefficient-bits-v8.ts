// Annotates coefficient buffers of version 8: bytes in up to three parts, two bytes at a time, the parts of consecutive pairs
// interleaved.
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
  type SpanKind,
  type StreamKernel,
  type WeightPlace,
} from "./bit-spans.ts";
import { blockTable, fieldReader } from "./decode.ts";
import { wordAt } from "./words.ts";

const ALIGN = 64;
const LENGTHS_AT = 28;
const WORD = 32;
/** Weights come in blocks of this many. */
const BLOCK = 9;
/** A stream begins with its number of kernels. */
const COUNT_BYTES = 2;
const FLUSH_PAIRS = 2;
/** Part 0 of the flush after a pair whose second byte is filling. */
const FLUSH_FILLED = 4;
/** No chip has wider zero runs. */
const RUN_BITS_MAX = 8;
/** Part 0 that is followed by a part 1. */
const LONG = 2;

const share = (kernels: number, cores: number, core: number): number =>
  Math.floor(kernels / cores) + (core < kernels % cores ? 1 : 0);

/** What the descriptor says about the order of weights (spec 5). */
interface Order {
  taps: number;
  /** Coded values of a kernel that follow each other, filling counted, and how often that comes. */
  blockLength: number;
  blocks: number;
  superblocks: number;
  coresUsed: number;
}

function orderOf(fields: CoefficientFields): Order {
  const { kernelX, kernelY, kernelZ, outZ, nnCores, kernelsPerCore, depthwise } = fields;
  const taps = kernelX * kernelY * (depthwise ? 1 : kernelZ);
  const blocks = Math.ceil(taps / BLOCK);
  return {
    taps,
    blockLength: depthwise ? blocks * BLOCK : BLOCK,
    blocks: depthwise ? 1 : blocks,
    superblocks: Math.ceil(Math.ceil(outZ / nnCores) / kernelsPerCore),
    coresUsed: Math.min(outZ, nnCores),
  };
}

/**
 * Annotates a version 8 buffer.
 * @param only the core that is wanted; null = all
 * @throws SimFault TW_SIM_BAD_COEFFICIENTS when a stream leaves the buffer, ends early or late, or uses coding that no
 *   capture shows
 */
export function annotateV8(
  contents: Uint8Array,
  fields: CoefficientFields,
  only: number | null,
): AnnotatedCoefficients {
  const order = orderOf(fields);
  const headerBytes = alignUp(LENGTHS_AT + 4 * fields.nnCores, ALIGN);
  if (contents.length < headerBytes)
    throw badCoefficients(`${contents.length} bytes have no room for a header of ${headerBytes}`);
  const field = fieldReader("COEF_HEADER_V8", contents, 8);
  const runBits = field("RUN_LENGTH_SIZE");
  if (runBits > RUN_BITS_MAX)
    throw badCoefficients(`a run width of ${runBits} bits, at most ${RUN_BITS_MAX}`);
  for (const name of ["PRECODE", "BIT16", "FP16", "AVERAGE_BIAS"])
    if (field(name) !== 0)
      throw badCoefficients(`${name} is ${field(name)}, and only 0 was ever captured`);
  const symbolMap = Array.from({ length: 8 }, (_, i) => (wordAt(contents, 20) >>> (4 * i)) & 15);
  if (new Set(symbolMap).size !== 8 || Math.max(...symbolMap) > 7)
    throw badCoefficients(`the symbol map ${symbolMap.join(" ")} is not the lengths 0 to 7`);

  let at = headerBytes;
  const cores: CoreStream[] = [];
  for (let core = 0; core < order.coresUsed; core++) {
    const bits = wordAt(contents, LENGTHS_AT + 4 * core);
    const bytes = alignUp(Math.ceil(bits / 8), ALIGN);
    if (bits === 0 || at + bytes > contents.length)
      throw badCoefficients(`a stream of ${bits} bits at byte ${at} leaves ${contents.length}`);
    if (only === null || only === core)
      cores.push(
        new CoreReader(contents, core, at, bits, fields, order, symbolMap, runBits).read(),
      );
    at += bytes;
  }
  if (at + 4 * fields.outZ > contents.length)
    throw badCoefficients(`${fields.outZ} biases at byte ${at} leave ${contents.length}`);
  const tail = new SpanList();
  for (let channel = 0; channel < fields.outZ; channel++)
    tail.push(8 * at + WORD * channel, WORD, "bias", wordAt(contents, at + 4 * channel), channel);
  for (const { kernels } of cores)
    for (const kernel of kernels) kernel.bias = wordAt(contents, at + 4 * kernel.channel!) | 0;
  return {
    header: headerSpans(contents, order, headerBytes),
    cores,
    tail,
    bits: 8 * (at + 4 * fields.outZ),
    kernels: Array.from({ length: order.coresUsed }, (_, core) =>
      share(fields.outZ, order.coresUsed, core),
    ),
    taps: order.taps,
    runBits,
    symbolMap,
  };
}

/** The declared fields, what lies between them, the lengths of the streams. */
function headerSpans(contents: Uint8Array, { coresUsed }: Order, headerBytes: number): SpanList {
  const spans = new SpanList();
  let at = 0;
  const upTo = (end: number): void => {
    const gap = end - at;
    if (gap > 0 && gap <= WORD)
      spans.pushNamed(at, gap, bitsAt(contents, at, gap), "reserved", "always 0");
    // Between run length size and symbol map: a table of 18 bytes.
    else if (gap > 0) spans.pushNamed(at, gap, 0, "run length table", "18 bytes, always 0");
    at = end;
  };
  for (const { name, doc, parts } of blockTable("COEF_HEADER_V8").fields) {
    const [word, high, low] = parts[0]!;
    upTo(WORD * word + low);
    const bits = high - low + 1;
    spans.pushNamed(at, bits, bitsAt(contents, at, bits), name, doc);
    at += bits;
  }
  upTo(8 * LENGTHS_AT);
  for (let core = 0; core < coresUsed; core++, at += WORD)
    spans.pushNamed(
      at,
      WORD,
      bitsAt(contents, at, WORD),
      `length of stream ${core}`,
      `bits of core ${core}'s stream before its padding`,
    );
  spans.push(at, 8 * headerBytes - at, "padding", 0);
  return spans;
}

/** Symbol and, for symbols that carry it (given = 1), the lowest payload bit, from parts 0 and 1. */
function symbolOf(part0: number, part1: number): { symbol: number; given: number; low: number } {
  if (part0 === LONG) {
    if (part1 === 0) return { symbol: 7, given: 0, low: 0 };
    if (part1 === 2) return { symbol: 6, given: 0, low: 0 };
    return { symbol: 5, given: 1, low: part1 >> 1 };
  }
  const whole = [-1, -1, -1, 3, -1, -1, 4, 2][part0]!;
  if (whole >= 0) return { symbol: whole, given: 0, low: 0 };
  return { symbol: part0 & 1, given: 1, low: part0 >> 2 };
}

/** Reads one core's stream. */
class CoreReader {
  private readonly spans = new SpanList();
  private readonly from: number;
  private position: number;
  private readonly due: number;
  private readonly kernelCount: number;
  /** Parts of every code, and which byte it makes; `due` = filling. */
  private readonly part0: Uint8Array;
  private readonly part1: Uint8Array;
  private readonly target: Uint32Array;
  private codes = 0;
  private readonly bytes: Uint8Array;
  /** 1 for bytes that are weights, 0 for the kernel count and for filling. */
  private readonly isWeight: Uint8Array;

  constructor(
    private readonly contents: Uint8Array,
    private readonly core: number,
    at: number,
    private readonly bits: number,
    private readonly fields: CoefficientFields,
    private readonly order: Order,
    private readonly symbolMap: readonly number[],
    private readonly runBits: number,
  ) {
    this.from = this.position = 8 * at;
    this.kernelCount = share(fields.outZ, order.coresUsed, core);
    this.due = COUNT_BYTES + this.kernelCount * order.blocks * order.blockLength;
    // A code takes three bits at least, and stands for a byte and a run.
    if (Math.ceil(this.due / 2 ** runBits) * 3 > bits)
      throw badCoefficients(`core ${core}: ${this.due} bytes do not fit ${bits} bits`);
    this.bytes = new Uint8Array(this.due + 1);
    const most = this.due + 2 + 2 * FLUSH_PAIRS;
    this.part0 = new Uint8Array(most);
    this.part1 = new Uint8Array(most);
    this.target = new Uint32Array(most);
    this.isWeight = new Uint8Array(this.bytes.length);
    for (let item = COUNT_BYTES; item < this.due; item++)
      if (place(item - COUNT_BYTES, order, fields, this.kernelCount)) this.isWeight[item] = 1;
  }

  read(): CoreStream {
    const { contents, core, spans, bits, from, due, fields, order } = this;
    this.readPairs();
    const usedBits = this.position - from;
    if (usedBits !== bits)
      throw badCoefficients(`core ${core}: the codes end after ${usedBits} bits of ${bits}`);
    const to = from + 8 * alignUp(Math.ceil(bits / 8), ALIGN);
    if (!zeroBits(contents, from + bits, to))
      throw badCoefficients(`core ${core}: bits are set behind the end of the codes`);
    spans.push(from + bits, to - from - bits, "padding", 0);
    const count = this.bytes[0]! + 256 * this.bytes[1]!;
    if (count !== this.kernelCount)
      throw badCoefficients(`core ${core}: ${count} kernels, and ${this.kernelCount} are due`);
    const zeroPoint = fields.weightZeroPoint;
    const coded = this.bytes.subarray(COUNT_BYTES, due);
    const values = Int16Array.from(coded, (byte) => ((byte + zeroPoint) & 255) - zeroPoint);
    const placeOf = (item: number): WeightPlace | null =>
      item < values.length ? place(item, order, fields, this.kernelCount) : null;
    for (const [item, byte] of coded.entries())
      if (byte !== 0 && this.isWeight[item + COUNT_BYTES] === 0)
        throw badCoefficients(`core ${core}: filling byte ${item} is ${byte}, not 0`);
    return { core, from, to, usedBits, spans, kernels: this.kernels(), values, placeOf };
  }

  /**
   * Pair k: both parts 0, with zero runs the lengths of both (the zeros before each byte: an assumption, docs/cost-model.md,
   * Experimental), then parts 1 of pair k-1, then parts 2 of pair k-2; two empty pairs flush the pipeline.
   */
  private readPairs(): void {
    let filled = 0;
    let flush = 0;
    for (let k = 0, flushes = 0; flushes < FLUSH_PAIRS; k++) {
      if (filled === this.due) {
        flushes++;
        this.flushPair(flush);
      } else {
        filled = this.startPair(filled);
        if (this.target[this.codes - 1] === this.due) flush = FLUSH_FILLED;
      }
      for (const code of k >= 1 ? [2 * k - 2, 2 * k - 1] : [])
        if (code < this.codes && this.part0[code] === LONG)
          this.part1[code] = this.takePart(2, "extension", this.target[code]!);
      for (const code of k >= 2 ? [2 * k - 4, 2 * k - 3] : []) this.finish(code);
    }
  }

  private flushPair(flush: number): void {
    for (let i = 0; i < 2; i++) {
      const part0 = this.take(3, "flush", 0, 0);
      if (part0 !== flush)
        throw badCoefficients(`core ${this.core}: a flush code is ${part0}, and ${flush} is due`);
    }
    for (let i = 0; i < 2 && this.runBits > 0; i++)
      if (this.take(this.runBits, "flush", 0, 0) !== 0)
        throw badCoefficients(`core ${this.core}: a flush code has a zero run`);
  }

  /** Parts 0 and runs of two codes. @returns the bytes that are known then, runs counted */
  private startPair(filled: number): number {
    const { contents, position, runBits, due, codes } = this;
    const starts = [filled];
    for (let i = 0; i < 2; i++) {
      const run = bitsAt(contents, position + 6 + i * runBits, runBits);
      // Behind the last byte comes filling, and nothing before it.
      if (run > 0 && run >= due - filled)
        throw badCoefficients(`core ${this.core}: a zero run goes on behind byte ${due - 1}`);
      this.target[codes + i] = filled === due ? due : filled + run;
      filled = Math.min(filled + run + 1, due);
      starts.push(filled);
    }
    for (let i = 0; i < 2; i++)
      this.part0[codes + i] = this.takePart(3, "symbol", this.target[codes + i]!);
    for (let i = 0; i < 2 && runBits > 0; i++) this.takeRun(starts[i]!, this.target[codes + i]!);
    this.codes += 2;
    return filled;
  }

  /** Zeros from byte `start` on, before byte `target`. */
  private takeRun(start: number, target: number): void {
    const { runBits } = this;
    if (target === this.due) this.take(runBits, "filling", start - COUNT_BYTES, 0);
    else if (target < COUNT_BYTES) this.take(runBits, "count", 0, 0);
    else if (start < COUNT_BYTES)
      throw badCoefficients(`core ${this.core}: a zero run before the weights`);
    else this.take(runBits, "run", start - COUNT_BYTES, target - start);
  }

  /** Reads part 2 of a code, which completes its byte. */
  private finish(code: number): void {
    if (code >= this.codes) return;
    const item = this.target[code]!;
    const { symbol, given, low } = symbolOf(this.part0[code]!, this.part1[code]!);
    const length = this.symbolMap[symbol]!;
    const width = Math.max(length, 1) - given;
    const rest = width === 0 ? 0 : this.takePart(width, "payload", item);
    const payload = given === 1 ? 2 * rest + low : rest;
    const magnitude = length === 0 ? 0 : 2 ** (length - 1) + (payload >> 1);
    this.bytes[item] = payload & 1 ? magnitude ^ 0xff : magnitude;
    if (item === this.due && this.bytes[item] !== 0)
      throw badCoefficients(`core ${this.core}: the filling of the last pair is not 0`);
  }

  /** A part of a code; those of the kernel count and of filling are shown as what they are for. */
  private takePart(bits: number, part: "symbol" | "extension" | "payload", item: number): number {
    if (this.isWeight[item] === 1) return this.take(bits, part, item - COUNT_BYTES, 1);
    if (item < COUNT_BYTES) return this.take(bits, "count", 0, 0);
    return this.take(bits, "filling", item - COUNT_BYTES, 0);
  }

  private take(bits: number, kind: SpanKind, item: number, yields: number): number {
    if (this.position + bits > this.from + this.bits)
      throw badCoefficients(`core ${this.core}: the stream ends before its ${this.due} bytes`);
    const value = bitsAt(this.contents, this.position, bits);
    this.spans.push(this.position, bits, kind, value, item, yields);
    this.position += bits;
    return value;
  }

  private kernels(): StreamKernel[] {
    const { kernelsPerCore } = this.fields;
    return Array.from({ length: this.kernelCount }, (_, kernel) => {
      const superblock = Math.floor(kernel / kernelsPerCore);
      return { channel: this.channelOf(superblock, kernel), bias: 0, superblock };
    });
  }

  /** Depthwise channels form rows as long as there are cores, each reversed; others go in groups to one core each. */
  private channelOf(superblock: number, kernel: number): number {
    const { outZ, nnCores, kernelsPerCore, depthwise } = this.fields;
    const { coresUsed, superblocks } = this.order;
    const { core } = this;
    if (depthwise) {
      const row = kernel * nnCores;
      return row + Math.min(nnCores, outZ - row) - 1 - core;
    }
    const before = superblock * kernelsPerCore * coresUsed;
    const index = kernel - superblock * kernelsPerCore;
    if (superblock + 1 < superblocks) return before + core * kernelsPerCore + index;
    const rest = outZ - before;
    return before + core * Math.floor(rest / coresUsed) + Math.min(core, rest % coresUsed) + index;
  }
}

/** Kernel and tap of a coded value: superblock, block, kernel, place; null for filling. */
function place(
  item: number,
  { taps, blockLength, blocks }: Order,
  { kernelsPerCore }: CoefficientFields,
  kernels: number,
): WeightPlace | null {
  const coded = blocks * blockLength;
  const first = Math.floor(item / (kernelsPerCore * coded)) * kernelsPerCore;
  const n = Math.min(kernelsPerCore, kernels - first);
  const rest = item - first * coded;
  const block = Math.floor(rest / (n * blockLength));
  const inBlock = rest - block * n * blockLength;
  const tap = block * blockLength + (inBlock % blockLength);
  return tap < taps ? { kernel: first + Math.floor(inBlock / blockLength), tap } : null;
}
