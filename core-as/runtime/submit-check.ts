// The pre-submit check: proves that a submit stays inside its buffers before a device sees it (docs/submit-check.md).
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../assembly/abi.ts";
import {
  CheckBuffer as BufferWord,
  CheckChip,
  CheckReport,
  type CheckReason,
} from "../assembly/abi-check.ts";
import { Core, type CoreOptions } from "../core.ts";
import { CoreBugError, SubmitCheckError, type ErrorLocation } from "../errors.ts";
import { BLOCK_TABLES, STATE_NAMES } from "../inspect/gen/fields.ts";
import type { ExecutableJob, ExecutablePartition } from "../executable/executable.ts";
import { wordsOf } from "../executable/bytes.ts";
import { alignUp, PAGE_BYTES } from "../executable/format.ts";
import { relocate } from "../executable/relocate.ts";
import { splitSubmits } from "../executable/split-submits.ts";
import { submitOrder } from "../executable/submit-order.ts";
import type { Chip } from "../hw/chips.ts";
import { checkSentence, type CheckBuffer, type Refusal } from "./check-sentences.ts";

export type { CheckBuffer } from "./check-sentences.ts";

/** What a checker is made from. */
export interface SubmitCheckerOptions extends CoreOptions {
  /** What descriptors and coefficients are read by, and how much SRAM cache plans may name. */
  chip: Pick<Chip, "nnCoreVersion" | "nnCores" | "tpCores" | "vipSramBytes">;
  /**
   * Also permits the values of the reference driver's parallel debug mode (jobs that overlap, spec/uapi.md 5).
   * Default false: jobs run one after the other.
   */
  parallel?: boolean;
}

/** What is checked, beside the stream itself. */
export interface CheckOptions {
  /** Names for messages, by number of the job. */
  jobs?: readonly Pick<ExecutableJob, "op">[];
}

type CheckCode = SubmitCheckError["code"] & `TW_CHECK_${string}`;

const CODES: Partial<Record<Status, CheckCode>> = {
  [Status.CHECK_STREAM]: "TW_CHECK_STREAM",
  [Status.CHECK_STATE]: "TW_CHECK_STATE",
  [Status.CHECK_ADDRESS]: "TW_CHECK_ADDRESS",
  [Status.CHECK_DESCRIPTOR]: "TW_CHECK_DESCRIPTOR",
  [Status.CHECK_LIMIT]: "TW_CHECK_LIMIT",
};

/** The most whole pages that a word can count, in bytes: no buffer, as address 0 is none, has more. */
const PAGES_MAX = 2 ** 32 - PAGE_BYTES;

/** As the core has it from the kernel: longer ones need no copying to be refused. */
const STREAM_WORDS_MAX = 0x8000;
const BUFFERS_MAX = 0x20000;
/** Known contents of all buffers together: far above any network, and they fit the core's memory. */
const CONTENTS_MAX = 2 ** 30;

const KINDS = ["NN", "TP"];

/**
 * Proves submits for one chip, without executing anything. Holds a WASM instance of its own; synchronous, so one
 * checker serves any number of sessions.
 */
export class SubmitChecker {
  private constructor(
    private readonly core: Core,
    private readonly chipWords: readonly number[],
  ) {}

  /**
   * @throws RangeError for a chip that no check exists for
   * @throws CoreBugError if the WASM module does not load
   */
  static async create({
    chip,
    parallel = false,
    wasm,
  }: SubmitCheckerOptions): Promise<SubmitChecker> {
    const { nnCoreVersion, nnCores, tpCores, vipSramBytes } = chip;
    if (nnCoreVersion !== 7 && nnCoreVersion !== 8)
      throw new RangeError(`NN core version ${String(nnCoreVersion)} is not 7 or 8`);
    for (const [name, count] of Object.entries({ nnCores, tpCores }))
      if (!Number.isInteger(count) || count < 1 || count > 16)
        throw new RangeError(`${name} is ${count}, not 1 to 16`);
    if (!isUint32(vipSramBytes)) throw new RangeError(`vipSramBytes is ${vipSramBytes}`);
    const words = new Array<number>(CheckChip.WORDS).fill(0);
    words[CheckChip.NN_VERSION] = nnCoreVersion;
    words[CheckChip.NN_CORES] = nnCores;
    words[CheckChip.TP_CORES] = tpCores;
    words[CheckChip.SRAM_BYTES] = vipSramBytes;
    words[CheckChip.PARALLEL] = Number(parallel);
    return new SubmitChecker(await Core.create(wasm === undefined ? {} : { wasm }), words);
  }

  /** Jobs of the submit that was checked last. */
  get jobCount(): number {
    return this.core.invoke("checkJobCount");
  }

