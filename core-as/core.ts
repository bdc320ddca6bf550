// Typed facade over the WASM module, and the only holder of views of its memory.
// SPDX-License-Identifier: MIT
import { instantiate } from "../build/core.js";
import { coreWasmBase64 } from "../build/core-wasm.js";
import { Fault, Status } from "./assembly/abi.ts";
import {
  CoreBugError,
  EncodeError,
  FieldRangeError,
  NpuError,
  PlanError,
  SimFault,
  TransportError,
  type ErrorCode,
  type ErrorLocation,
} from "./errors.ts";
import { BLOCK_TABLES } from "./inspect/gen/fields.ts";

/** Raw exports of the module: numbers in, numbers out. */
export type CoreExports = Awaited<ReturnType<typeof instantiate>>;

type FunctionExport = Exclude<keyof CoreExports, "memory">;

/** Names of the exports that return a Status (or another number). */
type StatusExport = {
  [K in FunctionExport]: ReturnType<CoreExports[K]> extends number ? K : never;
}[FunctionExport];

/** How instances that simulate in step exchange what each has computed (assembly/sim/share.ts). */
export interface SimExchange {
  /** Keeps a copy of bytes for the others; `at` = their place in the running job's output. */
  publish(at: number, bytes: Uint8Array): void;
  /** Returns when all have published. */
  meet(): void;
  /** Fills `bytes` with what another one has published. */
  collect(at: number, bytes: Uint8Array): void;
}

/** What a core is made from. */
export interface CoreOptions {
  /** A compiled module or its bytes; default: the release build that this package carries. */
  wasm?: WebAssembly.Module | BufferSource;
  /** Only for a simulator that shares its work. */
  exchange?: SimExchange;
}

/** All that a module can address; arguments beyond it would wrap. */
const WASM_BYTES = 2 ** 32;

let builtIn: Promise<WebAssembly.Module> | undefined;

function builtInModule(): Promise<WebAssembly.Module> {
  builtIn ??= WebAssembly.compile(fromBase64(coreWasmBase64));
  return builtIn;
}

/** With a loop: a just started engine takes several times as long to call a function for each character. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

type BytesAt = (ptr: number, length: number) => Uint8Array;

/** What the simulator calls when it shares its work; alone it never does. */
function exchangeImports(
  exchange: SimExchange | undefined,
  bytesAt: BytesAt,
): Record<keyof SimExchange, (at: number, ptr: number, bytes: number) => void> {
  return {
    publish: (at, ptr, bytes) => exchange!.publish(at, bytesAt(ptr, bytes)),
    meet: () => exchange!.meet(),
    collect: (at, ptr, bytes) => exchange!.collect(at, bytesAt(ptr, bytes)),
  };
}

type SimCode = Extract<ErrorCode, `TW_SIM_${string}`>;

const SIM_CODES: Partial<Record<Status, SimCode>> = {
  [Status.SIM_BAD_COMMAND]: "TW_SIM_BAD_COMMAND",
  [Status.SIM_BAD_STATE]: "TW_SIM_BAD_STATE",
  [Status.SIM_BAD_ADDRESS]: "TW_SIM_BAD_ADDRESS",
  [Status.SIM_ALIGNMENT]: "TW_SIM_ALIGNMENT",
  [Status.SIM_BAD_DESCRIPTOR]: "TW_SIM_BAD_DESCRIPTOR",
  [Status.SIM_BAD_COEFFICIENTS]: "TW_SIM_BAD_COEFFICIENTS",
  [Status.SIM_DOUBLE_WRITE]: "TW_SIM_DOUBLE_WRITE",
  [Status.SIM_LIMIT]: "TW_SIM_LIMIT",
  [Status.SIM_OVERLAP]: "TW_SIM_OVERLAP",
};

/**
 * One instance of the WASM core with its own memory. Not re-entrant: one caller at a time.
 *
 * Memory is a stack: take `mark()`, allocate, call, read, `reset(mark)`. Nothing that was allocated
 * survives a reset, and no view of the memory leaves this class: `read` copies.
 */
export class Core {
  private constructor(
    private readonly wasm: CoreExports,
    /** False for another module than the one that this package carries. */
    readonly isBuiltIn: boolean,
  ) {}

  /**
   * Instantiates the core.
   * @throws CoreBugError if the module does not load
   */
  static async create(options: CoreOptions = {}): Promise<Core> {
    const source = options.wasm ?? (await builtInModule());
    try {
      const module =
        source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
      // The only views that others see, and only while they copy.
      const bytes: BytesAt = (ptr, length) => new Uint8Array(wasm.memory.buffer, ptr, length);
      const exchange = exchangeImports(options.exchange, bytes);
      const wasm: CoreExports = await instantiate(module, { env: {}, exchange });
      return new Core(wasm, options.wasm === undefined);
    } catch (cause) {
      throw new CoreBugError("the WASM core could not be instantiated", cause);
    }
  }

  /** Bytes of linear memory that this instance holds; it never shrinks. */
  get memoryBytes(): number {
    return this.wasm.memory.buffer.byteLength;
  }

  /** Position of the arena, for `reset`. */
  mark(): number {
    return this.wasm.arenaMark();
  }

  /** Frees everything that was allocated after `mark`. */
  reset(mark: number): void {
    this.wasm.arenaReset(mark);
  }

  /** Runs `body` and frees whatever it allocated, also when it throws. */
  scope<T>(body: () => T): T {
    const mark = this.mark();
    try {
      return body();
    } finally {
      this.reset(mark);
    }
  }

  /**
   * Allocates `bytes` bytes, aligned to 16, not cleared.
   * @throws PlanError TW_PLAN_LIMIT when the 4 GiB of a WASM memory do not suffice
   */
  alloc(bytes: number): number {
    return this.allocated(bytes < WASM_BYTES ? this.wasm.arenaAlloc(bytes) : 0, bytes);
  }

