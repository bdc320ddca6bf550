// The conformance suite that every transport passes, whatever is behind it.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { NpuError, type ErrorCode } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { inputBytes, synthModel } from "../helpers/synth-model.mjs";

/** A case with one input and two outputs. */
const CASE = "chain-tap-i10x10x8-o16-k3-u8";

async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<NpuError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, NpuError, String(error));
    assert.is((error as NpuError).code, code, (error as NpuError).message);
    return error as NpuError;
  }
  throw new Error(`${code} was expected`);
}

/** Fails instead of waiting for ever. */
async function withTimeout<T>(promise: Promise<T>, milliseconds = 5000): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Queues the suite for a transport.
 * @param open returns a new transport for an A311D, which the suite closes
 */
export function transportSuite(name: string, open: () => Promise<Transport>): void {
  const test = suite(`transport ${name}`);
  let executable: Executable;
  let inputs: Uint8Array[];

  test.before(async () => {
    ({ executable } = await compile(synthModel(CASE)));
    inputs = executable.graph.inputs.map((id, i) =>
      inputBytes(
        CASE,
        i,
        executable.graph.tensors[id]!.shape.reduce((a, b) => a * b, 1),
      ),
    );
  });

  /** Runs `body` with a transport that is closed afterwards. */
  const using = async (body: (transport: Transport) => Promise<void>): Promise<void> => {
    const transport = await open();
    try {
      await withTimeout(body(transport));
    } finally {
      await transport.close();
    }
  };

  test("describes inputs and outputs and returns outputs of the right sizes", () =>
    using(async (transport) => {
      const session = await createSession(executable, transport);
      assert.equal(
        session.inputs.map(({ name, shape, type, bytes }) => ({ name, shape, type, bytes })),
        [{ name: "input", shape: [1, 10, 10, 8], type: "uint8", bytes: 800 }],
      );
      assert.is(session.outputs.length, executable.graph.outputs.length);
      const { outputs, evidence } = await session.run(inputs);
      assert.equal(
        outputs.map(({ length }) => length),
        session.outputs.map(({ bytes }) => bytes),
      );
      assert.ok(["none", "simulated", "measured"].includes(evidence));
    }));

  test("gives the same answer twice, and to those who ask at once", () =>
    using(async (transport) => {
      const session = await createSession(executable, transport);
      const first = await session.run(inputs);
      const other = inputs.map((bytes) => bytes.map((byte) => 255 - byte));
      const [again, different, third] = await Promise.all([
        session.run(inputs),
        session.run(other),
        session.run(inputs),
      ]);
      assert.equal(again!.outputs, first.outputs);
      assert.equal(third!.outputs, first.outputs);
      assert.equal((await session.run(other)).outputs, different!.outputs);
    }));

  test("leaves inputs alone and gives outputs away for good", () =>
    using(async (transport) => {
      const session = await createSession(executable, transport);
      const copies = inputs.map((bytes) => bytes.slice());
      const first = await session.run(inputs);
      const kept = first.outputs.map((bytes) => bytes.slice());
      await session.run(inputs.map((bytes) => bytes.map((byte) => byte ^ 0x55)));
      assert.equal(inputs, copies);
      assert.equal(first.outputs, kept);
    }));

  test("refuses inputs that do not fit", () =>
    using(async (transport) => {
      const session = await createSession(executable, transport);
      await expectCode(session.run([]), "TW_IO_INPUT");
      await expectCode(session.run([new Uint8Array(799)]), "TW_IO_INPUT");
      const loaded = await transport.load(executable);
      await expectCode(loaded.submit([new Uint8Array(801)]), "TW_IO_INPUT");
      await loaded.release();
      assert.is((await session.run(inputs)).outputs.length, session.outputs.length);
    }));

  test("refuses an executable for another chip, takes one for another stepping", () =>
    using(async (transport) => {
      const { chip } = executable;
      const other = { ...executable, chip: { ...chip, customerId: 0x7d } };
      await expectCode(createSession(other, transport), "TW_EXE_CHIP");
      await expectCode(transport.load(other), "TW_EXE_CHIP");
      const stepping = { ...executable, chip: { ...chip, revision: chip.revision | 5 } };
      await (await createSession(stepping, transport)).close();
    }));

  test("is aborted before it starts", () =>
    using(async (transport) => {
      const signal = AbortSignal.abort(new Error("enough"));
      await expectCode(createSession(executable, transport, { signal }), "TW_IO_ABORTED");
      const session = await createSession(executable, transport);
      const { cause } = await expectCode(session.run(inputs, { signal }), "TW_IO_ABORTED");
      assert.is((cause as Error).message, "enough");
      assert.is((await session.run(inputs)).outputs.length, session.outputs.length);
    }));

  test("holds several executables at a time", () =>
    using(async (transport) => {
      const a = await createSession(executable, transport);
      const b = await createSession(executable, transport);
      const { outputs } = await a.run(inputs);
      await a.close();
      assert.equal((await b.run(inputs)).outputs, outputs);
    }));

  test("refuses work after close, which may be called twice", () =>
    using(async (transport) => {
      const session = await createSession(executable, transport);
      const open = await createSession(executable, transport);
      await session.close();
      await session.close();
      await expectCode(session.run(inputs), "TW_IO_CLOSED");
      const loaded = await transport.load(executable);
      await loaded.release();
      await loaded.release();
      await expectCode(loaded.submit(inputs), "TW_IO_CLOSED");

      await transport.close();
      await transport.close();
      assert.is((await transport.disconnected).kind, "closed");
      await expectCode(open.run(inputs), "TW_IO_CLOSED");
      await expectCode(createSession(executable, transport), "TW_IO_CLOSED");
      await open.close();
    }));

  test.run();
}
