// Conformance of transports: aborts, time limits, release and close, also in the middle of work.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { createSession } from "../../core-as/runtime/session.ts";
import type { LoadedExecutable } from "../../core-as/runtime/transport.ts";
import { expectCode, failureOf, watched, type Rig, type Test } from "./cts-rig.ts";

export function addEndingTests(test: Test, rig: Rig): void {
  addAbortTests(test, rig);
  addLimitTests(test, rig);
  addReleaseTests(test, rig);
  addCloseTests(test, rig);
}

function addAbortTests(test: Test, rig: Rig): void {
  test("is aborted before it starts", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const signal = AbortSignal.abort(new Error("enough"));
      await expectCode(createSession(model.executable, transport, { signal }), "TW_IO_ABORTED");
      await expectCode(transport.load(model.executable, { signal }), "TW_IO_ABORTED");
      const session = await createSession(model.executable, transport);
      const { cause } = await expectCode(session.run(model.inputs(0), { signal }), "TW_IO_ABORTED");
      assert.is((cause as Error).message, "enough");
      await rig.expectRun(session, model, 0);
    }));

  test("is aborted while it runs, at once, and stays usable", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const session = await createSession(model.executable, transport);
      const loaded = await transport.load(model.executable);
      await rig.expectRun(session, model, 0);
      for (const target of [{ run: session.run.bind(session) }, { run: loaded.submit }]) {
        const controller = new AbortController();
        const running = target.run(model.inputs(0), { signal: controller.signal });
        controller.abort(new Error("enough"));
        if (rig.instant) await rig.expectStopped(running, ["TW_IO_ABORTED"], model, 0);
        else {
          const { cause } = await expectCode(running, "TW_IO_ABORTED");
          assert.is((cause as Error).message, "enough");
        }
        await rig.expectRun(session, model, 1);
      }
      await loaded.release();
    }));

  test("is aborted while it waits behind others, whose answers stay right", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const session = await createSession(model.executable, transport);
      await rig.expectRun(session, model, 3);
      const controller = new AbortController();
      const { signal } = controller;
      const before = [0, 1, 2].map((number) => watched(rig.expectRun(session, model, number)));
      const stopped = session.run(model.inputs(3), { signal });
      const after = [4, 5].map((number) => watched(rig.expectRun(session, model, number)));
      controller.abort();
      if (rig.instant) await rig.expectStopped(stopped, ["TW_IO_ABORTED"], model, 3);
      else await expectCode(stopped, "TW_IO_ABORTED");
      await Promise.all([...before, ...after]);
      await rig.expectRun(session, model, 3);
    }));

  test("many aborts at any moment disturb nobody", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const session = await createSession(model.executable, transport);
      for (const number of [0, 1, 2, 3]) await rig.expectRun(session, model, number);
      const controllers = Array.from({ length: 8 }, () => new AbortController());
      const runs = controllers.flatMap(({ signal }, i) => {
        const number = i % 4;
        const stopped = session.run(model.inputs(number), { signal });
        return [
          watched(rig.expectRun(session, model, number)),
          watched(rig.expectStopped(stopped, ["TW_IO_ABORTED"], model, number)),
        ];
      });
      for (const controller of controllers) {
        await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
      }
      await Promise.all(runs);
      await rig.expectRun(session, model, 0);
    }));

  test("loading is aborted, and the next one succeeds", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const controller = new AbortController();
      const loading = transport.load(model.executable, { signal: controller.signal });
      controller.abort();
      const late = await orCode(loading, ["TW_IO_ABORTED"]);
      await late?.release();
      await rig.expectRun(await createSession(model.executable, transport), model, 0);
    }));
}

/** The executable, or null when loading ended with one of the codes. */
async function orCode(
  loading: Promise<LoadedExecutable>,
  codes: readonly string[],
): Promise<LoadedExecutable | null> {
  try {
    return await loading;
  } catch {
    const { code } = await failureOf(loading);
    assert.ok(codes.includes(code), code);
    return null;
  }
}

