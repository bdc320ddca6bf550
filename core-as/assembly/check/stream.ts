// The command stream: pairs of zero words and writes of one state, jobs one after the other, a flush at the end.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CheckReason, CheckReport } from "../abi-check";
import { readField } from "../bits/fields";
import {
  BlockId,
  INST_ADDR_TAG_MASK,
  LoadState,
  NN_WORDS,
  Opcode,
  State,
  TP_WORDS,
} from "../gen/fields";
import { heldAt } from "./buffers";
import { checkNn } from "./nn";
import { note, refusal, refuse, setPlace, setWord } from "./report";
import { Given, TAG_MAX, givenBit, stateKnown, stateOfBit, valueAllowed } from "./states";
import { checkTp, startTpJob } from "./tp";

/** The kernel copies streams of up to this many bytes (spec/uapi.md, field.md). */
const STREAM_BYTES_MAX: u32 = 0x20000;

/** What an NN job, a TP job finds as the streams before left it, unless its own stream writes it. */
const NN_NEEDS: u32 = Given.REMAP_START | Given.REMAP_END | Given.NN_CONFIG;
const TP_NEEDS: u32 = Given.REMAP_START | Given.REMAP_END | Given.TP_CONFIG | Given.UNK_03950;

/** Tags of a TP descriptor that another one of the same job follows: of serial jobs, and of jobs that overlap. */
const TAG_NOT_LAST: u32 = 1;
const TAG_NOT_LAST_OVERLAP: u32 = 0x1f;

const NOTHING: i32 = -1;

let parallel: bool = false;
let tpCores: u32 = 0;
let jobs: i32 = 0;
/** Block of the descriptors of the job that was started and not yet ended, or NOTHING. */
let open: i32 = NOTHING;
/** Descriptors of the open job. */
let descriptors: u32 = 0;
/** Tag of its last descriptor. */
let tag: u32 = 0;
/** A bit for each tag whose job was left running: the stream has not waited for it. */
let running: u32 = 0;
/** States that this stream has written: bits of Given. */
let written: u32 = 0;
/** A job has run since caches were flushed. */
let dirty: bool = false;

/** Jobs of the stream that was checked last. */
export function streamJobs(): i32 {
  return jobs;
}

/**
 * Checks a stream of `words` words at `stream` with everything that it points to.
 * @returns CHECK_STREAM, CHECK_STATE, CHECK_LIMIT, or what a job is refused for
 */
export function checkStream(stream: usize, words: u32, cores: u32, allowParallel: bool): Status {
  parallel = allowParallel;
  tpCores = cores;
  jobs = 0;
  open = NOTHING;
  running = 0;
  written = 0;
  dirty = false;
  if (words == 0) return refuse(Status.CHECK_LIMIT, CheckReason.STREAM_EMPTY, 0);
  if (words > STREAM_BYTES_MAX / 4)
    return refuse(Status.CHECK_LIMIT, CheckReason.STREAM_BYTES, words * 4);
  if ((words & 1) != 0) return refuse(Status.CHECK_LIMIT, CheckReason.STREAM_ODD, words * 4);
  for (let index: u32 = 0; index < words; index += 2) {
    const at = stream + ((<usize>index) << 2);
    const status = checkPair(at, index);
    if (status != Status.OK) return status;
  }
  setWord(words);
  if (open != NOTHING) return refuse(Status.CHECK_STREAM, CheckReason.NOT_ENDED, open);
  if (running != 0) return refuse(Status.CHECK_STREAM, CheckReason.NOT_WAITED, lowestTag());
  if (dirty) return refuse(Status.CHECK_STREAM, CheckReason.NOT_FLUSHED, jobs);
  return Status.OK;
}

/** Two words: both zero, or a state and its value. */
function checkPair(at: usize, index: u32): Status {
  const header = load<u32>(at);
  const value = load<u32>(at, 4);
  setWord(index);
  note(CheckReport.STATE, -1);
  if (header == 0) {
    if (value == 0) return Status.OK;
    setWord(index + 1);
    return refuse(Status.CHECK_STREAM, CheckReason.PADDING, value);
  }
  if (readField(BlockId.LOAD_STATE, at, LoadState.OPCODE, 7) != Opcode.LOAD_STATE)
    return refuse(Status.CHECK_STREAM, CheckReason.COMMAND, header);
  if (readField(BlockId.LOAD_STATE, at, LoadState.FIXP, 7) != 0)
    return refuse(Status.CHECK_STREAM, CheckReason.FIXED_POINT, header);
  const count = readField(BlockId.LOAD_STATE, at, LoadState.COUNT, 7);
  if (count != 1) return refuse(Status.CHECK_STREAM, CheckReason.COUNT, count);
  return writeState(readField(BlockId.LOAD_STATE, at, LoadState.STATE_ADDR, 7), value, index);
}

