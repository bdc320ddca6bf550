// Names for the addresses in an executable: from relocations alone, most of them as the canonical form writes them.
// SPDX-License-Identifier: MIT
import type { ExecutablePartition } from "../executable/executable.ts";
import {
  blockTable,
  blockWords,
  fieldText,
  readFieldValue,
  undeclaredBits,
  type UndeclaredBits,
} from "./decode.ts";
import { disassembleStream, type DisasmLine } from "./disasm.ts";
import { wordAt } from "./words.ts";

/** A field of a descriptor with everything that is known about it. */
export interface FieldView {
  name: string;
  value: number;
  /** For people: symbol of an address, name of an enumeration, number. */
  text: string;
  doc: string;
  /** The value is the one that a fresh descriptor has. */
  isReset: boolean;
  evidence: string;
}

/** A descriptor, field by field. */
export interface DescriptorView {
  fields: FieldView[];
  undeclared: UndeclaredBits[];
}

/** Symbols of the buffers that belong to a job: @d<job>.<core> descriptors, @c<job> coefficients, @l<job> look-up tables. */
export function jobSymbols({ jobs }: Pick<ExecutablePartition, "jobs">): Map<number, string> {
  const symbols = new Map<number, string>();
  for (const [index, { kind, descriptors, coefficients }] of jobs.entries()) {
    if (coefficients !== null) symbols.set(coefficients, `@${kind === "NN" ? "c" : "l"}${index}`);
    for (const [core, buffer] of descriptors.entries()) symbols.set(buffer, `@d${index}.${core}`);
  }
  return symbols;
}

/** Symbols by the index of the word that holds the address; @b<buffer> are tensors. */
function symbolsIn(partition: ExecutablePartition, buffer: number): Map<number, string> {
  const names = jobSymbols(partition);
  const symbols = new Map<number, string>();
  for (const { buffer: patched, byteOffset, target, addend } of partition.relocations)
    if (patched === buffer) {
      const name = names.get(target) ?? `@b${target}`;
      symbols.set(byteOffset / 4, addend === 0 ? name : `${name}+${addend}`);
    }
  return symbols;
}

/** All descriptors of a job, one per TP core, field by field. */
export function describeJobDescriptors(
  partition: ExecutablePartition,
  jobIndex: number,
  version: number,
): DescriptorView[] {
  const { kind, descriptors } = partition.jobs[jobIndex]!;
  const block = blockTable(kind);
  return descriptors.map((buffer) => {
    const words = blockWords(block, partition.buffers[buffer]!.contents ?? new Uint8Array(0));
    const symbols = symbolsIn(partition, buffer);
    const fields = block.fields.map((field): FieldView => {
      const value = readFieldValue(block, words, field, version);
      const symbol = field.kind === "gpuAddr" ? symbols.get(field.parts[0]![0]) : undefined;
      return {
        name: field.name,
        value,
        text: symbol ?? fieldText(field, value),
        doc: field.doc,
        isReset: symbol === undefined && value === field.reset,
        evidence: field.evidence,
      };
    });
    return { fields, undeclared: undeclaredBits(block, words) };
  });
}

/** A partition's command stream with symbols in place of descriptor addresses. */
export function disassemblePartition(partition: ExecutablePartition): DisasmLine[] {
  const { contents, bytes } = partition.buffers[partition.stream]!;
  const words = Uint32Array.from({ length: bytes / 4 }, (_, i) =>
    wordAt(contents ?? new Uint8Array(0), i * 4),
  );
  return disassembleStream(words, { symbols: symbolsIn(partition, partition.stream) });
}