  /**
   * Checks one submit: the words of its command stream and the buffers that it lists. Returns when every state that it
   * writes is permitted and every access of its jobs is inside one of the buffers, in the direction that it grants.
   * @param stream 32-bit words, as the kernel will copy them
   * @param buffers in any order; `contents` are not kept
   * @throws SubmitCheckError TW_CHECK_STREAM, _STATE, _ADDRESS, _DESCRIPTOR, _LIMIT. `where.wordIndex` is a word of the
   *   command stream, `where.field` a field of the job's descriptor or the name of a state, `where.addrGpu` the
   *   first address of the access
   */
  check(stream: Uint32Array, buffers: readonly CheckBuffer[], options: CheckOptions = {}): void {
    for (const [index, buffer] of buffers.entries()) checkNumbers(buffer, index);
    checkContents(buffers);
    this.core.scope(() => {
      // What is longer than a submit can be is refused for its length alone.
      const words = this.core.allocWords(stream.subarray(0, STREAM_WORDS_MAX));
      const records = this.core.allocWords(
        buffers.length > BUFFERS_MAX ? [] : this.records(buffers),
      );
      const chip = this.core.allocWords(this.chipWords);
      const status = this.core.invoke(
        "checkSubmit",
        words,
        stream.length,
        records,
        buffers.length,
        chip,
      ) as Status;
      if (status !== Status.OK) throw this.errorOf(status, buffers, options);
    });
  }

  /** The list as the core reads it: in order of address, known contents copied in. */
  private records(buffers: readonly CheckBuffer[]): Uint32Array {
    const order = [...buffers.keys()].sort((a, b) => buffers[a]!.address - buffers[b]!.address);
    const words = new Uint32Array(order.length * BufferWord.WORDS);
    for (const [place, index] of order.entries()) {
      const {
        address,
        bytes,
        access,
        contents,
        mapped = alignUp(bytes, PAGE_BYTES),
      } = buffers[index]!;
      const at = place * BufferWord.WORDS;
      words[at + BufferWord.ADDRESS] = address;
      words[at + BufferWord.BYTES] = bytes;
      words[at + BufferWord.ACCESS] = access;
      words[at + BufferWord.CONTENTS] = contents === null ? 0 : this.core.allocCopy(contents);
      words[at + BufferWord.HELD] = contents === null ? 0 : contents.length;
      words[at + BufferWord.INDEX] = index;
      words[at + BufferWord.MAPPED] = Math.min(mapped, PAGES_MAX);
    }
    return words;
  }

  private errorOf(
    status: Status,
    buffers: readonly CheckBuffer[],
    { jobs }: CheckOptions,
  ): SubmitCheckError | CoreBugError {
    const code = CODES[status];
    const fault = this.core.readWords(this.core.invoke("faultRecord"), Fault.WORDS);
    if (code === undefined)
      return new CoreBugError(`checkSubmit returned status ${status} for ${fault[Fault.VALUE]}`);
    const report = this.core.readWords(this.core.invoke("checkReport"), CheckReport.WORDS);
    const table = BLOCK_TABLES[fault[Fault.BLOCK]!];
    const field = table?.fields[fault[Fault.FIELD]!];
    const wide = (low: CheckReport): number => report[low + 1]! * 2 ** 32 + (report[low]! >>> 0);
    const refusal: Refusal = {
      reason: report[CheckReport.REASON]! as CheckReason,
      value: fault[Fault.VALUE]! >>> 0,
      from: wide(CheckReport.FROM_LOW),
      to: wide(CheckReport.TO_LOW),
      access: report[CheckReport.ACCESS]!,
      buffer: report[CheckReport.BUFFER]!,
      detail: report[CheckReport.DETAIL]! >>> 0,
      state: report[CheckReport.STATE]! >>> 0,
      field: field?.name,
      signed: field?.signed ?? false,
    };
    const where: ErrorLocation = {};
    const job = fault[Fault.JOB]!;
    if (job >= 0) where.job = job;
    if (fault[Fault.WORD_INDEX]! >= 0) where.wordIndex = fault[Fault.WORD_INDEX]!;
    if (fault[Fault.ADDRESS]! !== -1) where.addrGpu = fault[Fault.ADDRESS]! >>> 0;
    const name = fieldName(status, refusal);
    if (name !== undefined) where.field = name;

    const kind = KINDS[report[CheckReport.KIND]!] ?? "";
    const op = jobs?.[job]?.op;
    const subject = job < 0 ? "" : `job ${job} (${op === undefined ? kind : `${kind} ${op}`}): `;
    const place = where.wordIndex === undefined ? "" : ` (word ${where.wordIndex} of the stream)`;
    return new SubmitCheckError(
      code,
      `${subject}${checkSentence(refusal, buffers)}${place}`,
      where,
    );
  }
}

/** The descriptor's field that a refusal is about, or the state where it is about the stream. */
function fieldName(status: Status, { field, state }: Refusal): string | undefined {
  if (status === Status.CHECK_LIMIT) return undefined;
  if (status === Status.CHECK_DESCRIPTOR) return field;
  return status === Status.CHECK_ADDRESS && field !== undefined ? field : STATE_NAMES[state];
}

