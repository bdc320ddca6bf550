// The executables that a client has loaded on its board, over all connections.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { inputInfos, outputInfos } from "../../core-as/runtime/tensor-info.ts";
import { protocolError, type FrameValues, type LOADED } from "../protocol.ts";

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

export class BoardSession {
  /** On the connection that stands; another one after each reconnect. */
  handle = 0;
  /** Runs without an answer, sent or not. */
  unfinished = 0;
  /** The caller released it; it is unloaded after its last run. */
  released = false;
  /** Why it could not be loaded again after a reconnect. */
  failure: Error | null = null;
  readonly outputs: readonly number[];
  readonly inputBytes: number;
  readonly outputBytes: number;
  private readonly inputs: readonly number[];
  private whenIdle: (() => void)[] = [];

  /**
   * @param digest SHA-256 of the executable's bytes
   * @param size their number
   */
  constructor(
    readonly executable: Executable,
    readonly digest: Uint8Array,
    readonly size: number,
  ) {
    this.inputs = inputInfos(executable.graph).map(({ bytes }) => bytes);
    this.outputs = outputInfos(executable.graph).map(({ bytes }) => bytes);
    this.inputBytes = sum(this.inputs);
    this.outputBytes = sum(this.outputs);
  }

  /** @throws TransportError TW_IO_PROTOCOL when the board means another executable */
  opened({ session, inputs, outputs }: FrameValues<typeof LOADED>): void {
    const same = (theirs: readonly { bytes: number }[], ours: readonly number[]): boolean =>
      theirs.length === ours.length && theirs.every(({ bytes }, i) => bytes === ours[i]);
    if (!same(inputs, this.inputs) || !same(outputs, this.outputs))
      throw protocolError("the board's sizes of inputs and outputs are not the executable's", 7);
    this.handle = session;
  }

  /** The file, for an upload; made anew each time instead of being kept. */
  bytes(): Uint8Array {
    return serialiseExecutable(this.executable);
  }

  /** A run has its answer. */
  finished(): void {
    this.unfinished--;
    if (this.unfinished > 0) return;
    for (const resolve of this.whenIdle.splice(0)) resolve();
  }

  idle(): Promise<void> {
    if (this.unfinished === 0) return Promise.resolve();
    return new Promise((resolve) => this.whenIdle.push(resolve));
  }

  /** Outputs as arrays of their own, so that one may be kept or given away without the others. */
  split(outputs: Uint8Array): Uint8Array[] {
    let at = 0;
    return this.outputs.map((size) => outputs.slice(at, (at += size)));
  }
}

/** SHA-256 as bytes. */
export async function digestOf(bytes: Uint8Array): Promise<Uint8Array> {
  // Pages that came over plain http from another machine have no crypto.subtle.
  if (globalThis.crypto?.subtle === undefined)
    throw new TransportError(
      "TW_IO_CONNECT",
      "this page has no WebCrypto, which boards are identified with: serve it over https or from localhost",
    );
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
}
