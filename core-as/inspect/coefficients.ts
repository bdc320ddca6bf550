// What the header of a coefficient buffer says, for both formats (spec/coefficients-v7.md 1, coefficients-v8.md 1).
// SPDX-License-Identifier: MIT
import { alignUp } from "../executable/format.ts";
import { wordAt } from "./words.ts";

export interface CoefficientHeader {
  /** Sizes as the header holds them: bytes rounded up to 64, or bits; one for each core. */
  coreSizes: number[];
  /** Bytes of the streams in memory, for cores that have one. */
  coreBytes: number[];
  /** Width of zero-run lengths in bits. */
  zrlBits: number;
  /** Bytes that the cache plan counts. */
  cacheSize: number;
  /** Bytes before the first stream. */
  headerBytes: number;
  /** Bytes behind the streams for each output channel. */
  biasBytes: number;
}

const ALIGN = 64;

/** Where the lengths of version 8 start, and the size of a header for up to nine cores. */
const LENGTHS_V8 = 28;
const HEADER_V8 = 64;

type Reader = (contents: Uint8Array, nnCores: number) => CoefficientHeader;

/** A table of stream sizes, one for every core of the chip; each stream begins with its run width. */
function readV7(contents: Uint8Array, nnCores: number): CoefficientHeader {
  const coreSizes = Array.from({ length: nnCores }, (_, core) => wordAt(contents, core * 4));
  const coreBytes = coreSizes.filter((bytes) => bytes > 0);
  const headerBytes = alignUp(4 * nnCores, ALIGN);
  return {
    coreSizes,
    coreBytes,
    zrlBits: contents[headerBytes] ?? 0,
    cacheSize: coreBytes.length * Math.max(0, ...coreBytes),
    headerBytes,
    biasBytes: 0,
  };
}

/** Lengths in bits of the cores that take part; biases follow the streams. */
function readV8(contents: Uint8Array, nnCores: number): CoefficientHeader {
  const all = Array.from({ length: nnCores }, (_, core) => wordAt(contents, LENGTHS_V8 + core * 4));
  const coreSizes = all.filter((bits) => bits > 0);
  return {
    coreSizes,
    coreBytes: coreSizes.map((bits) => alignUp(Math.ceil(bits / 8), ALIGN)),
    zrlBits: contents[1] ?? 0,
    cacheSize: contents.length,
    headerBytes: HEADER_V8,
    biasBytes: 4,
  };
}

const READERS: Readonly<Record<number, Reader>> = { 7: readV7, 8: readV8 };

/**
 * Reads a header.
 * @param nnCoreVersion format: 7 or 8
 * @param nnCores cores of the chip
 * @returns null for a format that is not known
 */
export function readCoefficientHeader(
  contents: Uint8Array,
  nnCoreVersion: number,
  nnCores: number,
): CoefficientHeader | null {
  return READERS[nnCoreVersion]?.(contents, nnCores) ?? null;
}

/**
 * Bytes that a job's coefficients take in memory: header, streams and, in version 8, the biases behind them. A driver's
 * buffer may be larger.
 * @param outputs output channels of the job
 * @returns the whole length for a format that is not known
 */
export function storedCoefficientBytes(
  contents: Uint8Array,
  nnCoreVersion: number,
  nnCores: number,
  outputs: number,
): number {
  const header = readCoefficientHeader(contents, nnCoreVersion, nnCores);
  if (header === null) return contents.length;
  const streams = header.coreBytes.reduce((sum, bytes) => sum + bytes, 0);
  return header.headerBytes + streams + header.biasBytes * outputs;
}