function addLimitTests(test: Test, rig: Rig): void {
  test("gives up after its time limit and stays usable", () =>
    rig.using(async (transport) => {
      const model = await rig.model("big");
      const session = await createSession(model.executable, transport);
      await rig.expectRun(session, model, 0);
      const limited = session.run(model.inputs(0), { timeoutMs: 0 });
      if (rig.instant) await rig.expectStopped(limited, ["TW_IO_TIMEOUT"], model, 0);
      else await expectCode(limited, "TW_IO_TIMEOUT");
      await rig.expectRun(session, model, 1);
      const { outputs } = await session.run(model.inputs(0), { timeoutMs: 3_600_000 });
      await rig.expectAnswer(outputs, model, 0);
    }));

  test("a time limit beyond what timers can do is no limit", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      const { outputs } = await session.run(model.inputs(0), { timeoutMs: 2 ** 40 });
      await rig.expectAnswer(outputs, model, 0);
    }));
}

function addReleaseTests(test: Test, rig: Rig): void {
  test("refuses work after a release, which may come twice", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      await session.close();
      await session.close();
      await expectCode(session.run(model.inputs(0)), "TW_IO_CLOSED");
      const loaded = await transport.load(model.executable);
      await Promise.all([loaded.release(), loaded.release()]);
      await loaded.release();
      await expectCode(loaded.submit(model.inputs(0)), "TW_IO_CLOSED");
    }));

  test("runs in flight at a release end, with their answers or closed", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const other = await createSession(model.executable, transport);
      for (const number of [0, 1, 2, 3]) await rig.expectRun(other, model, number);
      const loaded = await transport.load(model.executable);
      const runs = [0, 1, 2, 3].map((number) =>
        rig.expectStopped(loaded.submit(model.inputs(number)), ["TW_IO_CLOSED"], model, number),
      );
      const released = loaded.release();
      await Promise.all(runs);
      await released;
      await expectCode(loaded.submit(model.inputs(0)), "TW_IO_CLOSED");
      await rig.expectRun(other, model, 0);
    }));

  test("a release frees what loading took", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const round = async (): Promise<void> => {
        const session = await createSession(model.executable, transport);
        await Promise.all([0, 1].map((number) => rig.expectRun(session, model, number)));
        await session.close();
      };
      // The first round may fill caches for good.
      await round();
      const held = await rig.held();
      for (let i = 0; i < 3; i++) await round();
      await rig.expectHeld(held);
    }));
}

function addCloseTests(test: Test, rig: Rig): void {
  test("refuses work after close, which may be called twice", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      const loaded = await transport.load(model.executable);
      await Promise.all([transport.close(), transport.close()]);
      await transport.close();
      assert.is((await transport.disconnected).kind, "closed");
      await expectCode(session.run(model.inputs(0)), "TW_IO_CLOSED");
      await expectCode(loaded.submit(model.inputs(0)), "TW_IO_CLOSED");
      await expectCode(createSession(model.executable, transport), "TW_IO_CLOSED");
      await expectCode(transport.load(model.executable), "TW_IO_CLOSED");
      await session.close();
      await loaded.release();
    }));

  test("runs in flight at a close end, with their answers or closed", () =>
    rig.using(async (transport) => {
      const model = await rig.model("mixed");
      const session = await createSession(model.executable, transport);
      for (const number of [0, 1, 2, 3]) await rig.expectRun(session, model, number);
      const runs = [0, 1, 2, 3].map((number) =>
        rig.expectStopped(session.run(model.inputs(number)), ["TW_IO_CLOSED"], model, number),
      );
      const closed = transport.close();
      await Promise.all(runs);
      await closed;
      assert.is((await transport.disconnected).kind, "closed");
    }));

  test("loading in flight at a close ends", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const loading = watched(transport.load(model.executable));
      await transport.close();
      const late = await orCode(loading, ["TW_IO_CLOSED"]);
      if (late === null) return;
      await expectCode(late.submit(model.inputs(0)), "TW_IO_CLOSED");
      await late.release();
    }));
}
