// Emits the command stream of a submit (spec/uapi.md 5). Descriptor addresses stay 0 but for their tag.
// SPDX-License-Identifier: MIT
import { CommandJob } from "../abi";
import { Opcode, State } from "../gen/fields";
import { member } from "../record";

const NN_CONFIG_SMALL_BATCH: u32 = 0x10;
const FLUSH_ALL: u32 = 0xc23;
/** Tag of every TP descriptor but the last: the next one need not wait. */
const TAG_NOT_LAST: u32 = 1;
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
  writeZeros(LEADING_ZEROS);
  for (let index = 0; index < count; index++) {
    const job = jobs + <usize>(index * CommandJob.WORDS * 4);
    const descriptors = member(job, CommandJob.DESCRIPTORS);
    for (let core = 0; core < descriptors; core++) {
      const last = core == descriptors - 1;
      writeState(State.GL_OCB_REMAP_START, 0);
      writeState(State.GL_OCB_REMAP_END, 0);
      if (member(job, CommandJob.KIND) == 0) {
        writeState(State.GL_NN_CONFIG, NN_CONFIG_SMALL_BATCH);
        writeState(State.PS_NN_INST_ADDR, 0);
      } else {
        writeState(State.GL_TP_CONFIG, 0);
        writeState(State.UNK_03950, last ? 0 : member(job, CommandJob.UNK_03950));
        writeState(State.PS_TP_INST_ADDR, last ? 0 : TAG_NOT_LAST);
      }
      noteReloc(relocs, number++, index, core);
    }
    writeState(State.UNK_010A4, 0);
  }
  writeState(State.GL_FLUSH_CACHE, FLUSH_ALL);
  writeState(State.GL_FLUSH_CACHE, FLUSH_ALL);
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
