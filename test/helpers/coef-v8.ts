// A plain encoder of version 8 coefficient buffers for simulator tests, written from
// spec/coefficients-v8.md alone.
// SPDX-License-Identifier: MIT

export interface CoefsV8 {
  kernelX: number;
  kernelY: number;
  /** Planes per kernel; not used when depthwise, where every kernel has one. */
  kernelZ: number;
  outZ: number;
  depthwise: boolean;
  /** Kernels per core and superblock. */
  perCore: number;
  weightZp: number;
  /** NN cores of the chip. */
  cores: number;
  /** Raw bytes [channel][z][y][x], or [channel][y][x]. */
  weights: Uint8Array;
  /** One per channel, zero points already folded in. */
  biases: Int32Array;
  /** Width of zero runs in bits (an assumption: docs/cost-model.md, Experimental); default 0, without. */
  zrlBits?: number;
  /** Symbol -> bit length; default: from the histogram of the raw bytes (spec 2). */
  map?: readonly number[];
}

/** A byte to code, or a pseudo-code of the flush. */
interface Code {
  /** Zeros before the byte. */
  run: number;
  part0: number;
  part1: number;
  part2: number;
  part2Bits: number;
}

const NETWORK = "02 13 46 57 04 15 26 37 01 23 45 67 24 35 14 36 12 34 56".split(" ");

/** Symbol map of raw bytes: lengths sorted by frequency with the network of spec 2. */
export function symbolMap(raw: Uint8Array): number[] {
  const histogram = new Array<number>(9).fill(0);
  for (const byte of raw) {
    const value = byte < 128 ? byte : byte ^ 0xff;
    histogram[byte === 0 ? 0 : bitLength(Math.max(value, 1))]!++;
  }
  const map = [0, 1, 2, 3, 4, 5, 6, 7];
  for (const pair of NETWORK) {
    const [a, b] = [Number(pair[0]), Number(pair[1])];
    if (histogram[map[a]!]! < histogram[map[b]!]!) [map[a], map[b]] = [map[b]!, map[a]!];
  }
  return map;
}

function bitLength(value: number): number {
  return 32 - Math.clz32(value);
}

/** Spec 3. */
function codeOf(byte: number, map: readonly number[]): Code {
  const sign = byte >> 7;
  const value = sign === 0 ? byte : byte ^ 0xff;
  const length = bitLength(value);
  const payload = 2 * (length === 0 ? 0 : value - 2 ** (length - 1)) + sign;
  const n = Math.max(length, 1);
  const code = (part0: number, part1: number, part2: number, part2Bits: number): Code => {
    return { run: 0, part0, part1, part2, part2Bits };
  };
  switch (map.indexOf(length)) {
    case 0:
      return code(0 + 4 * (payload & 1), 0, payload >> 1, n - 1);
    case 1:
      return code(1 + 4 * (payload & 1), 0, payload >> 1, n - 1);
    case 2:
      return code(7, 0, payload, n);
    case 3:
      return code(3, 0, payload, n);
    case 4:
      return code(6, 0, payload, n);
    case 5:
      return code(2, 1 + 2 * (payload & 1), payload >> 1, n - 1);
    case 6:
      return code(2, 2, payload, n);
    default:
      return code(2, 0, payload, n);
  }
}

/** One core's stream: the pair pipeline of spec 4. */
export class PairStream {
  readonly bits: number[] = [];
  /** Pairs k - 1 and k - 2 while pair k is put. */
  private before: readonly Code[] = [];
  private beforeThat: readonly Code[] = [];
  private open: Code | undefined;
  private bytes = 0;
  private readonly codes: Code[] = [];

  /** `zrlBits` > 0: run lengths of so many bits follow the first parts of a pair. */
  constructor(
    private readonly map: readonly number[],
    private readonly zrlBits = 0,
  ) {}

  put(byte: number, run = 0): void {
    this.bytes++;
    this.code({ ...(this.codes[byte] ??= codeOf(byte, this.map)), run });
  }

  /** Ends the stream; `part0` of the flush is a parameter for damaged streams only. */
  finish(part0 = 4 * (this.bytes & 1)): void {
    if (this.bytes & 1) this.code(codeOf(0, this.map));
    for (let i = 0; i < 4; i++) this.code({ run: 0, part0, part1: 0, part2: 0, part2Bits: 0 });
  }

  private code(code: Code): void {
    if (this.open === undefined) {
      this.open = code;
      return;
    }
    const pair = [this.open, code];
    this.open = undefined;
    for (const { part0 } of pair) this.field(part0, 3);
    for (const { run } of pair) this.field(run, this.zrlBits);
    for (const { part0, part1 } of this.before) if (part0 === 2) this.field(part1, 2);
    for (const { part2, part2Bits } of this.beforeThat) this.field(part2, part2Bits);
    this.beforeThat = this.before;
    this.before = pair;
  }

