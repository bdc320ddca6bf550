// A simulated NPU: GPU-addressed buffers and command streams, as a kernel driver would see them.
// SPDX-License-Identifier: MIT
import { Rounding } from "../assembly/abi.ts";
import { Core, type CoreOptions } from "../core.ts";
import type { Chip } from "../hw/chips.ts";

/** What a simulator simulates. */
export interface SimulatorOptions extends CoreOptions {
  /** Chip whose descriptors and coefficients it reads. */
  chip: Pick<Chip, "nnCoreVersion" | "nnCores">;
  /** How halves are rounded at requantisation; unknown for real hardware (spec/hardware.md 7). */
  rounding?: "half-even" | "half-up" | "half-away";
}

/** One buffer of a submit's list, or of the memory map. */
export interface BufferAccess {
  /** GPU virtual address of the buffer's first byte. */
  address: number;
  /** 1 read, 2 write, 3 both. */
  access: number;
}

export interface SimBuffer extends BufferAccess {
  bytes: number;
  /** Initial contents; the rest is zero. */
  contents?: Uint8Array;
}

interface Mapping {
  address: number;
  bytes: number;
  ptr: number;
}

const ROUNDINGS = {
  "half-even": Rounding.HALF_EVEN,
  "half-up": Rounding.HALF_UP,
  "half-away": Rounding.HALF_AWAY,
} as const;

/**
 * Runs submits functionally, from their bytes alone (docs/sim-coverage.md lists what is modelled).
 * One WASM instance each; not re-entrant. Decoded coefficients are kept until their buffer is
 * written.
 */
export class Simulator {
  private readonly mappings = new Map<number, Mapping>();
  private stagePtr = 0;
  private stageWords = 0;

  private constructor(private readonly core: Core) {}

  /**
   * @throws CoreBugError if the WASM module does not load
   */
  static async create(options: SimulatorOptions): Promise<Simulator> {
    const { wasm, exchange } = options;
    const core = await Core.create({ wasm, exchange });
    const { nnCoreVersion, nnCores } = options.chip;
    const rounding = ROUNDINGS[options.rounding ?? "half-even"];
    if (rounding === undefined) throw new RangeError(`rounding ${options.rounding} is unknown`);
    core.call("simCreate", {}, nnCoreVersion, nnCores, rounding);
    return new Simulator(core);
  }

  /** Bytes of WASM memory that this simulator holds. */
  get memoryBytes(): number {
    return this.core.memoryBytes;
  }

  /** Jobs that the last submit completed. */
  get jobCount(): number {
    return this.core.invoke("simJobCount");
  }

  /**
   * From now on this is the `index`-th of `count` simulators that run the same submits in step and exchange what each has computed; 0
   * and 1: alone.
   */
  share(index: number, count: number): void {
    this.core.call("simShare", {}, index, count);
  }

  /**
   * Adds a buffer. Mapping the same address and size again replaces contents and access.
   * @throws RangeError when the buffer leaves the 32-bit address space or overlaps another one
   */
  mapBuffer(buffer: SimBuffer): void {
    const { address, bytes, access, contents } = buffer;
    if (!isUint32(address) || !isUint32(bytes) || bytes === 0 || address + bytes > 2 ** 32)
      throw new RangeError(`buffer of ${bytes} bytes at ${hex(address)} is not possible`);
    if (access !== 0 && access !== 1 && access !== 2 && access !== 3)
      throw new RangeError(`buffer access ${access} is not 0 to 3`);
    if (contents !== undefined && contents.length > bytes)
      throw new RangeError(`${contents.length} bytes do not fit a buffer of ${bytes} bytes`);
    let mapping = this.mappings.get(address);
    if (mapping === undefined || mapping.bytes !== bytes) {
      for (const other of this.mappings.values())
        if (address < other.address + other.bytes && other.address < address + bytes)
          throw new RangeError(
            `buffer at ${hex(address)} overlaps the one at ${hex(other.address)}`,
          );
      mapping = { address, bytes, ptr: this.core.allocZeroed(bytes) };
    } else this.core.write(mapping.ptr, new Uint8Array(bytes));
    if (contents !== undefined) this.core.write(mapping.ptr, contents);
    this.core.call("simMapBuffer", { addrGpu: address }, address, bytes, mapping.ptr, access);
    this.mappings.set(address, mapping);
  }

  /**
   * Writes bytes at a GPU address, as the host does.
   * @throws RangeError when they are not all in one buffer
   */
  write(address: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.core.write(this.locate(address, bytes.length), bytes);
    this.core.call("simTouch", { addrGpu: address }, address, bytes.length);
  }

  /**
   * Copies `length` bytes at a GPU address out.
   * @throws RangeError when they are not all in one buffer
   */
  read(address: number, length: number): Uint8Array {
    return this.core.read(this.locate(address, length), length);
  }

  /**
   * Runs a command stream to its end.
   * @param buffers the submit's buffer list; only these may be accessed. Default: all, as mapped
   * @throws SimFault with the job, word, field and address of the fault; what ran before it keeps its effect
   */
  submit(words: Uint32Array, buffers?: readonly BufferAccess[]): void {
    const pairs = (buffers ?? []).flatMap((buffer) => [buffer.address, buffer.access]);
    const stream = this.stage(words.length + pairs.length);
    const list = stream + words.length * 4;
    this.core.writeWords(stream, words);
    this.core.writeWords(list, pairs);
    const listOrAll = buffers === undefined ? 0 : list;
    this.core.call("simSubmit", {}, stream, words.length, listOrAll, pairs.length / 2);
  }

  /**
   * Room for `words` words. The arena is never reset: the simulator's own memory lies on top of it.
   */
  private stage(words: number): number {
    if (words > this.stageWords) {
      this.stageWords = Math.max(1024, words * 2);
      this.stagePtr = this.core.alloc(this.stageWords * 4);
    }
    return this.stagePtr;
  }

  private locate(address: number, length: number): number {
    for (const { address: start, bytes, ptr } of this.mappings.values())
      if (address >= start && address + length <= start + bytes) return ptr + (address - start);
    throw new RangeError(`${length} bytes at ${hex(address)} are not in a buffer`);
  }
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
