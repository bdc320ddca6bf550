// Every error class and every stable error code of Tilewright. Imports nothing.
// SPDX-License-Identifier: MIT

/** Where in the input or in the compilation an error was found; every member is optional. */
export interface ErrorLocation {
  /** Index of the TFLite operator in its subgraph. */
  op?: number;
  /** Index of the TFLite tensor in its subgraph. */
  tensor?: number;
  /** Index of the NPU job in its partition. */
  job?: number;
  /** Offset in bytes from the start of the file or frame. */
  byteOffset?: number;
  /** Index of a 32-bit word in a descriptor, coefficient stream or command stream. */
  wordIndex?: number;
  /** GPU virtual address. */
  addrGpu?: number;
  /** Name of a hardware field, state or option. */
  field?: string;
}

/** What an error is made from, beside its message. */
export interface NpuErrorOptions {
  code: ErrorCode;
  /** Stage of the pipeline that failed, e.g. "model", "tile", "encode". */
  stage?: string;
  /** Where in the input or in the compilation. */
  where?: ErrorLocation;
  /** The error behind it. */
  cause?: unknown;
}

/**
 * Every code that Tilewright can raise, with the sentence that docs/errors.md prints for it.
 * The key is part of the public interface and never changes its meaning.
 */
export const ERROR_CODES = {
  TW_MODEL_NOT_TFLITE: "The bytes do not start like a TFLite file (identifier TFL3).",
  TW_MODEL_TRUNCATED: "An offset or a length in the file points behind its end.",
  TW_MODEL_CORRUPT: "The file contradicts itself or uses a value that the format does not allow.",
  TW_MODEL_LIMIT: "The file asks for more than Tilewright's fixed limits allow.",
  TW_GRAPH_INVALID:
    "The graph breaks a rule: a cycle, a wrong rank or shape, a missing or doubled tensor.",
  TW_UNSUP_OPERATOR: "No NPU lowering and no CPU kernel exists for this operator as it is used.",
  TW_UNSUP_QUIRK: "The reference driver computes wrong results here; compatible mode refuses it.",
  TW_PLAN_TILING: "No tiling of this job fits the chip's buffers.",
  TW_PLAN_LIMIT: "A size of this job does not fit the hardware or a limit of the command stream.",
  TW_ENC_FIELD_RANGE: "A value does not fit its hardware field.",
  TW_ENC_COEFFICIENTS: "A coefficient stream could not be encoded.",
  TW_ENC_RELOC: "A relocation names a buffer or an offset that does not exist.",
  TW_EXE_NOT_TWX: "The bytes are not a Tilewright executable.",
  TW_EXE_VERSION: "The executable was written in a format version that this build does not read.",
  TW_EXE_DAMAGED: "The executable is damaged: a checksum, bound or index is wrong.",
  TW_EXE_CHIP: "The executable was compiled for another chip than the one it is loaded on.",
  TW_SIM_BAD_COMMAND: "The command stream has an opcode or form that the front end does not know.",
  TW_SIM_BAD_STATE:
    "The command stream writes a state that NPU streams do not write, or a wrong value to it.",
  TW_SIM_BAD_ADDRESS: "A job reads or writes outside the buffers of its submit.",
  TW_SIM_ALIGNMENT: "A descriptor address is not aligned as the hardware demands.",
  TW_SIM_BAD_DESCRIPTOR: "A descriptor field has a value that is not modelled or not possible.",
  TW_SIM_BAD_COEFFICIENTS:
    "A coefficient stream ends early or late, or contradicts its descriptor.",
  TW_SIM_DOUBLE_WRITE: "A job writes the same output byte twice.",
  TW_SIM_LIMIT: "A job asks for more work or memory than the simulator's fixed limits allow.",
  TW_SIM_OVERLAP:
    "A job touches bytes that a job which may still run touches, too, and one of the two writes them; the value is the other job.",
  TW_IO_NOT_FOUND: "A file does not exist, or cannot be read or written.",
  TW_IO_INPUT:
    "An input does not fit the model: wrong count, size or format; or its buffer was transferred before the run had read it.",
  TW_IO_PICTURE: "A picture could not be decoded.",
  TW_IO_ABORTED: "The operation was aborted by its AbortSignal.",
  TW_IO_CLOSED: "The transport or the loaded executable was closed before.",
  TW_IO_TIMEOUT: "The operation did not end within its time limit.",
  TW_IO_ADDON:
    "The native addon for /dev/dri is missing for this system or does not load; build it or use another transport.",
  TW_IO_NO_DEVICE: "The device node does not exist, or no render node belongs to etnaviv.",
  TW_IO_PERMISSION: "The user may not open the device.",
  TW_IO_NOT_NPU: "The device exists, but none of its cores is an NPU.",
  TW_IO_UNKNOWN_CHIP: "The device's ids are not in the table of known NPUs.",
  TW_IO_KERNEL: "The kernel driver is too old or lacks something that NPU submits need.",
  TW_IO_MEMORY: "The device or the system has no memory left for a buffer.",
  TW_IO_DEVICE: "The kernel driver refused a request; the message holds the request and errno.",
  TW_IO_HANG: "A job did not finish; the kernel's watchdog or the time limit ended it.",
  TW_IO_DEVICE_LOST: "The device has gone away.",
  TW_IO_CONNECT: "The board or the queue server cannot be reached.",
  TW_IO_AUTH: "The board refused the token, or wants one.",
  TW_IO_PROTOCOL: "A frame from the other side breaks the protocol.",
  TW_IO_VERSION: "The two sides speak different versions of the protocol.",
  TW_IO_LIMIT: "A limit of the board or of the connection was reached.",
  TW_IO_UPLOAD: "An uploaded executable is not what its digest says.",
  TW_IO_LOST:
    "The connection or the board died after a run was accepted; whether it ran is unknown.",
  TW_IO_RECORD: "A recording is damaged, or what is replayed differs from what was recorded.",
  TW_CHECK_STREAM: "A command stream holds a command that an NPU submit must not contain.",
  TW_CHECK_STATE: "A command stream writes a state that an NPU submit must not write.",
  TW_CHECK_ADDRESS:
    "A job would access memory outside the buffers of its submit, or against their direction.",
  TW_CHECK_DESCRIPTOR: "A descriptor has a value from which its accesses cannot be bounded.",
  TW_CHECK_LIMIT: "A submit is larger than the kernel or the hardware takes.",
  TW_CAPTURE_FORMAT: "A capture directory is incomplete or contradicts itself.",
  TW_DIFF_MISMATCH: "Two results that must agree do not.",
  TW_DIFF_LIMIT: "A figure of a comparison is beyond a limit that was asked for.",
  TW_USAGE: "A command line option or argument is wrong.",
  TW_BUG: "An internal rule was broken; please report it.",
} as const;