  private field(value: number, count: number): void {
    for (let i = 0; i < count; i++) this.bits.push((value >> i) & 1);
  }
}

/** Kernels of core c when n are dealt to `cores` cores. */
function share(n: number, cores: number, c: number): number {
  return Math.floor(n / cores) + (c < n % cores ? 1 : 0);
}

/** Channels of every core, superblock by superblock (spec 5; depthwise as said in spec 7). */
export function channelsOfCores(c: CoefsV8): number[][][] {
  const used = Math.min(c.outZ, c.cores);
  const superblocks = Math.ceil(Math.ceil(c.outZ / c.cores) / c.perCore);
  const dealt: number[][][] = Array.from({ length: used }, () => []);
  for (let sb = 0; sb < superblocks; sb++) {
    const first = used * sb * c.perCore;
    let next = first;
    for (let core = 0; core < used; core++) {
      const full = sb < superblocks - 1;
      const n = full ? c.perCore : share(c.outZ - first, used, core);
      const channels: number[] = [];
      for (let j = 0; j < n; j++) {
        const row = (sb * c.perCore + j) * c.cores;
        const rowLength = Math.min(c.cores, c.outZ - row);
        channels.push(c.depthwise ? row + rowLength - 1 - core : next++);
      }
      dealt[core]!.push(channels);
    }
  }
  return dealt;
}

/** What a core codes: the number of its kernels, then weights minus zero point. */
export function codedBytes(c: CoefsV8, superblocks: readonly (readonly number[])[]): number[] {
  const size = c.kernelX * c.kernelY * (c.depthwise ? 1 : c.kernelZ);
  const kernels = superblocks.flat().length;
  const bytes = [kernels & 0xff, kernels >> 8];
  const block = c.depthwise ? Math.max(size, 9) : 9;
  for (const channels of superblocks)
    for (let from = 0; from < size; from += block)
      for (const channel of channels) {
        for (let i = from; i < from + block; i++) {
          const weight = i < size ? c.weights[channel * size + i]! : c.weightZp;
          bytes.push((weight - c.weightZp) & 0xff);
        }
        if (c.depthwise && block % 9 !== 0) bytes.push(...new Array<number>(9 - (block % 9)).fill(0));
      }
  return bytes;
} // prettier-ignore

/** Puts a core's bytes into a stream; with zero runs as version 7 has them: zeros before a byte are counted (spec/coefficients-v7.md 3). */
function putBytes(stream: PairStream, bytes: readonly number[], zrlBits: number): void {
  let run = 0;
  for (const [i, byte] of bytes.entries()) {
    // The first two say how many kernels follow.
    if (zrlBits === 0 || i < 2) stream.put(byte);
    else if (byte === 0 && run < 2 ** zrlBits - 1) run++;
    else {
      stream.put(byte, run);
      run = 0;
    }
  }
  if (run > 0) stream.put(0, run - 1);
}

/** Puts header, streams and biases together (spec 1). */
export function assembleV8(
  map: readonly number[],
  streams: readonly (readonly number[])[],
  biases: Int32Array,
  zrlBits = 0,
): Uint8Array {
  const sizes = streams.map((bits) => Math.ceil(bits.length / 512) * 64);
  const end = sizes.reduce((sum, size) => sum + size, 64);
  const buffer = new Uint8Array(end + 4 * biases.length);
  const view = new DataView(buffer.buffer);
  view.setUint8(0, 0x10);
  view.setUint8(1, zrlBits);
  view.setUint32(20, map.reduce((word, length, symbol) => word + length * 16 ** symbol, 0), true);
  let at = 64;
  for (const [core, bits] of streams.entries()) {
    view.setUint32(28 + 4 * core, bits.length, true);
    for (const [i, bit] of bits.entries()) buffer[at + (i >> 3)]! |= bit << (i & 7);
    at += sizes[core]!;
  }
  for (const [channel, bias] of biases.entries()) view.setInt32(end + 4 * channel, bias, true);
  return buffer;
} // prettier-ignore

export function encodeCoefsV8(c: CoefsV8): Uint8Array {
  const { zrlBits = 0, map = symbolMap(c.weights) } = c;
  const streams = channelsOfCores(c).map((superblocks) => {
    const stream = new PairStream(map, zrlBits);
    putBytes(stream, codedBytes(c, superblocks), zrlBits);
    stream.finish();
    return stream.bits;
  });
  return assembleV8(map, streams, c.biases, zrlBits);
}
