// The front end: reads a command stream, writes states, starts jobs (spec/hardware.md 4).
// SPDX-License-Identifier: MIT
import { Access, Fault, Rounding, Status } from "../abi";
import { readField } from "../bits/fields";
import { noteFault } from "../fault";
import {
  BlockId,
  INST_ADDR_TAG_MASK,
  LoadState,
  NN_WORDS,
  Opcode,
  State,
  TP_WORDS,
} from "../gen/fields";
import { failAddress, setFaultJob, simFail } from "./faults";
import { startWork } from "./limits";
import { clearWritten, resolve } from "./memory";
import { runNn } from "./nn";
import { stateAllowed } from "./states";
import { runTp, startTpJob } from "./tp";

/**
 * Sequence tags have five bits in captures (0x1f is the largest); the three above them must be
 * zero.
 */
const TAG_BITS_USED: u32 = 0x1f;

const enum Open {
  NONE = 0,
  NN = 1,
  TP = 2,
}

let nnVersion: u32 = 0;
let nnCores: u32 = 0;
let rounding: Rounding = Rounding.HALF_EVEN;

let jobs: i32 = 0;
/** Kind of the job that was started and not yet ended by UNK_010A4. */
let open: Open = Open.NONE;
/** A job has run since caches were flushed: its output may not be in memory yet. */
let dirty: bool = false;

/** Sets the chip for all following submits. */
export function setChip(version: u32, cores: u32, mode: Rounding): void {
  nnVersion = version;
  nnCores = cores;
  rounding = mode;
}

/** Jobs that the last submit ended. */
export function jobCount(): i32 {
  return jobs;
}

function failWord(code: Status, word: u32, value: u32): Status {
  noteFault(Fault.BLOCK, BlockId.LOAD_STATE);
  noteFault(Fault.WORD_INDEX, word);
  noteFault(Fault.VALUE, value);
  return simFail(code);
}

/** Runs the stream of `words` words at `stream` (in WASM memory). */
export function runStream(stream: usize, words: u32): Status {
  jobs = 0;
  open = Open.NONE;
  dirty = false;
  setFaultJob(-1);
  startWork();
  let index: u32 = 0;
  while (index < words) {
    // Commands begin at even words: a command with an even number of words is followed by a pad
    // word.
    const header = load<u32>(stream + ((<usize>index) << 2));
    const length: u32 = header == 0 ? 1 : commandWords(stream, index);
    if (length == 0) return failWord(Status.SIM_BAD_COMMAND, index, header);
    if (length > words - index) return failWord(Status.SIM_BAD_COMMAND, index, header);
    for (let i: u32 = 1; i < length; i++) {
      const status = writeState(stream, index, i);
      if (status != Status.OK) return status;
    }
    const next: u32 = (index + length + 1) & ~1;
    if (next > index + length && index + length < words) {
      const pad = load<u32>(stream + ((<usize>(index + length)) << 2));
      if (pad != 0) return failWord(Status.SIM_BAD_COMMAND, index + length, pad);
    }
    index = next;
  }
  if (open != Open.NONE || dirty) return failWord(Status.SIM_BAD_COMMAND, words, -1);
  return Status.OK;
}

/** Words of the command at `index`, or 0 when it is not a plain LOAD_STATE. */
function commandWords(stream: usize, index: u32): u32 {
  const at = stream + ((<usize>index) << 2);
  if (readField(BlockId.LOAD_STATE, at, LoadState.OPCODE, 7) != Opcode.LOAD_STATE) return 0;
  if (readField(BlockId.LOAD_STATE, at, LoadState.FIXP, 7) != 0) return 0;
  const count = readField(BlockId.LOAD_STATE, at, LoadState.COUNT, 7);
  return 1 + (count == 0 ? 1024 : count);
}

/** Writes the state of data word `i` (1..) of the command at `index`. */
function writeState(stream: usize, index: u32, i: u32): Status {
  const header = stream + ((<usize>index) << 2);
  const address = readField(BlockId.LOAD_STATE, header, LoadState.STATE_ADDR, 7) + 4 * (i - 1);
  const value = load<u32>(header + ((<usize>i) << 2));
  const word = index + i;
  if (!stateAllowed(address, value)) {
    noteFault(Fault.ADDRESS, address);
    return failWord(Status.SIM_BAD_STATE, word, value);
  }
  switch (address) {
    case State.PS_NN_INST_ADDR:
      return startJob(Open.NN, word, value);
    case State.PS_TP_INST_ADDR:
      return startJob(Open.TP, word, value);
    case State.UNK_010A4:
      return endJob(word, value);
    case State.GL_FLUSH_CACHE:
      dirty = false;
      return Status.OK;
    default:
      return Status.OK;
  }
}

/**
 * A descriptor address was written: NN jobs have one descriptor, TP jobs one for each core that
 * takes part.
 */
function startJob(kind: Open, word: u32, value: u32): Status {
  if (open != Open.NONE && !(open == Open.TP && kind == Open.TP))
    return failWord(Status.SIM_BAD_COMMAND, word, value);
  setFaultJob(jobs);
  if ((value & INST_ADDR_TAG_MASK & ~TAG_BITS_USED) != 0)
    return failWord(Status.SIM_ALIGNMENT, word, value);
  const block = kind == Open.NN ? BlockId.NN : BlockId.TP;
  const bytes = 4 * (kind == Open.NN ? NN_WORDS : TP_WORDS);
  const address = value & ~INST_ADDR_TAG_MASK;
  const descriptor = resolve(address, bytes, Access.READ);
  if (descriptor == 0) {
    noteFault(Fault.WORD_INDEX, word);
    return failAddress(block, -1, address);
  }
  if (open == Open.NONE && kind == Open.TP) startTpJob();
  open = kind;
  dirty = true;
  return kind == Open.NN
    ? runNn(descriptor, nnVersion, nnCores, rounding)
    : runTp(descriptor, rounding);
}

function endJob(word: u32, value: u32): Status {
  if (open == Open.NONE) return failWord(Status.SIM_BAD_COMMAND, word, value);
  if (open == Open.TP) clearWritten();
  open = Open.NONE;
  jobs++;
  setFaultJob(-1);
  return Status.OK;
}