/** Stable code of an error; docs/errors.md has a heading for each. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Base of all errors that Tilewright raises on purpose. The message holds what, value and limit. */
export class NpuError extends Error {
  /** Stable code; never changes its meaning. */
  readonly code: ErrorCode;
  /** Stage that failed, e.g. "model", "encode", "transport". */
  readonly stage: string | undefined;
  /** Where in the input or in the compilation. */
  readonly where: ErrorLocation;

  constructor(message: string, options: NpuErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.stage = options.stage;
    this.where = options.where ?? {};
  }
}

/**
 * Adds to an error, while it is on its way, what only its callers know.
 * @param prefix words before the message
 */
export function addPlace(error: NpuError, prefix: string, where: ErrorLocation): void {
  const message = `${prefix}${error.message}`;
  if (error.stack !== undefined) error.stack = error.stack.replace(error.message, () => message);
  error.message = message;
  Object.assign(error.where, where);
}

/** The model's bytes are not what they claim to be; `where.byteOffset` is always set. */
export class ModelFormatError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_MODEL_${string}`>,
    message: string,
    byteOffset: number,
    cause?: unknown,
  ) {
    super(`${message} (at byte ${byteOffset})`, {
      code,
      stage: "model",
      where: { byteOffset },
      cause,
    });
  }
}

/** The graph breaks an invariant; names the operator or tensor and, inside the compiler, the pass that just ran. */
export class GraphError extends NpuError {
  constructor(message: string, where: ErrorLocation = {}, stage = "graph") {
    super(message, { code: "TW_GRAPH_INVALID", stage, where });
  }
}

/** Something that Tilewright does not do; inside the compiler it sends an operator to the CPU. */
export class UnsupportedError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_UNSUP_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "legalise", where });
  }
}

/** A job does not fit the chip. */
export class PlanError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_PLAN_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "plan", where });
  }
}

/** A value could not be written into hardware form. */
export class EncodeError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_ENC_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "encode", where });
  }
}

/** A value is out of range, unaligned or not available in a hardware field. */
export class FieldRangeError extends EncodeError {
  constructor(
    readonly block: string,
    readonly field: string,
    readonly value: number,
    readonly bits: number,
    where: ErrorLocation = {},
  ) {
    super(
      "TW_ENC_FIELD_RANGE",
      `${block}.${field}: value ${value} does not fit the field's ${bits} bits`,
      { ...where, field },
    );
  }
}

