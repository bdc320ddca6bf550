// Command streams as text: works from words and the generated tables, never from the emitter's structures.
// SPDX-License-Identifier: MIT
import { blockTable, readFieldValue, undeclaredBits } from "./decode.ts";
import { INST_ADDR_TAG_MASK, OPCODE_NAMES, STATE_NAMES } from "./gen/fields.ts";
import { hex32 } from "./words.ts";

const LOAD_STATE = blockTable("LOAD_STATE");
/** A count of 0 in the header means this many data words. */
const LARGEST_COUNT = 1024;

export interface DisasmOptions {
  /** Names of addresses by the index of the word that holds them, e.g. "@d0.0". */
  symbols?: ReadonlyMap<number, string>;
}

/** One line of a disassembly: where it starts, the words it covers, and what they say. */
export interface DisasmLine {
  index: number;
  words: number[];
  text: string;
  /** Byte address of the state that the last word is written to; null where nothing is written. */
  state: number | null;
}

/**
 * Disassembles a command stream. Accepts any words: what is not known, cut off or against the rules is said in the
 * line, nothing is skipped, and every word appears in exactly one line.
 */
export function disassembleStream(
  words: ArrayLike<number>,
  options: DisasmOptions = {},
): DisasmLine[] {
  const lines: DisasmLine[] = [];
  for (let at = 0; at < words.length;) {
    const opcode = (words[at]! >>> 27) & 31;
    const name = OPCODE_NAMES[opcode];
    const added =
      name === "LOAD_STATE"
        ? loadState(words, at, options)
        : [plainCommand(words, at, opcode, name)];
    lines.push(...added);
    at = added.at(-1)!.index + added.at(-1)!.words.length;
  }
  return lines;
}

/** Lines as text: index, words, meaning; without a line break at the end. */
export function formatDisassembly(lines: readonly DisasmLine[]): string {
  return lines
    .map(
      ({ index, words, text }) =>
        `${index.toString().padStart(5)}  ${words.map(hex32).join(" ").padEnd(17)}  ${text}`,
    )
    .join("\n");
}

/** Every command starts at an even word; those that NPU streams do not use are shown as two words. */
function plainCommand(
  words: ArrayLike<number>,
  at: number,
  opcode: number,
  name: string | undefined,
): DisasmLine {
  const covered = Array.from({ length: Math.min(2, words.length - at) }, (_, i) => words[at + i]!);
  const notes: string[] = [];
  if (covered.length < 2) notes.push("the second word is missing");
  if (name === "PAD" && covered.some((word) => word !== 0)) notes.push("not zero");
  if (name !== undefined && name !== "PAD") notes.push("not used by NPU streams");
  return {
    index: at,
    words: covered,
    text: withNotes(name ?? `unknown opcode ${opcode}`, notes),
    state: null,
  };
}

const withNotes = (text: string, notes: readonly string[]): string =>
  notes.length === 0 ? text : `${text}  ; ${notes.join("; ")}`;

function loadState(words: ArrayLike<number>, at: number, options: DisasmOptions): DisasmLine[] {
  const header = words[at]! >>> 0;
  const member = (name: string): number => readFieldValue(LOAD_STATE, [header], name, Infinity);
  const count = member("COUNT") || LARGEST_COUNT;
  const stateAddr = member("STATE_ADDR");
  const headerNotes = undeclaredBits(LOAD_STATE, [header]).map(
    ({ bits }) => `undeclared bits ${hex32(bits)} set`,
  );
  if (member("FIXP") === 1) headerNotes.push("converted from fixed point");

  const lines: DisasmLine[] = [];
  const present = Math.min(count, words.length - at - 1);
  for (let i = 0; i < present; i++) {
    const index = at + 1 + i;
    const value = words[index]! >>> 0;
    const state = stateAddr + 4 * i;
    const text = stateText(state, value, options.symbols?.get(index));
    lines.push(
      i === 0
        ? { index: at, words: [header, value], text: withNotes(text, headerNotes), state }
        : { index, words: [value], text, state },
    );
  }
  if (present === 0)
    lines.push({ index: at, words: [header], text: "LOAD_STATE without data", state: null });
  if (present < count)
    lines.at(-1)!.text += `  ; the stream ends, ${count - present} data words are missing`;
  // Header and data together fill an even number of words.
  else if (count % 2 === 0 && at + 1 + count < words.length)
    lines.push(alignmentWord(words, at + 1 + count));
  return lines;
}

function alignmentWord(words: ArrayLike<number>, index: number): DisasmLine {
  const word = words[index]! >>> 0;
  return {
    index,
    words: [word],
    text: withNotes("alignment", word === 0 ? [] : ["not zero"]),
    state: null,
  };
}

function stateText(stateAddr: number, value: number, symbol: string | undefined): string {
  const address = `0x${stateAddr.toString(16).padStart(5, "0")}`;
  const name = STATE_NAMES[stateAddr] ?? "unknown state";
  if (name.endsWith("_INST_ADDR")) {
    const tag = value & INST_ADDR_TAG_MASK;
    const target = symbol ?? `0x${hex32(value - tag)}`;
    return `${name} (${address}) = ${target}, tag ${tag}`;
  }
  if (name === "UNK_010A4" && value !== 0)
    return `${name} (${address}) = 0x${hex32(value)}, waits for the job with tag ${value & INST_ADDR_TAG_MASK}`;
  return `${name} (${address}) = ${symbol ?? `0x${hex32(value)}`}`;
}
