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
import {
  anyRunning,
  endRunning,
  forgetRunning,
  isRunning,
  keepRunning,
  startSpans,
  touchSpan,
} from "./overlap";
import { stateAllowed, TAG_MAX } from "./states";
import { runTp, startTpJob } from "./tp";

/** Tags of a TP descriptor that another one of the same job follows: of serial jobs, and of jobs that overlap. */
const TAG_NOT_LAST: u32 = 1;
const TAG_NOT_LAST_OVERLAP: u32 = 0x1f;

const enum Open {
  NONE = 0,
  NN = 1,
  TP = 2,
}

let nnVersion: u32 = 0;
let nnCores: u32 = 0;
let rounding: Rounding = Rounding.HALF_EVEN;

let jobs: i32 = 0;
/** Kind of the job that was started and not yet ended by UNK_010A4, nor left running. */
let open: Open = Open.NONE;
/** Tag of its last descriptor. */
let tag: u32 = 0;
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
  forgetRunning();
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
  if (open != Open.NONE || dirty || anyRunning())
    return failWord(Status.SIM_BAD_COMMAND, words, -1);
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

/** A TP job goes on with the next descriptor unless its last one has a tag of its own. */
function goesOn(kind: Open): bool {
  if (open != Open.TP || kind != Open.TP) return false;
  return tag == 0 || tag == TAG_NOT_LAST || tag == TAG_NOT_LAST_OVERLAP;
}

/**
 * A descriptor address was written: NN jobs have one descriptor, TP jobs one for each core that
 * takes part. A job before it that has a tag and was not waited for goes on.
 */
function startJob(kind: Open, word: u32, value: u32): Status {
  const first = !goesOn(kind);
  if (open != Open.NONE && first) {
    const status = leaveRunning(word, value);
    if (status != Status.OK) return status;
  }
  setFaultJob(jobs);
  if ((value & INST_ADDR_TAG_MASK & ~TAG_MAX) != 0)
    return failWord(Status.SIM_ALIGNMENT, word, value);
  const block = kind == Open.NN ? BlockId.NN : BlockId.TP;
  const bytes = 4 * (kind == Open.NN ? NN_WORDS : TP_WORDS);
  const address = value & ~INST_ADDR_TAG_MASK;
  const descriptor = resolve(address, bytes, Access.READ);
  if (descriptor == 0) {
    noteFault(Fault.WORD_INDEX, word);
    return failAddress(block, -1, address);
  }
  tag = value & TAG_MAX;
  // A job without a tag runs alone.
  if (tag == 0 && anyRunning()) return failWord(Status.SIM_BAD_COMMAND, word, value);
  if (first) startSpans();
  if (first && kind == Open.TP) startTpJob();
  open = kind;
  dirty = true;
  const status = touchSpan(<u64>address, <u64>address + bytes, false);
  if (status != Status.OK) return status;
  return kind == Open.NN
    ? runNn(descriptor, nnVersion, nnCores, rounding)
    : runTp(descriptor, rounding);
}

/** The open job goes on while the stream does; only a job with a tag, which no other one has, can be waited for later. */
function leaveRunning(word: u32, value: u32): Status {
  const isLast = open == Open.NN || (tag != TAG_NOT_LAST && tag != TAG_NOT_LAST_OVERLAP);
  if (tag == 0 || !isLast || isRunning(tag)) return failWord(Status.SIM_BAD_COMMAND, word, value);
  keepRunning(tag, jobs);
  closeJob();
  return Status.OK;
}

/** No more descriptors of the open job follow. */
function closeJob(): void {
  if (open == Open.TP) clearWritten();
  open = Open.NONE;
  jobs++;
  setFaultJob(-1);
}

/** The stream waits for the job with a tag: the open one, or one that was left running. */
function endJob(word: u32, value: u32): Status {
  // 0 serialises: whatever its tag, the job before it has ended. Others count as running all the same.
  if (open != Open.NONE && (value == tag || value == 0)) {
    if (isRunning(tag)) return failWord(Status.SIM_BAD_COMMAND, word, value);
    closeJob();
    return Status.OK;
  }
  if (open != Open.NONE) {
    const status = leaveRunning(word, value);
    if (status != Status.OK) return status;
  }
  if (value == 0 || !isRunning(value)) return failWord(Status.SIM_BAD_COMMAND, word, value);
  endRunning(value);
  return Status.OK;
}
