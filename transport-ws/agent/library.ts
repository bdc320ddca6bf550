// The executables that are loaded on the board: each once, however many connections use it.
// SPDX-License-Identifier: MIT
import { ExecutableError, TransportError } from "../../core-as/errors.ts";
import { parseExecutable } from "../../core-as/executable/container.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { sha256Hex } from "../../core-as/executable/bytes.ts";
import { inputInfos, outputInfos } from "../../core-as/runtime/tensor-info.ts";
import type { LoadedExecutable, Transport } from "../../core-as/runtime/transport.ts";
import { MAX_TENSORS } from "../protocol.ts";
import type { ExecutableCache } from "./cache.ts";
import type { Budget } from "./limits.ts";
import type { Prover } from "./prover.ts";

/** A loaded executable with what the protocol has to know of it. */
export interface SharedExecutable {
  readonly digest: string;
  readonly loaded: LoadedExecutable;
  /** Sizes in the graph's order, and their sums. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Its file and its buffers. */
  readonly memoryBytes: number;
}

interface Entry {
  users: number;
  ready: Promise<SharedExecutable>;
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

export class Library {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly transport: Transport,
    private readonly cache: ExecutableCache,
    private readonly memory: Budget,
    private readonly maxLoaded: number,
    private readonly log: (line: string) => void,
    private readonly prover: Prover | null,
  ) {}

  /** Executables that are loaded. */
  get size(): number {
    return this.entries.size;
  }

  /**
   * Takes part in an executable that is loaded, or loads it from the cache; null when the bytes are not there.
   * @throws NpuError what parsing or the transport's load throw; TransportError TW_IO_LIMIT
   */
  async acquire(digest: string): Promise<SharedExecutable | null> {
    const entry = this.entries.get(digest);
    if (entry !== undefined) return join(entry);
    let bytes: Uint8Array | null = null;
    try {
      bytes = await this.cache.get(digest);
    } catch (error) {
      // A cache that cannot be read costs an upload.
      this.log(`cache: ${String(error)}`);
    }
    return bytes === null ? null : this.open(digest, bytes);
  }

  /**
   * Verifies uploaded bytes, keeps them in the cache and loads them.
   * @throws TransportError TW_IO_UPLOAD when the digest is another one; and as `acquire`
   */
  async install(digest: string, bytes: Uint8Array): Promise<SharedExecutable> {
    const actual = await sha256Hex(bytes);
    if (actual !== digest)
      throw new TransportError(
        "TW_IO_UPLOAD",
        `the ${bytes.length} uploaded bytes have the SHA-256 ${actual}, not ${digest}`,
      );
    try {
      await this.cache.put(digest, bytes);
    } catch (error) {
      this.log(`cache: ${String(error)}`);
    }
    return this.open(digest, bytes);
  }

  /** Ends one use; the last one frees the executable on the transport. */
  async release({ digest, loaded, memoryBytes }: SharedExecutable): Promise<void> {
    const entry = this.entries.get(digest);
    if (entry === undefined || --entry.users > 0) return;
    this.entries.delete(digest);
    this.memory.give(memoryBytes);
    await loaded.release();
  }

  private open(digest: string, bytes: Uint8Array): Promise<SharedExecutable> {
    // Somebody else may have been faster.
    let entry = this.entries.get(digest);
    if (entry === undefined) {
      if (this.entries.size >= this.maxLoaded)
        throw new TransportError(
          "TW_IO_LIMIT",
          `the board holds ${this.maxLoaded} loaded executables at a time; close a session first`,
        );
      entry = { users: 0, ready: this.load(digest, bytes) };
      this.entries.set(digest, entry);
      entry.ready.catch(() => this.entries.delete(digest));
    }
    return join(entry);
  }

  private async load(digest: string, bytes: Uint8Array): Promise<SharedExecutable> {
    const executable = parseExecutable(bytes);
    const inputs = inputInfos(executable.graph).map((info) => info.bytes);
    const outputs = outputInfos(executable.graph).map((info) => info.bytes);
    if (Math.max(inputs.length, outputs.length) > MAX_TENSORS)
      throw new ExecutableError(
        "TW_EXE_DAMAGED",
        `the executable has ${inputs.length} inputs and ${outputs.length} outputs, at most ${MAX_TENSORS} can be run over a connection`,
      );
    const memoryBytes = bytes.length + bufferBytes(executable);
    this.memory.take(memoryBytes);
    try {
      await this.prover?.prove(executable);
      const loaded = await this.transport.load(executable);
      const sums = { inputBytes: sum(inputs), outputBytes: sum(outputs) };
      return { digest, loaded, inputs, outputs, ...sums, memoryBytes };
    } catch (error) {
      this.memory.give(memoryBytes);
      throw error;
    }
  }
}

async function join(entry: Entry): Promise<SharedExecutable> {
  entry.users++;
  return entry.ready;
}

function bufferBytes({ partitions }: Executable): number {
  return sum(partitions.flatMap(({ buffers }) => buffers.map(({ bytes }) => bytes)));
}
