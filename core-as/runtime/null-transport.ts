// A transport that takes every executable and answers zeros: for tests and for trying an application without a chip.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { Chip, ChipIdentity } from "../hw/chips.ts";
import { throwIfAborted } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { checkInputs, outputInfos } from "./tensor-info.ts";
import type {
  DisconnectReason,
  LoadedExecutable,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "./transport.ts";

/** Creates a null transport for a chip, e.g. `chipByName("a311d")`. */
export function createNullTransport(chip: Chip | ChipIdentity): Transport {
  return new NullTransport(chip);
}

class NullTransport implements Transport {
  readonly name = "null";
  readonly disconnected: Promise<DisconnectReason>;
  private disconnect!: (reason: DisconnectReason) => void;
  private closed = false;

  constructor(readonly chip: ChipIdentity) {
    this.disconnected = new Promise((resolve) => (this.disconnect = resolve));
  }

  async load(
    executable: Executable,
    options: { signal?: AbortSignal } = {},
  ): Promise<LoadedExecutable> {
    throwIfAborted(options.signal, "loading");
    this.checkOpen();
    checkChip(executable, this.chip);
    let released = false;
    const submit = async (
      inputs: readonly Uint8Array[],
      { signal }: SubmitOptions = {},
    ): Promise<SubmitResult> => {
      throwIfAborted(signal, "the inference");
      this.checkOpen();
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
    if (this.closed) return;
    this.closed = true;
    this.disconnect({ kind: "closed", message: "the transport was closed" });
  }

  private checkOpen(): void {
    if (this.closed) throw new TransportError("TW_IO_CLOSED", "the null transport is closed");
  }
}
