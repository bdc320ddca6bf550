// What the groups of the transports' conformance suite share: options, transports that are closed afterwards, expectations.
// SPDX-License-Identifier: MIT
import type { suite } from "uvu";
import * as assert from "uvu/assert";
import { NpuError, type ErrorCode } from "../../core-as/errors.ts";
import type { Session } from "../../core-as/runtime/session.ts";
import type { SubmitResult, Transport } from "../../core-as/runtime/transport.ts";
import { modelFor, type Model, type ModelName } from "./cts-models.ts";

export interface SuiteOptions {
  /** Chip of the transports that `open` returns; default "a311d". */
  chip?: string;
  /** false: outputs are placeholders, and nothing can fault. Default: true. */
  computes?: boolean;
  /**
   * true: a run may be over before an abort or a time limit that comes right after its start; then its answer has to be right.
   * Default: what does not compute is instant.
   */
  instant?: boolean;
  /** true: `profile` must report every job; false: it must report none. Default: either, but all jobs or none. */
  profiles?: boolean;
  /**
   * Numbers of what is held at the moment behind the transports of `open`: sessions, buffers, mappings, file descriptors. After a
   * release, and after a test, each must be what it was before.
   */
  leaks?(): Record<string, number> | Promise<Record<string, number>>;
  /** Milliseconds after which a test counts as hanging; default 30 000. */
  patienceMs?: number;
}

export type Test = ReturnType<typeof suite>;

/** A test's view of the transport under test. */
export class Rig {
  readonly chip: string;
  readonly computes: boolean;
  readonly instant: boolean;
  readonly profiles: boolean | undefined;
  private readonly patienceMs: number;

  constructor(
    private readonly open: () => Promise<Transport>,
    private readonly options: SuiteOptions,
  ) {
    this.chip = options.chip ?? "a311d";
    this.computes = options.computes ?? true;
    this.instant = options.instant ?? !this.computes;
    this.profiles = options.profiles;
    this.patienceMs = options.patienceMs ?? 30_000;
  }

  model(name: ModelName): Promise<Model> {
    return modelFor(name, this.chip);
  }

  /** Runs `body` with a transport that is closed afterwards; what it held must then be free. */
  async using(body: (transport: Transport) => Promise<void>): Promise<void> {
    const before = await this.options.leaks?.();
    const transport = await withTimeout(this.open(), this.patienceMs);
    try {
      await withTimeout(body(transport), this.patienceMs);
    } finally {
      await withTimeout(transport.close(), this.patienceMs);
    }
    await this.expectHeld(before);
  }

  /** Numbers of what is held; undefined when the transport cannot tell. */
  async held(): Promise<Record<string, number> | undefined> {
    return this.options.leaks?.();
  }

  /** Waits until exactly that is held again: the far end of a transport may need a moment. */
  async expectHeld(expected: Record<string, number> | undefined): Promise<void> {
    if (expected === undefined) return;
    const end = performance.now() + this.patienceMs;
    for (;;) {
      const held = await this.options.leaks!();
      if (JSON.stringify(held) === JSON.stringify(expected)) return;
      if (performance.now() > end) return assert.equal(held, expected, "something is still held");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Compares outputs with the simulator's, or with zeros when the transport does not compute. */
  async expectAnswer(outputs: readonly Uint8Array[], model: Model, number: number): Promise<void> {
    const right = await model.answer(number);
    assert.is(outputs.length, right.length);
    for (const [i, bytes] of outputs.entries()) {
      const expected = this.computes ? right[i]! : new Uint8Array(right[i]!.length);
      assert.ok(
        sameBytes(bytes, expected),
        `${model.name}: output ${i} of input ${number} is wrong`,
      );
    }
  }

  /** Runs a model's input and expects the right answer. */
  async expectRun(session: Session, model: Model, number: number): Promise<void> {
    const { outputs } = await session.run(model.inputs(number));
    await this.expectAnswer(outputs, model, number);
  }

  /** A run that was stopped: one of these codes, or it was faster and its answer is right. */
  async expectStopped(
    run: Promise<SubmitResult>,
    codes: readonly ErrorCode[],
    model: Model,
    number: number,
  ): Promise<void> {
    let result: SubmitResult;
    try {
      result = await run;
    } catch (error) {
      const code = codeOf(error);
      assert.ok(codes.includes(code), `${code} instead of ${codes.join(" or ")}`);
      return;
    }
    await this.expectAnswer(result.outputs, model, number);
  }
}

function codeOf(error: unknown): ErrorCode {
  assert.instance(error, NpuError, String(error));
  return (error as NpuError).code;
}

export async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<NpuError> {
  try {
    await promise;
  } catch (error) {
    assert.is(codeOf(error), code, (error as NpuError).message);
    return error as NpuError;
  }
  throw new Error(`${code} was expected`);
}

/** The error of a promise that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<NpuError> {
  try {
    await promise;
  } catch (error) {
    codeOf(error);
    return error as NpuError;
  }
  throw new Error("a failure was expected");
}

/** The same promise, which may fail before anybody waits for it: without this Node would end the process. */
export function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Fails instead of waiting for ever. */
export async function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
