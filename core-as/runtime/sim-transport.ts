// The simulator as a transport: runs executables from the bytes that would be submitted.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import { ADDRESS_TOP, assignAddresses } from "../executable/addresses.ts";
import type { Executable, ExecutablePartition } from "../executable/executable.ts";
import { relocate } from "../executable/relocate.ts";
import { splitJobs } from "../executable/split-jobs.ts";
import { submitOrder } from "../executable/submit-order.ts";
import type { Chip } from "../hw/chips.ts";
import { throwIfAborted } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { Lifetime } from "./lifetime.ts";
import { INIT_STREAM } from "./init-stream.ts";
import { ExecutableRunner, type PartitionExecutor, type PartitionRunOptions } from "./runner.ts";
import { Simulator, type BufferAccess, type SimulatorOptions } from "./simulator.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

/** `rounding`: how the simulated chip treats ties; `wasm`: another build of the core. */
export type SimTransportOptions = Omit<SimulatorOptions, "chip">;

/**
 * Creates a simulator of a chip, e.g. `chipByName("a311d")`. Each loaded executable gets a simulated NPU of its own, whose
 * memory is freed with it.
 */
export function createSimTransport(chip: Chip, options: SimTransportOptions = {}): Transport {
  return new SimTransport(chip, options);
}

class SimTransport implements Transport {
  readonly name = "sim";
  private readonly lifetime = new Lifetime("the simulator");
  readonly disconnected = this.lifetime.disconnected;

  constructor(
    readonly chip: Chip,
    private readonly options: SimTransportOptions,
  ) {}

  async load(
    executable: Executable,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(signal, "loading");
    this.lifetime.check();
    checkChip(executable, this.chip);
    const simulator = await Simulator.create({ ...this.options, chip: this.chip });
    const npu = new SimulatedPartitions(simulator, executable);
    const runner = await ExecutableRunner.create(executable, npu, this.options);
    throwIfAborted(signal, "loading");
    this.lifetime.check();

    // Dropping the only reference to the runner frees the simulated memory.
    let loaded: ExecutableRunner | null = runner;
    const submit = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(options.signal, "the inference");
      this.lifetime.check();
      if (loaded === null) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      return { ...(await loaded.run(inputs, options)), evidence: "simulated" };
    };
    const release = async (): Promise<void> => {
      loaded = null;
    };
    return { submit, release };
  }

  async close(): Promise<void> {
    this.lifetime.close();
  }
}

/** A partition with its place in the simulated memory. */
interface Mapped {
  partition: ExecutablePartition;
  addresses: readonly (number | null)[];
  stream: Uint32Array;
  listed: readonly BufferAccess[];
}

/** All partitions of an executable, side by side in one simulated memory. */
class SimulatedPartitions implements PartitionExecutor {
  readonly profiles = true;
  private readonly mapped: readonly Mapped[];

  constructor(
    private readonly simulator: Simulator,
    { partitions }: Executable,
  ) {
    let top = ADDRESS_TOP;
    this.mapped = partitions.map((partition) => {
      const addresses = assignAddresses(partition, top);
      top = addresses.reduce<number>((low, address) => Math.min(low, address ?? low), top);
      return this.map(partition, addresses);
    });
    simulator.submit(Uint32Array.from(INIT_STREAM), []);
  }

  run(index: number, inputs: readonly Uint8Array[], options: PartitionRunOptions): Uint8Array[] {
    const { simulator } = this;
    const mapped = this.mapped[index]!;
    const { partition, addresses, stream, listed } = mapped;
    for (const [i, { buffer, offset }] of partition.inputs.entries())
      simulator.write(addresses[buffer]! + offset, inputs[i]!);
    if (options.profile === true) this.runJobs(index, mapped, options);
    else simulator.submit(stream, listed);
    return partition.outputs.map(({ buffer, offset, bytes }) =>
      simulator.read(addresses[buffer]! + offset, bytes),
    );
  }

  /** Every job as a submit of its own; the times are the simulator's. */
  private runJobs(index: number, mapped: Mapped, options: PartitionRunOptions): void {
    const { partition, addresses, stream } = mapped;
    for (const [job, piece] of splitJobs(stream, partition.jobs.length).entries()) {
      const listed = listedBuffers(partition, [partition.jobs[job]!], addresses);
      const start = performance.now();
      this.simulator.submit(piece, listed);
      const milliseconds = performance.now() - start;
      options.onJob({ partition: index, job, milliseconds, counters: {} });
    }
  }

  private map(partition: ExecutablePartition, addresses: readonly (number | null)[]): Mapped {
    const bytes = relocate(partition, addresses);
    for (const [i, buffer] of partition.buffers.entries()) {
      const address = addresses[i]!;
      if (address === null) continue;
      // Mapped with its exact size, not in whole pages as on a device: what lies behind is nobody's business.
      const contents = bytes[i] ?? undefined;
      this.simulator.mapBuffer({ address, bytes: buffer.bytes, access: buffer.access, contents });
    }
    const listed = listedBuffers(partition, partition.jobs, addresses);
    return { partition, addresses, stream: wordsOf(bytes[partition.stream]!), listed };
  }
}

/** The buffers that some jobs of a partition mention, as a submit lists them. */
function listedBuffers(
  { buffers }: ExecutablePartition,
  jobs: ExecutablePartition["jobs"],
  addresses: readonly (number | null)[],
): BufferAccess[] {
  return submitOrder({ jobs }).map((buffer) => ({
    address: addresses[buffer]!,
    access: buffers[buffer]!.access,
  }));
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}
