// Executes submits of one open file over the memory it shares with its client: a simulator that is kept from job to job.
// SPDX-License-Identifier: MIT
import { readSync, writeSync } from "node:fs";
import { NpuError } from "../../core-as/errors.ts";
import { chipByIdentity, type ChipIdentity } from "../../core-as/hw/chips.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";

export interface ListedBuffer {
  /** GPU address. */
  address: number;
  /** 1 read, 2 write, 3 both. */
  access: number;
  bytes: number;
  /** Position of the first byte in the memory file. */
  base: number;
}

interface Mapped {
  bytes: number;
  /** What the simulator holds. */
  seen: Uint8Array;
}

/** A simulator never gives memory back, so one that has grown this far is replaced. */
const MEMORY_LIMIT = 512 * 1024 * 1024;

const START_STATES = [0x10a0, 0x10b8];

/** True for a stream that starts an NN or TP job. */
function startsJobs(words: Uint32Array): boolean {
  return words.some((word, i) => {
    const state = (word & 0xffff) << 2;
    return i % 2 === 0 && word >>> 27 === 1 && START_STATES.includes(state);
  });
}

export class JobRunner {
  private simulator: Simulator | null = null;
  private mapped = new Map<number, Mapped>();

  /** @param memory descriptor of the file in which the buffers lie */
  constructor(
    private readonly memory: number,
    private readonly identity: ChipIdentity,
  ) {}

  /**
   * Runs a stream. Buffers that may be written are written back, also when it faults: what ran before has its effect.
   * @returns null, or what is wrong with the stream
   */
  async run(words: Uint32Array, listed: readonly ListedBuffer[]): Promise<string | null> {
    const chip = chipByIdentity(this.identity);
    // A core that is no NPU has nothing that could be simulated; state writes alone change no memory.
    if (chip === undefined) return startsJobs(words) ? "the core is not an NPU" : null;
    const wanted = listed.filter(({ bytes }) => bytes > 0);
    if (this.simulator === null || !this.fits(wanted)) {
      this.simulator = await Simulator.create({ chip });
      this.mapped = new Map();
    }
    const { simulator } = this;
    for (const buffer of wanted) this.upload(simulator, buffer);
    try {
      simulator.submit(words, wanted);
      return null;
    } catch (error) {
      if (!(error instanceof NpuError)) throw error;
      return `${error.code}: ${error.message} ${JSON.stringify(error.where)}`;
    } finally {
      for (const buffer of wanted) if ((buffer.access & 2) !== 0) this.writeBack(simulator, buffer);
    }
  }

  /** False when a buffer lies where another one, since freed, was mapped with another size. */
  private fits(listed: readonly ListedBuffer[]): boolean {
    if (this.simulator!.memoryBytes > MEMORY_LIMIT) return false;
    return listed.every(({ address, bytes }) => {
      if (this.mapped.get(address)?.bytes === bytes) return true;
      for (const [start, other] of this.mapped)
        if (address < start + other.bytes && start < address + bytes) return false;
      return true;
    });
  }

  private upload(simulator: Simulator, { address, bytes, base }: ListedBuffer): void {
    const contents = new Uint8Array(bytes);
    readSync(this.memory, contents, 0, bytes, base);
    const mapped = this.mapped.get(address);
    if (mapped === undefined) simulator.mapBuffer({ address, bytes, access: 3, contents });
    else if (Buffer.compare(mapped.seen, contents) === 0) return;
    else simulator.write(address, contents);
    this.mapped.set(address, { bytes, seen: contents });
  }

  /** Only what changed: the client may be writing to the rest. */
  private writeBack(simulator: Simulator, { address, bytes, base }: ListedBuffer): void {
    const mapped = this.mapped.get(address)!;
    const contents = simulator.read(address, bytes);
    if (Buffer.compare(mapped.seen, contents) === 0) return;
    let first = 0;
    while (contents[first] === mapped.seen[first]) first++;
    let end = bytes;
    while (contents[end - 1] === mapped.seen[end - 1]) end--;
    writeSync(this.memory, contents, first, end - first, base + first);
    mapped.seen = contents;
  }
}
