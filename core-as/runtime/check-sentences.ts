// What the pre-submit check says about a refusal: value and limit, for people.
// SPDX-License-Identifier: MIT
import { CheckReason } from "../assembly/abi-check.ts";
import { OPCODE_NAMES, STATE_DOCS, STATE_NAMES } from "../inspect/gen/fields.ts";

/** One buffer of a submit, as the kernel and the NPU will see it. */
export interface CheckBuffer {
  /** GPU virtual address of the first byte. */
  address: number;
  /** Size in bytes. */
  bytes: number;
  /** What the NPU may do with it: 1 read, 2 write, 3 both. */
  access: number;
  /**
   * Bytes that the device will see, from the first one on, for descriptors, coefficients and tables; null when they are not
   * known or may still change, as in tensors.
   */
  contents: Uint8Array | null;
  /**
   * Bytes of memory behind `address` that are this buffer's alone, in whole pages; default: `bytes`, rounded up to
   * 4096. Jobs may access `bytes` of it; only kernels without a channel (quirk Q1) may reach what is behind.
   */
  mapped?: number | undefined;
}

/** A refusal in plain numbers. */
export interface Refusal {
  reason: CheckReason;
  /** Offending value, unsigned. */
  value: number;
  from: number;
  to: number;
  access: number;
  /** Index in the caller's list, or -1. */
  buffer: number;
  detail: number;
  /** Address of a state. */
  state: number;
  field: string | undefined;
  signed: boolean;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** What a buffer grants, in words. */
function accessText(access: number): string {
  return ["no access", "read", "write", "read and write"][access] ?? `access ${access}`;
}

function bufferText(buffers: readonly CheckBuffer[], index: number): string {
  const { address, bytes, access } = buffers[index]!;
  return `buffer ${index} (${hex(address)} + ${bytes}, ${accessText(access)})`;
}

const stateText = (address: number): string => STATE_NAMES[address] ?? `state ${hex(address)}`;

/** The first state in which a stream of jobs that overlap differs from others. */
const isOverlap = ({ state, value }: Refusal): boolean =>
  STATE_NAMES[state] === "GL_NN_CONFIG" && value === 0;

/** Who accesses what, by the field that holds the address. */
const SUBJECTS: Readonly<Record<string, string>> = {
  IN_IMAGE_ADDR: "input",
  IN_BASE_ADDR: "input",
  OUT_IMAGE_ADDR: "output",
  OUT_BASE_ADDR: "output",
  KERNEL_ADDR: "coefficients",
  LUT_ADDR: "look-up table",
};

const subject = ({ field }: Refusal): string => SUBJECTS[field ?? ""] ?? "descriptor";

function accessed(refusal: Refusal): string {
  const verb = refusal.access === 2 ? "written" : "read";
  const { from, to } = refusal;
  return `${subject(refusal)} would be ${verb} at ${hex(from)} to ${hex(to - 1)}`;
}

function outside(refusal: Refusal, buffers: readonly CheckBuffer[]): string {
  const { buffer, to } = refusal;
  if (buffer < 0) return `${accessed(refusal)}, which begins in no buffer of the submit`;
  const { address, bytes } = buffers[buffer]!;
  const past = to - (address + bytes);
  return `${accessed(refusal)}, ${past} bytes past the end of ${bufferText(buffers, buffer)}`;
}

type Sentence = (refusal: Refusal, buffers: readonly CheckBuffer[]) => string;

const value = ({ value: raw, signed }: Refusal): string => String(signed ? raw | 0 : raw);

const SENTENCES: Readonly<Record<number, Sentence>> = {
  [CheckReason.STREAM_EMPTY]: () =>
    "the command stream is empty; the kernel takes at least 8 bytes",
  [CheckReason.STREAM_BYTES]: (r) =>
    `the command stream has ${r.value} bytes; the kernel takes up to 131072. Split the work over several submits`,
  [CheckReason.STREAM_ODD]: (r) =>
    `the command stream has ${r.value} bytes, which is no multiple of 8; commands begin at 64-bit words`,
  [CheckReason.BUFFER_COUNT]: (r) =>
    `the submit lists ${r.value} buffers; the kernel takes up to 131072`,
  [CheckReason.BUFFER_SIZE]: (r) => `buffer ${r.buffer} has no bytes`,
  [CheckReason.BUFFER_ADDRESS]: (r) =>
    `buffer ${r.buffer} is at ${hex(r.value)}; addresses are multiples of 4096 and not 0`,
  [CheckReason.BUFFER_MAPPED]: (r, b) =>
    `${bufferText(b, r.buffer)} has ${r.value} bytes mapped, not whole pages with room for it`,
  [CheckReason.BUFFER_SPACE]: (r, b) =>
    `${bufferText(b, r.buffer)} ends beyond the 32-bit address space`,
  [CheckReason.BUFFER_OVERLAP]: (r, b) =>
    `${bufferText(b, r.buffer)} overlaps ${bufferText(b, r.value)}`,
  [CheckReason.TP_CORES]: (r) =>
    `the job has more descriptors than the chip has TP cores, ${r.value}`,
  [CheckReason.COEFFICIENT_WORK]: (r) =>
    `the coefficients of the submit have more bytes than a check decodes, ${r.value}`,

  [CheckReason.COMMAND]: (r) => {
    const name = OPCODE_NAMES[r.value >>> 27] ?? "an unknown command";
    return `${name} (${hex(r.value)}) is not LOAD_STATE or a zero word, all that an NPU submit needs`;
  },
  [CheckReason.FIXED_POINT]: (r) => `LOAD_STATE (${hex(r.value)}) converts from fixed point`,
  [CheckReason.COUNT]: (r) =>
    `LOAD_STATE writes ${r.value === 0 ? 1024 : r.value} states at once; only single writes are permitted`,
  [CheckReason.PADDING]: (r) => `${hex(r.value)} stands where a zero word is due, at an odd place`,
  [CheckReason.NESTED]: () => "a job starts before the one before it was ended by UNK_010A4",
  [CheckReason.NO_JOB]: () => "UNK_010A4 ends a job where none was started",
  [CheckReason.NOT_SET]: (r) =>
    `a job starts before this stream has set ${stateText(r.state)} (${STATE_DOCS[r.state]})`,
  [CheckReason.NOT_ENDED]: () => "the stream ends before its last job was ended by UNK_010A4",
  [CheckReason.NOT_FLUSHED]: () =>
    "the stream ends without GL_FLUSH_CACHE after its last job: outputs may stay in caches",
  [CheckReason.NOT_WAITED]: (r) =>
    `nothing has waited for the job with sequence tag ${r.value}, and here it may not run any more`,
  [CheckReason.TAG_TWICE]: (r) =>
    `two jobs that may run at the same time have the sequence tag ${r.value}`,

  [CheckReason.STATE]: (r) =>
    `${stateText(r.state)} is written (${hex(r.value)}); NPU submits do not write it`,
  [CheckReason.STATE_VALUE]: (r) =>
    isOverlap(r)
      ? `${stateText(r.state)} is set to ${hex(r.value)}: NN and TP jobs would overlap, which is not allowed here`
      : `${stateText(r.state)} is set to ${hex(r.value)}, which no NPU submit does`,
  [CheckReason.TAG]: (r) =>
    `${stateText(r.state)} has ${hex(r.value)} in its low 8 bits, where the sequence tag is: not one that serial jobs use, or no multiple of 256`,
  [CheckReason.TAG_LAST]: (r) =>
    `the last descriptor of the job has the sequence tag ${r.value}, not 0: following jobs would not wait for it`,

  [CheckReason.OUTSIDE]: outside,
  [CheckReason.DIRECTION]: (r, b) =>
    `${accessed(r)}, but ${bufferText(b, r.buffer)} does not grant that`,
  [CheckReason.WRITABLE]: (r, b) =>
    `${subject(r)} at ${hex(r.from)} is in ${bufferText(b, r.buffer)}: a job could change it after it was checked`,
  [CheckReason.NOT_HELD]: (r, b) =>
    `${subject(r)} at ${hex(r.from)} to ${hex(r.to - 1)} is in ${bufferText(b, r.buffer)}, whose contents there are not known`,
  [CheckReason.READS_OUTPUT]: (r) =>
    `output meets the input that the job reads, ${hex(r.from)} to ${hex(r.to - 1)}: the result would depend on the order of its tiles`,
  [CheckReason.STREAMS_OUTSIDE]: (r) =>
    `coefficients would be read at ${hex(r.from)} to ${hex(r.to - 1)} by their table of sizes: more than is known of their buffer`,

  [CheckReason.SURPLUS_OUTSIDE]: (r, b) =>
    `kernel ${r.detail} of the coefficients has its plane behind the output's last channel (quirk Q1, or streams in another order than the descriptor says, Q59): were it written, at ${hex(r.from)} to ${hex(r.to - 1)}, it would leave the memory of ${r.buffer < 0 ? "the output" : bufferText(b, r.buffer)}. Map more behind the buffer, or compile in optimised mode`,

  [CheckReason.STRAY_BITS]: (r) =>
    `word ${r.detail} of the descriptor has bits ${hex(r.value)} set, which no field has`,
  [CheckReason.CONSTANT]: (r) =>
    `${r.field} is ${value(r)}; what the hardware accesses with another value than ${r.detail} is not known`,
  [CheckReason.RANGE]: (r) => `${r.field} is ${value(r)}; possible is ${r.from} to ${r.to}`,
  [CheckReason.MULTIPLE]: (r) => `${r.field} is ${hex(r.value)}, no multiple of ${r.detail}`,
  [CheckReason.PATTERN]: (r) =>
    `${r.field} is ${r.value} with a kernel pattern or caching mode that do not belong together`,
  [CheckReason.SRAM_OVERLAP]: (r) =>
    `image cache at ${hex(r.value)} meets the kernel cache, ${hex(r.from)} to ${hex(r.to)}`,
  [CheckReason.PARTIAL_TILE]: (r) =>
    `${r.field} is ${r.value}: tiles do not end where the window ends, and what the hardware does then is not known`,
  [CheckReason.RESET_COUNT]: (r) =>
    `${r.field} is ${r.value}; with the loop's reset bit set, this loop and those inside have to make up ${r.detail} elements`,
  [CheckReason.WRITES_TWICE]: (r) =>
    `the job writes ${r.from} elements to ${r.to} bytes: some of them more than once`,
  [CheckReason.COEFFICIENTS]: (r) =>
    `coefficients contradict themselves or the descriptor at word ${r.detail} of their buffer (value ${hex(r.value)}): how far they are read is not known`,
  [CheckReason.TABLE]: (r) =>
    `entry ${r.detail} of the look-up table is ${hex(r.value)}, no FP21 number`,
};

/** The sentence of a refusal. */
export function checkSentence(refusal: Refusal, buffers: readonly CheckBuffer[]): string {
  const sentence = SENTENCES[refusal.reason];
  return sentence === undefined
    ? `refused for reason ${refusal.reason}`
    : sentence(refusal, buffers);
}
