// The export of the pre-submit check (docs/submit-check.md): one submit, proved or refused.
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { CheckChip } from "../abi-check";
import { decoderExists } from "../coef/decoders";
import { fail } from "../fault";
import { openBuffers } from "./buffers";
import { startCoefficients } from "./coefficients";
import { setNnChip } from "./nn";
import { clearReport } from "./report";
import { checkStream, streamJobs } from "./stream";

/** The most NN cores of any chip, with room. */
const NN_CORES_MAX: u32 = 16;

function chipWord(chip: usize, word: CheckChip): u32 {
  return load<u32>(chip + ((<usize>word) << 2));
}

/**
 * Proves, without executing anything, that a submit writes only states that NPU submits write and that its jobs
 * access only the submit's buffers, in the direction that the list grants.
 * @param stream `words` words of commands
 * @param buffers `count` records of CheckBuffer.WORDS words, sorted by address
 * @param chip CheckChip.WORDS words
 * @returns CHECK_*; the fault record says where, checkReport() why. BAD_ARGUMENT for an unknown chip
 */
export function checkSubmit(
  stream: usize,
  words: u32,
  buffers: usize,
  count: u32,
  chip: usize,
): Status {
  clearReport();
  const version = chipWord(chip, CheckChip.NN_VERSION);
  const cores = chipWord(chip, CheckChip.NN_CORES);
  if (!decoderExists(version) || cores - 1 >= NN_CORES_MAX) return fail(Status.BAD_ARGUMENT);
  setNnChip(version, cores, chipWord(chip, CheckChip.SRAM_BYTES));
  startCoefficients();
  const status = openBuffers(buffers, count);
  if (status != Status.OK) return status;
  const tpCores = chipWord(chip, CheckChip.TP_CORES);
  return checkStream(stream, words, tpCores, chipWord(chip, CheckChip.PARALLEL) != 0);
}

/** Jobs of the submit that was checked last. */
export function checkJobCount(): i32 {
  return streamJobs();
}
