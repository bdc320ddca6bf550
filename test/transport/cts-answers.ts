// Conformance of transports: answers, refusals, concurrency, profiles.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { MODEL_NAMES, withBadCoefficients, withoutKernel } from "./cts-models.ts";
import { expectCode, failureOf, watched, type Rig, type Test } from "./cts-rig.ts";

export function addAnswerTests(test: Test, rig: Rig): void {
  test("describes inputs and outputs and returns outputs of the right sizes", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      assert.equal(
        session.inputs.map(({ name, shape, type, bytes }) => ({ name, shape, type, bytes })),
        [{ name: "input", shape: [1, 10, 10, 8], type: "uint8", bytes: 800 }],
      );
      assert.is(session.outputs.length, 2);
      const { outputs, evidence, timings, jobs } = await session.run(model.inputs(0));
      assert.equal(
        outputs.map(({ length }) => length),
        session.outputs.map(({ bytes }) => bytes),
      );
      assert.is(evidence === "none", !rig.computes);
      assert.ok(["none", "simulated", "measured"].includes(evidence));
      assert.ok(timings.length === 0 || timings.length === model.executable.steps.length);
      assert.is(jobs, undefined, "jobs without being asked for a profile");
    }));

  for (const name of MODEL_NAMES)
    test(`answers as the simulator does: ${name}`, () =>
      rig.using(async (transport) => {
        const model = await rig.model(name);
        // As compiled, and as its file says.
        const read = parseExecutable(serialiseExecutable(model.executable));
        for (const executable of [model.executable, read]) {
          const session = await createSession(executable, transport);
          await rig.expectRun(session, model, 0);
          await rig.expectRun(session, model, 1);
          await session.close();
        }
      }));

  test("leaves inputs alone and gives outputs away for good", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      const inputs = model.inputs(0);
      const first = await session.run(inputs);
      const kept = first.outputs.map((bytes) => bytes.slice());
      await session.run(model.inputs(1));
      assert.equal(inputs, model.inputs(0));
      assert.equal(first.outputs, kept);
      // What the caller does to its outputs changes no later answer.
      for (const bytes of first.outputs) bytes.fill(0x55);
      await rig.expectRun(session, model, 0);
    }));

  test("takes inputs that are views of something larger", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      const views = model.inputs(0).map((bytes) => {
        const larger = new Uint8Array(bytes.length + 7).fill(0xee);
        larger.set(bytes, 3);
        return larger.subarray(3, 3 + bytes.length);
      });
      const { outputs } = await session.run(views);
      await rig.expectAnswer(outputs, model, 0);
    }));

  for (const name of ["twoOutputs", "signed", "big"] as const)
    test(`inputs that are given away during a run are no wrong answer: ${name}`, () =>
      rig.using(async (transport) => {
        const model = await rig.model(name);
        const session = await createSession(model.executable, transport);
        await rig.expectRun(session, model, 0);
        // One that runs at once, and one that waits for its turn.
        const given = [1, 1].map((number) => {
          const inputs = model.inputs(number);
          const run = watched(session.run(inputs));
          structuredClone(inputs, { transfer: inputs.map(({ buffer }) => buffer as ArrayBuffer) });
          return run;
        });
        // A recording has no run with inputs of no bytes.
        const codes = ["TW_IO_INPUT", "TW_IO_RECORD"] as const;
        for (const run of given) await rig.expectStopped(run, codes, model, 1);
        await rig.expectRun(session, model, 0);
      }));

  addConcurrencyTests(test, rig);
  addRefusalTests(test, rig);
  addProfileTests(test, rig);
}

