// A transport that takes every executable and answers zeros: for tests and for trying an application without a chip.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { Chip, ChipIdentity } from "../hw/chips.ts";
import { throwIfAborted } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { Lifetime } from "./lifetime.ts";
import { checkInputs, outputInfos } from "./tensor-info.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

/** Creates a null transport for a chip, e.g. `chipByName("a311d")`. */
export function createNullTransport(chip: Chip | ChipIdentity): Transport {
  return new NullTransport(chip);
}

class NullTransport implements Transport {
  readonly name = "null";
  private readonly lifetime = new Lifetime("the null transport");
  readonly disconnected = this.lifetime.disconnected;

  constructor(readonly chip: ChipIdentity) {}

  async load(
    executable: Executable,
    options: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(options.signal, "loading");
    this.lifetime.check();
    checkChip(executable, this.chip);
    let released = false;
    const submit = async (
      inputs: readonly Uint8Array[],
      { signal }: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(signal, "the inference");
      this.lifetime.check();
      if (released) throw new TransportError("TW_IO_CLOSED", "the executable was released");
      checkInputs(executable.graph, inputs);
      return {
        outputs: outputInfos(executable.graph).map(({ bytes }) => new Uint8Array(bytes)),
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
}
