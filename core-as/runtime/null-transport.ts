// A transport that takes every executable and answers zeros: for tests and for trying an application without a chip.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { Chip, ChipIdentity } from "../hw/chips.ts";
import { throwIfAborted, withLimits } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { Lifetime } from "./lifetime.ts";
import { checkInputs, outputInfos } from "./tensor-info.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

export interface NullTransportOptions {
  /** Milliseconds that each inference takes of a device that does one at a time; default: 0, they end at once. */
  runMs?: number;
}

/**
 * Creates a null transport for a chip, e.g. `chipByName("a311d")`.
 * @throws RangeError when `runMs` is negative or no number
 */
export function createNullTransport(
  chip: Chip | ChipIdentity,
  { runMs = 0 }: NullTransportOptions = {},
): Transport {
  if (!(runMs >= 0 && runMs < Infinity))
    throw new RangeError(`runMs is ${runMs}, it must be a number of milliseconds from 0`);
  return new NullTransport(chip, runMs);
}

class NullTransport implements Transport {
  readonly name = "null";
  private readonly lifetime = new Lifetime("the null transport");
  readonly disconnected = this.lifetime.disconnected;
  /** When the device will have done everything that it was given. */
  private busyUntil = 0;

  constructor(
    readonly chip: ChipIdentity,
    private readonly runMs: number,
  ) {}

  async load(
    executable: Executable,
    options: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(options.signal, "loading");
    this.lifetime.check();
    checkChip(executable, this.chip);
    const sizes = outputInfos(executable.graph).map(({ bytes }) => bytes);
    let released = false;
    const submit = async (
      inputs: readonly Uint8Array[],
      options: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(options.signal, "the inference");
      this.lifetime.check();
      if (released) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      checkInputs(executable.graph, inputs);
      if (this.runMs > 0) await withLimits(this.turn(), options, "the inference");
      return {
        outputs: sizes.map((bytes) => new Uint8Array(bytes)),
        evidence: "none",
        timings: [],
      };
    };
    const release = async (): Promise<void> => {
      released = true;
    };
    return { submit, release };
  }

  async close(): Promise<void> {
    this.lifetime.close();
  }

  /** Waits until the device has done what it was given before, and this. Late timers do not add up. */
  private turn(): Promise<void> {
    const now = performance.now();
    this.busyUntil = Math.max(this.busyUntil, now) + this.runMs;
    const delay = this.busyUntil - now;
    return new Promise((resolve) => setTimeout(resolve, delay));
  }
}
