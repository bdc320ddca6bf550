// What every word of a command stream says: from the words, the tables of states and the relocations.
// SPDX-License-Identifier: MIT
import type { BufferRole, ExecutablePartition } from "../executable/executable.ts";
import { OPCODES, STATES } from "../hw/commands.ts";
import { blockTable, fieldText, readFieldValue } from "./decode.ts";
import type { DisasmLine } from "./disasm.ts";
import { INST_ADDR_TAG_MASK } from "./gen/fields.ts";
import { disassemblePartition } from "./symbols.ts";
import { hex32 } from "./words.ts";

/** Bits hi..lo of a word. */
export interface ExplainedField {
  name: string;
  hi: number;
  lo: number;
  value: number;
  /** For people. */
  text: string;
  doc: string;
  evidence: string;
}

/** A place that a relocation fills with an address. */
export interface ExplainedTarget {
  buffer: number;
  /** Bytes added to the buffer's address. */
  offset: number;
  role: BufferRole;
  /** The job and its core, when the buffer is a descriptor. */
  job: number | null;
  core: number | null;
}

/** A word of the command stream with what it means. */
export interface ExplainedWord {
  /** Index in the stream. */
  index: number;
  word: number;
  name: string;
  doc: string;
  evidence: string;
  /** Fields that cover all bits that mean something. */
  fields: ExplainedField[];
  target: ExplainedTarget | null;
}

/** A line of the disassembly and the job that its words start or prepare. */
export interface StreamLine extends DisasmLine {
  /** Null for words before the first and behind the last job. */
  job: number | null;
  /** Name of the state that is written, or of the command. */
  name: string;
  /** The descriptor buffer whose address the line writes, if it starts something. */
  descriptor: ExplainedTarget | null;
}

const JOB_END = STATES.find(({ name }) => name === "UNK_010A4")!.stateAddr;
const LOAD_STATE = blockTable("LOAD_STATE");

/** Lines of a partition's stream, as disassemblePartition, with the jobs that they belong to. */
export function streamLines(partition: ExecutablePartition): StreamLine[] {
  const targets = targetsIn(partition);
  const lines = disassemblePartition(partition).map((line): StreamLine => {
    const target = targets.get(line.index + line.words.length - 1) ?? null;
    const name =
      stateOf(line.state)?.name ?? (line.state === null ? nameOf(line) : "unknown state");
    return { ...line, job: null, name, descriptor: target?.role === "descriptor" ? target : null };
  });
  markJobs(lines);
  return lines;
}

const nameOf = ({ text }: DisasmLine): string => text.split("  ;")[0]!;

/** A job's words reach from behind the end of the job before to its own end. */
function markJobs(lines: StreamLine[]): void {
  let start = lines.findIndex(({ state }) => state !== null);
  let job: number | null = null;
  for (const [i, line] of lines.entries()) {
    if (line.descriptor !== null) job = line.descriptor.job;
    if (line.state !== JOB_END || job === null) continue;
    for (let k = start; k <= i; k++) lines[k]!.job = job;
    start = i + 1;
    job = null;
  }
}

/**
 * Explains the words of a line.
 * @param line one of streamLines(partition)
 */
export function explainLine(partition: ExecutablePartition, line: StreamLine): ExplainedWord[] {
  const { words, index, state } = line;
  const targets = targetsIn(partition);
  return words.map((word, i) => {
    const at = index + i;
    if (state === null) return commandWord(line, word, at, i);
    if (i < words.length - 1) return headerWord(word, at);
    return stateWord(state, word, at, targets.get(at) ?? null);
  });
}

function headerWord(word: number, index: number): ExplainedWord {
  const fields = LOAD_STATE.fields.map((field): ExplainedField => {
    const [, hi, lo] = field.parts[0]!;
    const value = readFieldValue(LOAD_STATE, [word], field, Infinity);
    const address = field.name === "STATE_ADDR" ? stateOf(value) : undefined;
    const text = address ? `${hexAddress(value)} ${address.name}` : fieldText(field, value);
    return { name: field.name, hi, lo, value, text, doc: field.doc, evidence: field.evidence };
  });
  const { name, doc } = LOAD_STATE;
  return { index, word, name, doc, evidence: "captured", fields, target: null };
}

function stateWord(
  address: number,
  word: number,
  index: number,
  target: ExplainedTarget | null,
): ExplainedWord {
  const state = stateOf(address);
  const name = state?.name ?? "unknown state";
  const doc = `${state?.doc ?? "no capture writes it"}; state ${hexAddress(address)}`;
  const evidence = state?.evidence ?? "unknown";
  const common = { index, word, name, doc, evidence, target };
  if (!name.endsWith("_INST_ADDR")) {
    const seen = state?.captured?.map((value) => `0x${value.toString(16)}`).join(", ");
    const whole = {
      ...{ name: "VALUE", hi: 31, lo: 0, value: word, text: `0x${hex32(word)}`, evidence },
      doc: seen === undefined ? "the whole word" : `the whole word; captures have ${seen}`,
    };
    return { ...common, fields: [whole] };
  }
  const low = Math.log2(INST_ADDR_TAG_MASK + 1);
  const tag = word & INST_ADDR_TAG_MASK;
  const symbol = target && `buffer ${target.buffer} + ${target.offset}`;
  return {
    ...common,
    fields: [
      {
        ...{ name: "ADDRESS", hi: 31, lo: low, value: word - tag, evidence },
        text: symbol ?? `0x${hex32(word - tag)}`,
        doc: "address of a descriptor; filled in by a relocation when buffers have addresses",
      },
      {
        ...{ name: "TAG", hi: low - 1, lo: 0, value: tag, text: String(tag), evidence },
        doc: "sequence tag",
      },
    ],
  };
}

function commandWord(line: StreamLine, word: number, index: number, nth: number): ExplainedWord {
  const opcode = OPCODES.find(({ name }) => name === line.name);
  return {
    ...{ index, word, name: line.name, evidence: "captured", target: null },
    doc:
      line.name === "alignment" ? "fills a command up to two words" : (opcode?.doc ?? "not known"),
    fields: [
      {
        ...{ name: nth === 0 ? "COMMAND" : "OPERAND", hi: 31, lo: 0, value: word },
        ...{ text: `0x${hex32(word)}`, doc: "the whole word", evidence: "captured" },
      },
    ],
  };
}

const stateOf = (address: number | null): (typeof STATES)[number] | undefined =>
  STATES.find(({ stateAddr }) => stateAddr === address);
const hexAddress = (address: number): string => `0x${address.toString(16).padStart(5, "0")}`;

/** Targets of the stream's relocations by the index of the word that they fill. */
function targetsIn(partition: ExecutablePartition): Map<number, ExplainedTarget> {
  const { relocations, stream, buffers, jobs } = partition;
  const owners = new Map<number, { job: number; core: number }>();
  for (const [job, { descriptors }] of jobs.entries())
    for (const [core, buffer] of descriptors.entries()) owners.set(buffer, { job, core });
  const targets = new Map<number, ExplainedTarget>();
  for (const { buffer, byteOffset, target, addend } of relocations)
    if (buffer === stream)
      targets.set(byteOffset / 4, {
        ...{ buffer: target, offset: addend, role: buffers[target]!.role },
        job: owners.get(target)?.job ?? null,
        core: owners.get(target)?.core ?? null,
      });
  return targets;
}
