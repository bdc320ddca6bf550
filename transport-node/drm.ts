// The local NPU as a transport: executables run through the kernel's etnaviv driver.
// SPDX-License-Identifier: MIT
import type { CoreOptions } from "../core-as/core.ts";
import { TransportError, type NpuError } from "../core-as/errors.ts";
import type { Executable } from "../core-as/executable/executable.ts";
import type { Chip } from "../core-as/hw/chips.ts";
import { throwIfAborted, withLimits } from "../core-as/runtime/abort.ts";
import { checkChip } from "../core-as/runtime/check-chip.ts";
import { Lifetime } from "../core-as/runtime/lifetime.ts";
import { ExecutableRunner } from "../core-as/runtime/runner.ts";
import type {
  DisconnectReason,
  Evidence,
  LoadedExecutable,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "../core-as/runtime/transport.ts";
import { SubmitChecker } from "../core-as/runtime/submit-check.ts";
import type { BufferStats } from "./buffer-object.ts";
import { DrmContext } from "./context.ts";
import type { DeviceFiles } from "./device-file.ts";
import { findNpu, type FoundNpu } from "./discovery.ts";
import type { DriverInfo } from "./identify.ts";
import { DrmPartitions } from "./partitions.ts";
import type { PerfDomain } from "./perfmon.ts";

/** How a device is opened and used. */
export interface DrmOptions {
  /** Render node, e.g. "/dev/dri/renderD128"; default: the first with a known NPU. */
  path?: string;
  /** Index of the core; default: the first known NPU of the node. */
  core?: number;
  /** Check streams before anything runs, as the kernel does not; default: true. */
  check?: boolean;
  /**
   * Let executables run whose NN and TP jobs overlap (`compile` with `overlap`, experimental); else the check refuses their tags.
   * Default: false.
   */
  overlap?: boolean;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** Build of the core to use for CPU steps and the check. */
  wasm?: CoreOptions["wasm"];
  /**
   * A run fails when the device ends nothing for this many milliseconds plus 500 for each of its jobs; the kernel's own
   * watchdog acts after 500 without progress. Default: 10000.
   */
  hangMs?: number;
  /**
   * Put random marks into outputs before a run and fail with TW_IO_HANG when one is still there afterwards: the kernel does
   * not say when its watchdog ended a job. Default: true.
   */
  verify?: boolean;
  /** Releasing and closing wait at most this long for runs that still go on; default: 5000. */
  closeMs?: number;
}

export interface DrmTransport extends Transport {
  readonly name: "drm";
  readonly chip: Chip;
  /** Device node, e.g. "/dev/dri/renderD128". */
  readonly path: string;
  /** Index of the core. */
  readonly core: number;
  /** The kernel driver's own description. */
  readonly driver: DriverInfo;
  /** What results are worth: "simulated" when the driver says that it is, else "measured". */
  readonly evidence: Evidence;
  /** Buffer objects, their bytes and mappings that this transport holds now. */
  stats(): BufferStats;
  /** The kernel's performance counters for this core; profiles read those of HI and MC. */
  perfDomains(): readonly PerfDomain[];
}

const DEFAULT_HANG_MS = 10_000;
const DEFAULT_CLOSE_MS = 5_000;

/** Opens an NPU among the given devices; `openDrm` without the system. */
export async function openDrmAmong(
  devices: DeviceFiles,
  options: DrmOptions = {},
): Promise<DrmTransport> {
  throwIfAborted(options.signal, "opening the device");
  const found = findNpu(devices, options.path, options.core);
  const transport = new Drm(found, options);
  try {
    const checker = options.check === false ? null : await createChecker(found.chip, options);
    const limits = options.signal === undefined ? {} : { signal: options.signal };
    await withLimits(transport.start(checker), limits, "opening the device");
    return transport;
  } catch (cause) {
    await transport.close();
    throw cause;
  }
}

function createChecker(chip: Chip, { wasm, overlap = false }: DrmOptions): Promise<SubmitChecker> {
  return SubmitChecker.create({ chip, parallel: overlap, ...(wasm !== undefined && { wasm }) });
}

class Drm implements DrmTransport {
  readonly name = "drm";
  readonly chip: Chip;
  readonly path: string;
  readonly core: number;
  readonly driver: DriverInfo;
  readonly evidence: Evidence;
  readonly disconnected: Promise<DisconnectReason>;
  private readonly lifetime: Lifetime;
  private readonly context: DrmContext;
  private readonly loaded = new Set<DrmPartitions>();
  private checker: SubmitChecker | null = null;
  private closing: Promise<void> | null = null;

  constructor(
    found: FoundNpu,
    private readonly options: DrmOptions,
  ) {
    const { file, node, core, chip } = found;
    // The ids are the device's, the stepping included.
    this.chip = { ...chip, ...node.cores.find((info) => info.core === core)!.identity };
    this.path = file.path;
    this.core = core;
    this.driver = node.driver;
    this.evidence = node.driver.desc.includes("simulated") ? "simulated" : "measured";
    this.lifetime = new Lifetime(this.path);
    this.disconnected = this.lifetime.disconnected;
    this.context = new DrmContext(found, (error: NpuError) => this.lifetime.lose(error));
  }

  /** Sets the core up. */
  async start(checker: SubmitChecker | null): Promise<void> {
    this.checker = checker;
    await this.context.initialise();
  }

  async load(
    executable: Executable,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(signal, "loading");
    this.lifetime.check();
    checkChip(executable, this.chip);
    const { wasm, hangMs = DEFAULT_HANG_MS, closeMs = DEFAULT_CLOSE_MS } = this.options;
    const { verify = true } = this.options;
    const settings = {
      chip: this.chip,
      checker: this.checker,
      hangMs,
      verify,
      ...(wasm !== undefined && { wasm }),
    };
    const partitions = await DrmPartitions.create(this.context, executable, settings, signal);
    let runner: ExecutableRunner | null;
    try {
      runner = await ExecutableRunner.create(
        executable,
        partitions,
        wasm === undefined ? {} : { wasm },
      );
      throwIfAborted(signal, "loading");
      this.lifetime.check();
    } catch (cause) {
      await partitions.release(closeMs);
      throw cause;
    }
    this.loaded.add(partitions);

    const submit = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(options.signal, "the inference");
      this.lifetime.check();
      if (runner === null) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      return { ...(await runner.run(inputs, options)), evidence: this.evidence };
    };
    const free = async (): Promise<void> => {
      runner = null;
      // Closing, which waits as long, must know of it until then.
      await (this.closing ?? partitions.release(closeMs));
      this.loaded.delete(partitions);
    };
    let released: Promise<void> | null = null;
    return { submit, release: () => (released ??= free()) };
  }

  stats(): BufferStats {
    return { ...this.context.stats };
  }

  perfDomains(): readonly PerfDomain[] {
    this.lifetime.check();
    return this.context.domains;
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /** Runs end or are given up; then the kernel takes everything back with the file. */
  private async shutDown(): Promise<void> {
    this.lifetime.close();
    const { closeMs = DEFAULT_CLOSE_MS } = this.options;
    const all = [...this.loaded];
    this.loaded.clear();
    await Promise.all(all.map((partitions) => partitions.release(closeMs)));
    await this.context.close(closeMs);
  }
}
