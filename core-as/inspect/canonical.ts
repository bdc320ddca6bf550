// The canonical form of a compilation: words with symbols in place of addresses, coefficient digests (goldens' format).
// SPDX-License-Identifier: MIT
import { sha256Hex } from "../executable/bytes.ts";
import type { Executable, ExecutablePartition } from "../executable/executable.ts";
import { ExecutableError } from "../errors.ts";
import { chipByIdentity, type Chip } from "../hw/chips.ts";
import { readCoefficientHeader } from "./coefficients.ts";
import { indexRelocations, relocationAt } from "./extents.ts";
import { jobSymbols } from "./symbols.ts";
import { hex32, wordAt } from "./words.ts";

export interface CanonicalCoefficients {
  bytes: number;
  sha256: string;
  coreSizes: number[];
  zrlBits: number;
  cacheSize: number;
}

export interface CanonicalJob {
  kind: "NN" | "TP";
  op: string;
  descriptors: string[][];
  coefficients: CanonicalCoefficients | null;
  /** SHA-256 of the look-up table; absent = none. */
  table?: string;
}

export interface CanonicalTensor {
  symbol: string;
  bytes: number;
  role: "input" | "output" | "intermediate";
  tflite: [tensor: number, offset: number][];
}

export interface CanonicalPartition {
  jobs: CanonicalJob[];
  stream: string[];
  tensors: CanonicalTensor[];
}

/** A compilation as text that does not depend on addresses: what tests compare with captures. */
export interface Canonical {
  /** Target name. */
  target: string;
  /** Mode of the compilation. */
  mode: string;
  /** SHA-256 of the model file. */
  modelSha256: string;
  /** Whether any operator runs on the NPU. */
  delegated: boolean;
  /** Operators on the CPU. */
  cpuOps: string[];
  /** Jobs whose coefficients the reference reads past its arrays. */
  undefinedJobs: string[];
  /** Quirks of the reference that are reproduced. */
  quirks: string[];
  /** Each submit: stream, descriptors, coefficients. */
  partitions: CanonicalPartition[];
}

/** Coefficient bytes as the goldens digest them: trailing zeros removed, padded with zeros to 64 bytes. */
function normaliseCoefficients(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const padded = new Uint8Array(Math.ceil(end / 64) * 64);
  padded.set(bytes.subarray(0, end));
  return padded;
}

/** Prints an executable in the canonical form; works from its bytes and relocations only. */
export async function canonicalOf(executable: Executable): Promise<Canonical> {
  const partitions: CanonicalPartition[] = [];
  const chip = chipByIdentity(executable.chip);
  if (chip === undefined)
    throw new ExecutableError("TW_EXE_CHIP", `no chip has the ids of ${executable.chip.name}`);
  for (const partition of executable.partitions)
    partitions.push(await canonicalPartition(partition, chip));
  return {
    target: executable.chip.name,
    mode: executable.mode,
    modelSha256: executable.modelSha256,
    delegated: partitions.length > 0,
    cpuOps: executable.placements.filter(({ place }) => place === "cpu").map(({ name }) => name),
    undefinedJobs: executable.undefinedJobs,
    quirks: executable.quirks,
    partitions,
  };
}

async function canonicalPartition(
  partition: ExecutablePartition,
  chip: Chip,
): Promise<CanonicalPartition> {
  const relocations = indexRelocations(partition);
  const tensorSymbols = new Map<number, number>();
  const owners = jobSymbols(partition);

  const wordText = (buffer: number, byteOffset: number): string => {
    const word = wordAt(partition.buffers[buffer]!.contents!, byteOffset);
    const relocation = relocationAt(relocations, buffer, byteOffset);
    if (relocation === undefined) return hex32(word);
    const { target, addend, kind } = relocation;
    if (kind === "address26shift6") return `${hex32(word & 0xfc000000)}|${owners.get(target)}`;
    if (kind === "descriptor") return `${owners.get(target)}+${addend + word}`;
    if (owners.has(target)) return `${owners.get(target)}+${addend}`;
    if (!tensorSymbols.has(target)) tensorSymbols.set(target, tensorSymbols.size);
    return `@t${tensorSymbols.get(target)}+${addend}`;
  };
  const wordsOf = (buffer: number): string[] =>
    Array.from({ length: partition.buffers[buffer]!.bytes / 4 }, (_, i) => wordText(buffer, i * 4));

  const jobs: CanonicalJob[] = [];
  for (const { kind, op, descriptors, coefficients } of partition.jobs) {
    const constants = coefficients === null ? null : partition.buffers[coefficients]!.contents!;
    jobs.push({
      kind,
      op,
      descriptors: descriptors.map(wordsOf),
      coefficients:
        constants !== null && kind === "NN" ? await canonicalCoefficients(constants, chip) : null,
      ...(constants !== null && kind === "TP" ? { table: await sha256Hex(constants) } : {}),
    });
  }
  return {
    jobs,
    stream: wordsOf(partition.stream),
    tensors: canonicalTensors(partition, tensorSymbols),
  };
}

async function canonicalCoefficients(
  contents: Uint8Array,
  { nnCoreVersion, nnCores }: Chip,
): Promise<CanonicalCoefficients> {
  const bytes = normaliseCoefficients(contents);
  const header = readCoefficientHeader(contents, nnCoreVersion, nnCores);
  return {
    bytes: bytes.length,
    sha256: await sha256Hex(bytes),
    coreSizes: header?.coreSizes ?? [],
    zrlBits: header?.zrlBits ?? 0,
    cacheSize: header?.cacheSize ?? 0,
  };
}

function canonicalTensors(
  partition: ExecutablePartition,
  symbols: ReadonlyMap<number, number>,
): CanonicalTensor[] {
  return [...symbols].map(([buffer, symbol]) => {
    const at = (ports: ExecutablePartition["inputs"]): [number, number][] =>
      ports
        .filter((port) => port.buffer === buffer)
        .map(({ tensor, offset }): [number, number] => [tensor, offset]);
    const inputs = at(partition.inputs);
    const outputs = at(partition.outputs);
    return {
      symbol: `t${symbol}`,
      bytes: partition.buffers[buffer]!.bytes,
      role: outputs.length > 0 ? "output" : inputs.length > 0 ? "input" : "intermediate",
      tflite: [...inputs, ...outputs],
    };
  });
}