  /** Like alloc, with all bytes 0. */
  allocZeroed(bytes: number): number {
    return this.allocated(bytes < WASM_BYTES ? this.wasm.arenaAllocZeroed(bytes) : 0, bytes);
  }

  private allocated(ptr: number, bytes: number): number {
    if (ptr === 0)
      throw new PlanError(
        "TW_PLAN_LIMIT",
        `${bytes} more bytes do not fit the core's memory of ${this.memoryBytes} bytes`,
      );
    return ptr;
  }

  /** Allocates a block with a copy of `bytes`. */
  allocCopy(bytes: Uint8Array): number {
    const ptr = this.alloc(bytes.length);
    this.write(ptr, bytes);
    return ptr;
  }

  /** Allocates a block with 32-bit integers (signed or unsigned, modulo 2^32). */
  allocWords(words: ArrayLike<number>): number {
    const ptr = this.alloc(words.length * 4);
    this.writeWords(ptr, words);
    return ptr;
  }

  /**
   * Copies bytes into the core's memory.
   * @param ptr from alloc, in bytes
   * @throws RangeError for a range outside the memory
   */
  write(ptr: number, bytes: Uint8Array): void {
    new Uint8Array(this.wasm.memory.buffer).set(bytes, ptr);
  }

  /**
   * Copies 32-bit words into the core's memory, little-endian.
   * @param ptr from alloc, in bytes, a multiple of 4
   */
  writeWords(ptr: number, words: ArrayLike<number>): void {
    new Int32Array(this.wasm.memory.buffer, ptr, words.length).set(words);
  }

  /** Copies `length` bytes out. */
  read(ptr: number, length: number): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer).slice(ptr, ptr + length);
  }

  /** Copies `length` signed 32-bit words out. */
  readWords(ptr: number, length: number): Int32Array {
    return new Int32Array(this.wasm.memory.buffer.slice(ptr, ptr + length * 4));
  }

  /** Calls an export that cannot fail. */
  invoke<K extends FunctionExport>(
    name: K,
    ...args: Parameters<CoreExports[K]>
  ): ReturnType<CoreExports[K]> {
    try {
      return (this.wasm[name] as (...a: unknown[]) => ReturnType<CoreExports[K]>)(...args);
    } catch (cause) {
      // abort() in the core and WASM traps are broken internal rules, never the user's fault.
      throw new CoreBugError(`${name}: ${cause instanceof Error ? cause.message : cause}`, cause);
    }
  }

  /**
   * Calls an export that returns a Status.
   * @throws the NpuError that the fault record describes; `where` is merged into its location
   */
  call<K extends StatusExport>(
    name: K,
    where: ErrorLocation,
    ...args: Parameters<CoreExports[K]>
  ): void {
    const status = this.invoke(name, ...args) as number as Status;
    if (status !== Status.OK) throw this.errorOf(status, name, where);
  }

  private errorOf(status: Status, name: string, outer: ErrorLocation): NpuError {
    const record = this.readWords(this.wasm.faultRecord(), Fault.WORDS);
    const member = (index: Fault): number => record[index]!;
    const block = BLOCK_TABLES[member(Fault.BLOCK)];
    const fieldName = block?.fields[member(Fault.FIELD)]?.name;
    const where: ErrorLocation = { ...outer };
    if (member(Fault.JOB) >= 0) where.job = member(Fault.JOB);
    if (member(Fault.WORD_INDEX) >= 0) where.wordIndex = member(Fault.WORD_INDEX);
    if (member(Fault.ADDRESS) !== -1) where.addrGpu = member(Fault.ADDRESS) >>> 0;
    if (fieldName !== undefined) where.field = fieldName;

    const value = member(Fault.VALUE);
    const limit = member(Fault.LIMIT);
    if (status === Status.FIELD_RANGE)
      return new FieldRangeError(block?.name ?? "?", fieldName ?? "?", value, limit, where);
    const simCode = SIM_CODES[status];
    if (simCode !== undefined)
      return new SimFault(simCode, faultText(simCode, where, value), where);
    switch (status) {
      case Status.NO_MEMORY:
        return new PlanError(
          "TW_PLAN_LIMIT",
          `${name}: the core's memory of ${this.memoryBytes} bytes cannot grow further`,
          where,
        );
      case Status.TILING:
        return new PlanError(
          "TW_PLAN_TILING",
          `${name}: no tiling fits (value ${value}, limit ${limit})`,
          where,
        );
      case Status.COEFFICIENTS:
        return new EncodeError(
          "TW_ENC_COEFFICIENTS",
          `${name}: coefficients cannot be encoded (value ${value}, limit ${limit})`,
          where,
        );
      case Status.BAD_DATA:
        return new TransportError(
          "TW_IO_INPUT",
          `${name}: the inputs lead to a value that the operator refuses (value ${value}, limit ${limit})`,
          where,
        );
      default:
        return new CoreBugError(`${name} returned status ${status} for value ${value}`);
    }
  }
}

function faultText(code: SimCode, where: ErrorLocation, value: number): string {
  const parts = [`simulator fault ${code}`];
  if (where.job !== undefined) parts.push(`job ${where.job}`);
  if (where.wordIndex !== undefined) parts.push(`word ${where.wordIndex}`);
  if (where.field !== undefined) parts.push(`field ${where.field}`);
  if (where.addrGpu !== undefined) parts.push(`address 0x${where.addrGpu.toString(16)}`);
  if (value !== -1) parts.push(`value 0x${(value >>> 0).toString(16)}`);
  return parts.join(", ");
}