function addConcurrencyTests(test: Test, rig: Rig): void {
  test("gives the same answer twice, and to those who ask at once", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      await rig.expectRun(session, model, 0);
      await Promise.all([0, 1, 0].map((number) => rig.expectRun(session, model, number)));
      await rig.expectRun(session, model, 1);
    }));

  test("holds several executables at a time", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const a = await createSession(model.executable, transport);
      const b = await createSession(model.executable, transport);
      await rig.expectRun(a, model, 0);
      await a.close();
      await rig.expectRun(b, model, 0);
    }));

  test("never mixes up the answers of many runs on several sessions", () =>
    rig.using(async (transport) => {
      const names = ["twoOutputs", "mixed", "twoOutputs", "signed"] as const;
      const models = await Promise.all(names.map((name) => rig.model(name)));
      const sessions = await Promise.all(
        models.map(({ executable }) => createSession(executable, transport)),
      );
      const runs = Array.from({ length: 32 }, (_, i) =>
        rig.expectRun(sessions[i % 4]!, models[i % 4]!, i >> 2),
      );
      await Promise.all(runs);
    }));
}

function addRefusalTests(test: Test, rig: Rig): void {
  test("refuses inputs that do not fit", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const session = await createSession(model.executable, transport);
      await expectCode(session.run([]), "TW_IO_INPUT");
      await expectCode(session.run([new Uint8Array(799)]), "TW_IO_INPUT");
      const loaded = await transport.load(model.executable);
      await expectCode(loaded.submit([new Uint8Array(801)]), "TW_IO_INPUT");
      await expectCode(loaded.submit([]), "TW_IO_INPUT");
      await loaded.release();
      await rig.expectRun(session, model, 0);
    }));

  test("refuses an executable for another chip, takes one for another stepping", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const { executable } = model;
      const { chip } = executable;
      const other = { ...executable, chip: { ...chip, customerId: chip.customerId ^ 0x7d } };
      await expectCode(createSession(other, transport), "TW_EXE_CHIP");
      await expectCode(transport.load(other), "TW_EXE_CHIP");
      const stepping = { ...executable, chip: { ...chip, revision: chip.revision | 5 } };
      const session = await createSession(stepping, transport);
      await rig.expectRun(session, model, 0);
      await session.close();
    }));

  if (!rig.computes) return;

  test("refuses to load an operator that runs nowhere", () =>
    rig.using(async (transport) => {
      const bad = await withoutKernel(rig.chip);
      const error = await expectCode(transport.load(bad), "TW_UNSUP_OPERATOR");
      assert.match(error.message, "CONV_2D");
      const model = await rig.model("twoOutputs");
      await rig.expectRun(await createSession(model.executable, transport), model, 0);
    }));

  test("reports a job that faults, and others go on", () =>
    rig.using(async (transport) => {
      const model = await rig.model("twoOutputs");
      const good = await createSession(model.executable, transport);
      const executable = withBadCoefficients(model);
      // A simulator sees the fault; a check before the submit sees it when loading; a device hangs or loses its work.
      const run = async (): Promise<void> => {
        const bad = await createSession(executable, transport);
        try {
          await bad.run(model.inputs(0));
        } finally {
          await rig.expectRun(good, model, 0);
          await bad.close();
        }
      };
      const { code, message } = await failureOf(run());
      assert.match(code, /^TW_SIM_|^TW_CHECK_|^TW_IO_(HANG|DEVICE)$/, message);
      await rig.expectRun(good, model, 1);
    }));
}

function addProfileTests(test: Test, rig: Rig): void {
  for (const name of ["twoOutputs", "mixed", "cpuOnly"] as const)
    test(`a profile has every job in order and changes no answer: ${name}`, () =>
      rig.using(async (transport) => {
        const model = await rig.model(name);
        const session = await createSession(model.executable, transport);
        const { outputs, jobs } = await session.run(model.inputs(0), { profile: true });
        await rig.expectAnswer(outputs, model, 0);
        if (rig.profiles !== undefined) assert.is(jobs !== undefined, rig.profiles);
        if (jobs === undefined) return;
        assert.equal(
          jobs.map(({ partition, job }) => ({ partition, job })),
          model.jobs,
        );
        for (const { milliseconds, counters } of jobs) {
          assert.ok(milliseconds >= 0 && Number.isFinite(milliseconds), String(milliseconds));
          for (const value of Object.values(counters)) assert.ok(value >= 0, String(value));
        }
        await rig.expectRun(session, model, 0);
      }));
}
