// Emits the command stream of a submit (spec/uapi.md 5). Descriptor addresses stay 0 but for their tag.
// SPDX-License-Identifier: MIT
import { CommandJob } from "../abi";
import { Opcode, State } from "../gen/fields";
import { member } from "../record";

const NN_CONFIG_SMALL_BATCH: u32 = 0x10;
/** Of jobs that overlap, as in the reference's parallel debug mode. */
const NN_CONFIG_OVERLAP: u32 = 0;
const FLUSH_ALL: u32 = 0xc23;
const FLUSH_OVERLAP: u32 = 0x403;
/** Tag of every TP descriptor but the last: the next one need not wait. */
const TAG_NOT_LAST: u32 = 1;
const TAG_NOT_LAST_OVERLAP: u32 = 0x1f;
const LEADING_ZEROS = 8;
const TRAILING_ZEROS = 2;

let dst: usize = 0;
/** Words so far; when only counting nothing is stored. */
let position: u32 = 0;
let counting: bool = false;

function word(value: u32): void {
  if (!counting) store<u32>(dst + ((<usize>position) << 2), value);
  position++;
}

function writeState(state: State, value: u32): void {
  word(((<u32>Opcode.LOAD_STATE) << 27) | (1 << 16) | ((<u32>state) >> 2));
  word(value);
}

/** Waits for the job with a tag; 0 = for none. */
function writeWait(tag: u32): void {
  if (tag != 0) writeState(State.UNK_010A4, tag);
}

function writeZeros(count: i32): void {
  for (let i = 0; i < count; i++) word(0);
}

/** Notes that the word just written waits for the address of descriptor `core` of job `index`. */
function noteReloc(relocs: usize, number: u32, index: i32, core: i32): void {
  if (counting) return;
  const at = relocs + <usize>number * 12;
  store<u32>(at, position - 1);
  store<i32>(at, index, 4);
  store<i32>(at, core, 8);
}

/**
 * Emits one submit: leading zeros, the jobs in order, the closing flush.
 * @param jobs `count` entries of CommandJob.WORDS words
 * @param target where the words go; 0 = only count
 * @param relocs three words per descriptor: word index in the stream, job, core; in stream order
 * @returns number of words
 */
export function emitCommands(jobs: usize, count: i32, target: usize, relocs: usize): u32 {
  dst = target;
  counting = target == 0;
  position = 0;
  let number: u32 = 0;
  let flush = FLUSH_ALL;
  writeZeros(LEADING_ZEROS);
  for (let index = 0; index < count; index++) {
    const job = jobs + <usize>(index * CommandJob.WORDS * 4);
    const tag = <u32>member(job, CommandJob.TAG);
    const descriptors = member(job, CommandJob.DESCRIPTORS);
    for (let core = 0; core < descriptors; core++) {
      const last = core == descriptors - 1;
      writeState(State.GL_OCB_REMAP_START, 0);
      writeState(State.GL_OCB_REMAP_END, 0);
      if (member(job, CommandJob.KIND) == 0) {
        writeState(State.GL_NN_CONFIG, tag == 0 ? NN_CONFIG_SMALL_BATCH : NN_CONFIG_OVERLAP);
        writeState(State.PS_NN_INST_ADDR, tag);
      } else {
        writeState(State.GL_TP_CONFIG, 0);
        writeState(State.UNK_03950, last ? 0 : member(job, CommandJob.UNK_03950));
        writeState(
          State.PS_TP_INST_ADDR,
          last ? tag : tag == 0 ? TAG_NOT_LAST : TAG_NOT_LAST_OVERLAP,
        );
      }
      noteReloc(relocs, number++, index, core);
    }
    if (tag == 0) writeState(State.UNK_010A4, 0);
    else flush = FLUSH_OVERLAP;
    writeWait(member(job, CommandJob.WAIT_A));
    writeWait(member(job, CommandJob.WAIT_B));
  }
  writeState(State.GL_FLUSH_CACHE, flush);
  writeState(State.GL_FLUSH_CACHE, flush);
  writeZeros(TRAILING_ZEROS);
  return position;
}

/**
 * Emits the stream that initialises the NPU once, before the first submit.
 * @returns number of words; with target 0 nothing is stored
 */
export function emitInit(target: usize): u32 {
  dst = target;
  counting = target == 0;
  position = 0;
  writeZeros(LEADING_ZEROS);
  writeState(State.PA_SYSTEM_MODE, 0x11);
  writeState(State.GL_API_MODE, 2);
  writeZeros(TRAILING_ZEROS);
  return position;
}
