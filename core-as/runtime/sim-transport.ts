// The simulator as a transport: runs executables from the bytes that would be submitted.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { Chip } from "../hw/chips.ts";
import { throwIfAborted } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { Lifetime } from "./lifetime.ts";
import { ExecutableRunner } from "./runner.ts";
import { SimulatedPartitions } from "./simulated-partitions.ts";
import { Simulator, type SimulatorOptions } from "./simulator.ts";
import { startTeam, type SimThreads, type ThreadTeam } from "./threads/team.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

/** `rounding`: how the simulated chip treats ties; `wasm`: another build of the core. */
export interface SimTransportOptions extends Omit<SimulatorOptions, "chip" | "exchange"> {
  /**
   * Threads that compute each inference together, e.g. `nodeSimThreads(2)` of tilewright/node; the results are the same. An executable
   * holds its threads until it is released. One thread does all where memory cannot be shared, and while the others do not help.
   * Default: one thread.
   */
  threads?: SimThreads;
}

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
  private readonly teams = new Set<ThreadTeam>();

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
    const { threads, ...options } = this.options;
    const simulated = { ...options, chip: this.chip };
    const team = threads && (await startTeam(executable, simulated, threads));
    let loaded: ExecutableRunner | null;
    try {
      const npu = team ?? new SimulatedPartitions(await Simulator.create(simulated), executable);
      loaded = await ExecutableRunner.create(executable, npu, options);
      throwIfAborted(signal, "loading");
      this.lifetime.check();
    } catch (error) {
      team?.end();
      throw error;
    }
    if (team) this.teams.add(team);
    const submit = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(options.signal, "the inference");
      this.lifetime.check();
      if (loaded === null) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      return { ...(await loaded.run(inputs, options)), evidence: "simulated" };
    };
    // Dropping the only reference to the runner frees the simulated memory.
    const release = async (): Promise<void> => {
      loaded = null;
      team?.end();
      if (team) this.teams.delete(team);
    };
    return { submit, release };
  }

  async close(): Promise<void> {
    for (const team of this.teams) team.end();
    this.teams.clear();
    this.lifetime.close();
  }
}