const isUint32 = (value: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < 2 ** 32;

/** What a record cannot even hold. */
function checkNumbers(
  { address, bytes, access, contents, mapped = 0 }: CheckBuffer,
  index: number,
): void {
  const refuse = (what: string): never => {
    throw new SubmitCheckError("TW_CHECK_LIMIT", `buffer ${index} ${what}`);
  };
  if (!isUint32(address)) refuse(`is at ${address}; GPU addresses have 32 bits`);
  if (!isUint32(bytes)) refuse(`has ${bytes} bytes; buffers have less than 2^32`);
  if (!isUint32(mapped)) refuse(`has ${mapped} bytes mapped; buffers have less than 2^32`);
  if (access !== 0 && access !== 1 && access !== 2 && access !== 3)
    refuse(`has access ${access}, not 0 to 3`);
  if (contents !== null && contents.length > bytes)
    refuse(`has ${bytes} bytes, its contents ${contents.length}`);
}

function checkContents(buffers: readonly CheckBuffer[]): void {
  const bytes = buffers.reduce((sum, { contents }) => sum + (contents?.length ?? 0), 0);
  if (bytes > CONTENTS_MAX)
    throw new SubmitCheckError(
      "TW_CHECK_LIMIT",
      `the known contents of the buffers have ${bytes} bytes together; a check takes up to ${CONTENTS_MAX}`,
    );
}

/** What a transport submits of a partition: the stream's words, and the buffers with what the device will see in them. */
export interface PartitionSubmit {
  /** Words of the relocated command stream. */
  stream: Uint32Array;
  /** Buffers with their addresses and relocated bytes. */
  buffers: CheckBuffer[];
}

/** Where the buffers of a partition lie. */
export interface PartitionOptions {
  /** The bytes of the buffers with addresses filled in, when the caller has them already. */
  relocated?: readonly (Uint8Array | null)[];
  /** Bytes of memory mapped for each buffer, as mappedSizes() gives them; default: its size in whole pages. */
  mapped?: readonly number[];
}

/**
 * The submit of a partition whose buffers have addresses: every buffer with the exact size that its executable names, though
 * a device has whole pages. Contents count as known where neither host nor jobs write: in descriptors, coefficients and
 * tables.
 * @param addresses by buffer; null for the stream
 * @throws EncodeError TW_ENC_RELOC when a relocation is not possible
 * @throws SubmitCheckError TW_CHECK_LIMIT for a stream of no whole words or a listed buffer without an address
 */
export function partitionSubmit(
  partition: ExecutablePartition,
  addresses: readonly (number | null)[],
  { relocated = relocate(partition, addresses), mapped }: PartitionOptions = {},
): PartitionSubmit {
  const written = new Set(partition.inputs.map(({ buffer }) => buffer));
  const buffers = submitOrder(partition).map((index): CheckBuffer => {
    const { role, bytes, access } = partition.buffers[index]!;
    const address = addresses[index] ?? null;
    if (address === null)
      throw new SubmitCheckError(
        "TW_CHECK_LIMIT",
        `buffer ${index} (${role}) of the partition has no address, but a job names it`,
      );
    const constant = role !== "tensor" && !written.has(index);
    const contents = constant ? (relocated[index] ?? null) : null;
    return { address, bytes, access, contents, mapped: mapped?.[index] };
  });
  return { stream: streamWords(relocated[partition.stream] ?? new Uint8Array(0)), buffers };
}

function streamWords(bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0)
    throw new SubmitCheckError(
      "TW_CHECK_LIMIT",
      `the command stream has ${bytes.length} bytes, which is no multiple of 8`,
    );
  return wordsOf(bytes);
}

/**
 * Checks a partition as a transport is going to submit it: in parts (splitSubmits) where its stream is too long for one submit.
 * @returns what was checked, as a whole
 * @throws SubmitCheckError as SubmitChecker.check; buffer numbers in messages are places in submitOrder(partition), or of the
 *   jobs of a part, which the message names; jobs and words in `where` are the part's then
 * @throws EncodeError TW_ENC_RELOC when a relocation is not possible
 */
export function checkPartition(
  checker: SubmitChecker,
  partition: ExecutablePartition,
  addresses: readonly (number | null)[],
  options: PartitionOptions = {},
): PartitionSubmit {
  const submit = partitionSubmit(partition, addresses, options);
  const parts = splitSubmits(submit.stream, partition.jobs.length);
  if (parts.length === 1) {
    checker.check(submit.stream, submit.buffers, { jobs: partition.jobs });
    return submit;
  }
  const order = submitOrder(partition);
  const byIndex = new Map(order.map((index, i) => [index, submit.buffers[i]!]));
  for (const { stream, first, last } of parts) {
    const jobs = partition.jobs.slice(first, last);
    const buffers = submitOrder({ jobs }).map((index) => byIndex.get(index)!);
    try {
      checker.check(stream, buffers, { jobs });
    } catch (cause) {
      if (cause instanceof SubmitCheckError)
        cause.message = `submit of jobs ${first} to ${last - 1}: ${cause.message}`;
      throw cause;
    }
  }
  return submit;
}
