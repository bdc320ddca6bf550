// Hand-made submits for simulator tests: descriptors by field name, buffers, command words.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { BLOCK_TABLES } from "../../core-as/inspect/gen/fields.ts";
import { Simulator, type SimulatorOptions } from "../../core-as/runtime/simulator.ts";
import type { Build } from "./cores.ts";

export type Fields = Readonly<Record<string, number>>;

/**
 * A descriptor with reset values and the given fields (values in the field's unit, negative
 * allowed).
 */
export function descriptor(block: "NN" | "TP", fields: Fields, version = 7): Uint32Array {
  const table = BLOCK_TABLES.find((candidate) => candidate.name === block)!;
  const words = new Uint32Array(table.words);
  for (const name of Object.keys(fields))
    if (!table.fields.some((field) => field.name === name)) throw new Error(`no field ${name}`);
  for (const field of table.fields) {
    let value = BigInt.asUintN(64, BigInt(fields[field.name] ?? field.reset)) >> BigInt(field.shr);
    for (const [word, hi, lo, since] of field.parts) {
      if (since > version) continue;
      const width = BigInt(hi - lo + 1);
      words[word]! |= Number(
        BigInt.asUintN(32, BigInt.asUintN(Number(width), value) << BigInt(lo)),
      );
      value >>= width;
    }
  }
  return words;
}

export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer.slice(0));
}

export const FLUSH = [0x08010e03, 0xc23];

/** Command words of an NN job, without the flush. */
export function nnJobWords(address: number): number[] {
  return [0x08010e4f, 0, 0x08010e50, 0, 0x08010e4c, 0x10, 0x08010428, address, 0x08010429, 0];
}

/** Command words of a TP job with one descriptor for each address, without the flush. */
export function tpJobWords(...addresses: number[]): number[] {
  const each = addresses.flatMap((address) => {
    return [0x08010e4f, 0, 0x08010e50, 0, 0x08010e53, 0, 0x08010e54, 0, 0x0801042e, address];
  });
  return [...each, 0x08010429, 0];
}

/** A stream as the reference frames it. */
export function streamOf(...jobs: readonly (readonly number[])[]): Uint32Array {
  return Uint32Array.from([...new Array<number>(8).fill(0), ...jobs.flat(), ...FLUSH]);
}

export const A311D = { nnCoreVersion: 7, nnCores: 8 } as const;

export async function simulatorOf(
  build: Build,
  options: Partial<SimulatorOptions> = {},
): Promise<Simulator> {
  const file = build === "debug" ? "build/core.debug.wasm" : "build/core.wasm";
  return Simulator.create({ chip: A311D, wasm: readFileSync(file), ...options });
}

/** What a submit leads to, as one text: the fault's code, or the bytes of the outputs. */
export function outcome(run: () => readonly Uint8Array[]): string {
  try {
    return run()
      .map((bytes) => Buffer.from(bytes).toString("latin1"))
      .join("|");
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined || !code.startsWith("TW_SIM_")) throw error;
    return `fault ${code}`;
  }
}

/** Compares bytes and names the first difference instead of printing everything. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, label = ""): void {
  if (actual.length !== expected.length)
    throw new Error(`${label}: ${actual.length} bytes, expected ${expected.length}`);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  if (at >= 0)
    throw new Error(`${label}: byte ${at} is ${actual[at]}, expected ${expected[at]} (of ${actual.length})`); // prettier-ignore
}