function writeState(address: u32, value: u32, index: u32): Status {
  note(CheckReport.STATE, address);
  if (!stateKnown(address)) return refuse(Status.CHECK_STATE, CheckReason.STATE, value);
  setWord(index + 1);
  if (!valueAllowed(address, value, parallel))
    return refuse(Status.CHECK_STATE, CheckReason.STATE_VALUE, value);
  written |= givenBit(address);
  if (address == State.PS_NN_INST_ADDR) return startJob(BlockId.NN, value);
  if (address == State.PS_TP_INST_ADDR) return startJob(BlockId.TP, value);
  if (address == State.UNK_010A4) return endJob(value);
  if (address == State.GL_FLUSH_CACHE) dirty = false;
  return Status.OK;
}

/** Tags that a descriptor may have; only a TP descriptor can have a successor in its job. */
function tagAllowed(block: i32, value: u32): bool {
  if (value == 0 || (parallel && value <= TAG_MAX)) return true;
  return block == BlockId.TP && value == TAG_NOT_LAST;
}

/** The lowest tag whose job was left running. */
function lowestTag(): u32 {
  return ctz(running);
}

/** Another descriptor of the open job: only TP jobs have several, and those that overlap say which one is the last. */
function goesOn(block: i32): bool {
  if (open != BlockId.TP || block != BlockId.TP) return false;
  return !parallel || tag == 0 || tag == TAG_NOT_LAST || tag == TAG_NOT_LAST_OVERLAP;
}

/** The open job goes on while others begin: it has a tag that no other one has, so that the stream can wait for it. */
function leaveRunning(value: u32): Status {
  const isLast = open == BlockId.NN || (tag != TAG_NOT_LAST && tag != TAG_NOT_LAST_OVERLAP);
  if (!parallel || tag == 0 || !isLast)
    return refuse(Status.CHECK_STREAM, CheckReason.NESTED, value);
  if ((running & (1 << tag)) != 0) return refuse(Status.CHECK_STREAM, CheckReason.TAG_TWICE, tag);
  running |= 1 << tag;
  closeJob();
  return Status.OK;
}

function closeJob(): void {
  open = NOTHING;
  jobs++;
  setPlace(-1, -1);
}

/** NN jobs have one descriptor, TP jobs one for each core that takes part. */
function startJob(block: i32, value: u32): Status {
  const first = !goesOn(block);
  if (open != NOTHING && first) {
    const status = leaveRunning(value);
    if (status != Status.OK) return status;
  }
  const missing = (block == BlockId.NN ? NN_NEEDS : TP_NEEDS) & ~written;
  if (missing != 0) {
    note(CheckReport.STATE, stateOfBit(missing));
    return refuse(Status.CHECK_STREAM, CheckReason.NOT_SET, value);
  }
  setPlace(jobs, block);
  if (first) {
    descriptors = 0;
    if (block == BlockId.TP) startTpJob();
  }
  if (block == BlockId.TP && descriptors == tpCores)
    return refuse(Status.CHECK_LIMIT, CheckReason.TP_CORES, tpCores);
  tag = value & INST_ADDR_TAG_MASK;
  if (!tagAllowed(block, tag)) return refuse(Status.CHECK_STATE, CheckReason.TAG, tag);
  if (tag == 0 && running != 0)
    return refuse(Status.CHECK_STREAM, CheckReason.NOT_WAITED, lowestTag());
  open = block;
  descriptors++;
  dirty = true;
  const address = value & ~INST_ADDR_TAG_MASK;
  const bytes = 4 * (block == BlockId.NN ? NN_WORDS : TP_WORDS);
  const descriptor = heldAt(block, -1, address, bytes);
  if (descriptor == 0) return refusal();
  return block == BlockId.NN ? checkNn(descriptor) : checkTp(descriptor);
}

/** The stream waits for the job with a tag: the open one, or one that was left running. */
function endJob(value: u32): Status {
  if (open == NOTHING && running == 0)
    return refuse(Status.CHECK_STREAM, CheckReason.NO_JOB, value);
  if (open != NOTHING && tag != 0 && !parallel)
    return refuse(Status.CHECK_STATE, CheckReason.TAG_LAST, tag);
  // 0 serialises: whatever its tag, the job before it has ended.
  if (open != NOTHING && (value == tag || value == 0)) {
    if ((running & (1 << tag)) != 0) return refuse(Status.CHECK_STREAM, CheckReason.TAG_TWICE, tag);
    closeJob();
    return Status.OK;
  }
  if (open != NOTHING) {
    const status = leaveRunning(value);
    if (status != Status.OK) return status;
  }
  const bit: u32 = 1 << value;
  if (value == 0 || (running & bit) == 0)
    return refuse(Status.CHECK_STREAM, CheckReason.NO_JOB, value);
  running &= ~bit;
  return Status.OK;
}
