// The partitions of an executable in a simulated memory, and how one is run.
// SPDX-License-Identifier: MIT
import { ADDRESS_TOP, assignAddresses } from "../executable/addresses.ts";
import type { Executable, ExecutablePartition } from "../executable/executable.ts";
import { relocate } from "../executable/relocate.ts";
import { splitJobs } from "../executable/split-jobs.ts";
import { submitOrder } from "../executable/submit-order.ts";
import { INIT_STREAM } from "./init-stream.ts";
import type { PartitionExecutor, PartitionRunOptions } from "./runner.ts";
import type { BufferAccess, Simulator } from "./simulator.ts";

/** A partition with its place in the simulated memory. */
interface Mapped {
  partition: ExecutablePartition;
  addresses: readonly (number | null)[];
  stream: Uint32Array;
  listed: readonly BufferAccess[];
}

/** All partitions of an executable, side by side in one simulated memory. */
export class SimulatedPartitions implements PartitionExecutor {
  readonly profiles = true;
  private readonly mapped: readonly Mapped[];

  constructor(
    private readonly simulator: Simulator,
    { partitions }: Pick<Executable, "partitions">,
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
