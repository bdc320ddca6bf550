// What applications use: an executable on a transport, with typed inputs and outputs.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import { throwIfAborted, withLimits } from "./abort.ts";
import { checkChip } from "./check-chip.ts";
import { checkInputs, inputInfos, outputInfos, type TensorInfo } from "./tensor-info.ts";
import type { LoadedExecutable, SubmitOptions, SubmitResult, Transport } from "./transport.ts";

/** A model that is ready to run. */
export interface Session {
  /** Inputs of the model in its order. */
  readonly inputs: readonly TensorInfo[];
  /** Outputs of the model in its order. */
  readonly outputs: readonly TensorInfo[];
  /**
   * One inference.
   * @param inputs bytes of every input, in the order and with the sizes of `inputs`; read until the run ends, not kept, not changed
   * @returns bytes of every output in the order of `outputs`, with times by step
   * @throws TransportError TW_IO_INPUT, TW_IO_ABORTED, TW_IO_TIMEOUT, TW_IO_CLOSED
   * @throws SimFault from the simulator
   */
  run(inputs: readonly Uint8Array[], options?: SubmitOptions): Promise<SubmitResult>;
  /** Frees the executable on the transport, which stays open. Idempotent; runs then throw TW_IO_CLOSED. */
  close(): Promise<void>;
}

/**
 * Loads an executable onto a transport.
 * @throws ExecutableError TW_EXE_CHIP when the transport's chip is another one
 * @throws UnsupportedError TW_UNSUP_OPERATOR when a CPU step has an operator without a kernel
 * @throws TransportError TW_IO_ABORTED, TW_IO_CLOSED
 */
export async function createSession(
  executable: Executable,
  transport: Transport,
  options: { signal?: AbortSignal } = {},
): Promise<Session> {
  throwIfAborted(options.signal, "loading");
  checkChip(executable, transport.chip);
  const inputs = inputInfos(executable.graph);
  const outputs = outputInfos(executable.graph);
  const loading = transport.load(executable, options);
  let loaded: LoadedExecutable;
  try {
    loaded = await withLimits(loading, options, "loading");
  } catch (cause) {
    // An executable that arrives after the abort must not stay on the device.
    loading.then((late) => late.release()).catch(() => {});
    throw cause;
  }
  return new LoadedSession(executable, loaded, inputs, outputs);
}

class LoadedSession implements Session {
  private closed = false;

  constructor(
    private readonly executable: Executable,
    private readonly loaded: LoadedExecutable,
    readonly inputs: readonly TensorInfo[],
    readonly outputs: readonly TensorInfo[],
  ) {}

  async run(inputs: readonly Uint8Array[], options: SubmitOptions = {}): Promise<SubmitResult> {
    if (this.closed) throw new TransportError("TW_IO_CLOSED", "the session is closed");
    throwIfAborted(options.signal, "the inference");
    checkInputs(this.executable.graph, inputs);
    return withLimits(this.loaded.submit(inputs, options), options, "the inference");
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.loaded.release();
  }
}