/** The .twx container is damaged, of another version, or for another chip. */
export class ExecutableError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_EXE_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "executable", where });
  }
}

/** The simulator stopped: the fault is data (job, word, address), the message is for people. */
export class SimFault extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_SIM_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "simulate", where });
  }
}

/** The check before a submit refused it: job, word, field and address say where. */
export class SubmitCheckError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_CHECK_${string}`>,
    message: string,
    where: ErrorLocation = {},
  ) {
    super(message, { code, stage: "check", where });
  }
}

/** Input and output: files, pictures, devices, connections. */
export class TransportError extends NpuError {
  constructor(
    code: Extract<ErrorCode, `TW_IO_${string}` | "TW_CAPTURE_FORMAT">,
    message: string,
    where: ErrorLocation = {},
    cause?: unknown,
  ) {
    super(message, { code, stage: "transport", where, cause });
  }
}

/** Two results that must agree do not. */
export class MismatchError extends NpuError {
  constructor(
    message: string,
    where: ErrorLocation = {},
    code: Extract<ErrorCode, `TW_DIFF_${string}`> = "TW_DIFF_MISMATCH",
  ) {
    super(message, { code, stage: "compare", where });
  }
}

/** A wrong option or argument; the command line interface exits with 2. */
export class UsageError extends NpuError {
  constructor(message: string, field?: string) {
    super(message, { code: "TW_USAGE", stage: "cli", where: field === undefined ? {} : { field } });
  }
}

/** An internal rule was broken, e.g. abort() inside the WASM core. */
export class CoreBugError extends NpuError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: "TW_BUG", stage: "core", cause });
  }
}

/** True for a code of this build; one that arrives from outside may be of another. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/** Classes by the beginning of their codes, with the stage that their constructors name. */
const CLASSES: readonly (readonly [prefix: string, prototype: NpuError, stage: string])[] = [
  ["TW_MODEL_", ModelFormatError.prototype, "model"],
  ["TW_GRAPH_", GraphError.prototype, "graph"],
  ["TW_UNSUP_", UnsupportedError.prototype, "legalise"],
  ["TW_PLAN_", PlanError.prototype, "plan"],
  ["TW_ENC_", EncodeError.prototype, "encode"],
  ["TW_EXE_", ExecutableError.prototype, "executable"],
  ["TW_SIM_", SimFault.prototype, "simulate"],
  ["TW_CHECK_", SubmitCheckError.prototype, "check"],
  ["TW_IO_", TransportError.prototype, "transport"],
  ["TW_CAPTURE_", TransportError.prototype, "transport"],
  ["TW_DIFF_", MismatchError.prototype, "compare"],
  ["TW_USAGE", UsageError.prototype, "cli"],
  ["TW_BUG", CoreBugError.prototype, "core"],
];

/**
 * An error that was raised elsewhere (on a board, in a recording) again, in the class of its code. The constructors put texts and
 * places together in ways of their own, so the base makes it and it is given its class afterwards.
 */
export function reviveError(message: string, options: NpuErrorOptions): NpuError {
  const [, prototype, stage] = CLASSES.find(([prefix]) => options.code.startsWith(prefix))!;
  const error = new NpuError(message, { stage, ...options });
  Object.setPrototypeOf(error, prototype);
  error.name = prototype.constructor.name;
  return error;
}
