// The DRM transport on a kernel inside the process: conformance, what it asks the kernel for, and what it makes of faults.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../core-as/errors.ts";
import { INIT_STREAM } from "../../core-as/runtime/init-stream.ts";
import { createSession, type Session } from "../../core-as/runtime/session.ts";
import { ERRNO } from "../../transport-node/device-file.ts";
import { openDrmAmong, type DrmOptions, type DrmTransport } from "../../transport-node/drm.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { FakeDrm, GPU, npu, type Fate } from "../helpers/fake-drm.ts";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";
import { synthModel } from "../helpers/synth-model.mjs";
import { modelFor, type Model } from "./cts-models.ts";
import { expectCode, failureOf, sameBytes, watched } from "./cts-rig.ts";
import { transportSuite } from "./cts.ts";

const test = suite("drm on a kernel inside the process");

let model: Model;
test.before(async () => {
  model = await modelFor("twoOutputs", "a311d");
});

interface Opened {
  drm: FakeDrm;
  transport: DrmTransport;
  session: Session;
}

/** Runs `body` with a session, then closes everything and expects that nothing is left. */
async function using(
  setUp: Partial<FakeDrm>,
  body: (opened: Opened) => Promise<void>,
  options: DrmOptions = {},
): Promise<void> {
  const drm = Object.assign(new FakeDrm(setUp.nodes), setUp);
  const transport = await openDrmAmong(drm, options);
  try {
    await body({ drm, transport, session: await createSession(model.executable, transport) });
  } finally {
    await transport.close();
  }
  assert.equal(drm.held, { files: 0, buffers: 0, mappings: 0 });
  assert.equal(transport.stats(), { buffers: 0, bytes: 0, mappings: 0 });
}

async function expectAnswer({ session }: Opened, number = 0): Promise<void> {
  const { outputs } = await session.run(model.inputs(number));
  const right = await model.answer(number);
  assert.ok(
    outputs.every((bytes, i) => sameBytes(bytes, right[i]!)),
    "wrong answer",
  );
}

/** Fates of submits by number; the init stream is number 0. */
const fates =
  (list: Record<number, Fate>): FakeDrm["fate"] =>
  (submit) =>
    list[submit] ?? "run";

test("the init stream goes first, on its own, once for each opened file", () =>
  using({}, async (opened) => {
    const { drm, transport } = opened;
    await expectAnswer(opened);
    await createSession(model.executable, transport);
    await expectAnswer(opened, 1);
    const second = await openDrmAmong(drm);
    const inits = drm.submits.filter(({ buffers }) => buffers === 0);
    assert.is(inits.length, 2);
    assert.equal([...drm.submits[0]!.stream], INIT_STREAM);
    assert.is(drm.submits.length, 2 + 2);
    await second.close();
  }));

test("a run is one submit; constants are uploaded once and not kept mapped", () =>
  using({}, async (opened) => {
    const { drm, transport } = opened;
    await expectAnswer(opened);
    const uploads = drm.calls.filter((call) => call === "GEM_NEW").length;
    const { mappings, buffers } = transport.stats();
    assert.is(buffers, uploads);
    assert.ok(mappings < buffers, `${mappings} of ${buffers} buffers are mapped`);
    drm.calls.length = 0;
    await expectAnswer(opened, 1);
    assert.is(drm.calls.filter((call) => call === "GEM_SUBMIT").length, 1);
    assert.ok(!drm.calls.includes("GEM_NEW") && !drm.calls.includes("mmap"));
  }));

test("jobs that overlap run where they are permitted, and are refused elsewhere", async () => {
  const { executable, model: read } = compileCase(
    await coreOf("release"),
    synthModel("chain-fan-i12x12x8-o8-k3-u8"),
    { mode: "optimised", overlap: true },
  );
  const inputs = inputsOfCase("overlap", read.graph);
  const answer = await simulate(executable, inputs);
  const drm = new FakeDrm();
  for (const overlap of [false, true]) {
    const transport = await openDrmAmong(drm, { overlap });
    if (!overlap) await expectCode(transport.load(executable), "TW_CHECK_STATE");
    else {
      const session = await createSession(executable, transport);
      assert.equal([...(await session.run(inputs)).outputs], answer);
      assert.equal([...(await session.run(inputs, { profile: true })).outputs], answer);
    }
    await transport.close();
  }
});

test("a submit names the core by its index, in the waits too", () =>
  using({ nodes: [{ cores: [GPU, npu("a311d")] }] }, async (opened) => {
    await expectAnswer(opened);
    assert.ok(opened.drm.submits.every(({ pipe }) => pipe === 1));
  }));

test("no memory for a buffer: the load fails and leaves nothing", async () => {
  for (const call of ["GEM_NEW", "mmap", "GEM_INFO", "GEM_CPU_PREP", "GEM_CPU_FINI"])
    for (const at of [0, 3])
      await using({}, async (opened) => {
        const { drm, transport } = opened;
        const before = transport.stats();
        const done = drm.calls.filter((name) => name === call).length;
        drm.fault = (name, count) =>
          name === call && count === done + at ? ERRNO.ENOMEM : undefined;
        const error = await expectCode(transport.load(model.executable), "TW_IO_MEMORY");
        assert.match(error.message, /ENOMEM \(errno 12\)/);
        assert.equal(transport.stats(), before, `${call} ${at}`);
        await expectAnswer(opened);
      });
});

test("no memory for a submit: this run fails, the next one succeeds", () =>
  using({}, async (opened) => {
    await expectAnswer(opened);
    opened.drm.fault = (call) => (call === "GEM_SUBMIT" ? ERRNO.ENOMEM : undefined);
    await expectCode(opened.session.run(model.inputs(0)), "TW_IO_MEMORY");
    opened.drm.fault = () => undefined;
    await expectAnswer(opened, 1);
  }));

for (const errno of ["EAGAIN", "EBUSY", "ENOSPC", "EINTR"] as const)
  test(`a submit that fails with ${errno} is tried again, and given up some time`, () =>
    using({}, async (opened) => {
      let left = 3;
      opened.drm.fault = (call) => (call === "GEM_SUBMIT" && left-- > 0 ? ERRNO[errno] : undefined);
      await expectAnswer(opened);
      assert.is(left, -1);
      if (errno !== "EAGAIN") return;
      left = Infinity;
      const { message } = await expectCode(opened.session.run(model.inputs(0)), "TW_IO_DEVICE");
      assert.match(message, errno);
      assert.match(message, "tried 11 times");
      left = 0;
      await expectAnswer(opened);
    }));

test("a refused submit says which request failed how, and is not tried again", () =>
  using({}, async (opened) => {
    opened.drm.fault = (call) => (call === "GEM_SUBMIT" ? ERRNO.EINVAL : undefined);
    opened.drm.calls.length = 0;
    const { message, cause } = await expectCode(
      opened.session.run(model.inputs(0)),
      "TW_IO_DEVICE",
    );
    assert.match(message, /renderD128: GEM_SUBMIT failed with EINVAL \(errno 22\)/);
    assert.is((cause as { errno: number }).errno, 22);
    assert.is(opened.drm.calls.filter((call) => call === "GEM_SUBMIT").length, 1);
  }));

test("a wait that is interrupted or says EAGAIN goes on", () =>
  using({}, async (opened) => {
    let left = 5;
    opened.drm.fault = (call) =>
      call === "WAIT_FENCE" && left-- > 0 ? (left % 2 ? ERRNO.EAGAIN : ERRNO.EINTR) : undefined;
    await expectAnswer(opened);
    assert.ok(left < 0);
  }));

test("a buffer that is busy is waited for", () =>
  using({}, async (opened) => {
    let left = 4;
    opened.drm.fault = (call) => (call === "GEM_CPU_PREP" && left-- > 0 ? ERRNO.EBUSY : undefined);
    await expectAnswer(opened);
    assert.ok(left < 0);
  }));

test("a job that the watchdog killed is noticed: its output was not written", () =>
  using({ fate: fates({ 2: "watchdog" }) }, async (opened) => {
    await expectAnswer(opened);
    const { message } = await expectCode(opened.session.run(model.inputs(1)), "TW_IO_HANG");
    assert.match(message, "never written");
    assert.match(message, "500 ms");
    await expectAnswer(opened, 1);
  }));

test("whoever does not want that verified gets what is there", () =>
  using(
    { fate: fates({ 1: "watchdog" }) },
    async ({ session }) => {
      const { outputs } = await session.run(model.inputs(1));
      const right = await model.answer(1);
      assert.not.ok(outputs.every((bytes, i) => sameBytes(bytes, right[i]!)));
    },
    { verify: false },
  ));

test("a fence that comes late is waited for", () =>
  using({ fate: fates({ 1: { lateMs: 450 } }) }, (opened) => expectAnswer(opened)));

test("a fence that never comes: the run is given up, and so is the next; closing ends", () =>
  using(
    { fate: fates({ 1: "never" }) },
    async (opened) => {
      const first = await expectCode(opened.session.run(model.inputs(0)), "TW_IO_HANG");
      assert.match(first.message, "did not end");
      const next = await expectCode(opened.session.run(model.inputs(0)), "TW_IO_HANG");
      assert.match(next.message, "an earlier run");
      await opened.session.close();
      // The buffers belong to the device until the end.
      assert.ok(opened.transport.stats().buffers > 0);
    },
    { hangMs: 30, closeMs: 30 },
  ));

test("a long queue is no hang as long as something ends", async () => {
  const jobs = model.executable.partitions[0]!.jobs.length;
  await using(
    { fate: (submit) => (submit === 0 ? "run" : { lateMs: 40 }) },
    async (opened) => {
      const sessions = await Promise.all(
        Array.from({ length: 40 }, () => createSession(model.executable, opened.transport)),
      );
      await Promise.all(sessions.map((session) => expectAnswer({ ...opened, session })));
    },
    // 40 runs of 40 ms each behind each other are 1600 ms; without an end of anything 400 ms are a hang.
    { hangMs: 400 - 500 * jobs },
  );
});

test("a run that was given up keeps its buffers until the device is through", () =>
  using({ fate: fates({ 1: { lateMs: 200 } }) }, async (opened) => {
    const { session, drm } = opened;
    const controller = new AbortController();
    const reason = new Error("enough");
    const stopped = session.run(model.inputs(0), { signal: controller.signal });
    while (drm.submits.length < 2) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    assert.is((await expectCode(stopped, "TW_IO_ABORTED")).cause, reason);
    const waiting = session.run(model.inputs(1));
    await expectCode(session.run(model.inputs(1), { timeoutMs: 20 }), "TW_IO_TIMEOUT");
    assert.is(drm.submits.length, 2, "nothing new was submitted meanwhile");
    const { outputs } = await waiting;
    assert.ok(sameBytes(outputs[0]!, (await model.answer(1))[0]!));
  }));

test("a release waits for the run that was given up", () =>
  using({ fate: fates({ 1: { lateMs: 150 } }) }, async (opened) => {
    const { session, transport } = opened;
    await expectCode(session.run(model.inputs(0), { timeoutMs: 20 }), "TW_IO_TIMEOUT");
    assert.ok(transport.stats().buffers > 0);
    await session.close();
    assert.is(transport.stats().buffers, 0);
  }));

test("closing may wait without an end, and waits for a run whose executable is being released", async () => {
  for (const closeMs of [Infinity, 5000])
    await using(
      { fate: fates({ 1: { lateMs: 100 } }) },
      async (opened) => {
        const run = watched(expectAnswer(opened));
        while (opened.drm.submits.length < 2) await new Promise((resolve) => setImmediate(resolve));
        const released = [opened.session.close(), opened.session.close()];
        await opened.transport.close();
        await Promise.all([run, ...released]);
      },
      { closeMs },
    );
});

test("releasing a second time waits as the first does", () =>
  using({ fate: fates({ 1: { lateMs: 100 } }) }, async ({ transport, drm }) => {
    const loaded = await transport.load(model.executable);
    const run = watched(loaded.submit(model.inputs(0)));
    while (drm.submits.length < 2) await new Promise((resolve) => setImmediate(resolve));
    void loaded.release();
    await loaded.release();
    await run;
  }));

test("the run behind one that was given up waits as long as that one may take", () => {
  const jobs = model.executable.partitions[0]!.jobs.length;
  assert.ok(jobs > 1);
  // Less than the watchdog's time for the jobs of a run, more than what a device may do nothing for.
  return using(
    { fate: fates({ 1: { lateMs: 300 } }) },
    async (opened) => {
      await expectCode(opened.session.run(model.inputs(0), { timeoutMs: 20 }), "TW_IO_TIMEOUT");
      await expectAnswer(opened, 1);
    },
    { hangMs: 50 },
  );
});

for (const call of ["GEM_SUBMIT", "WAIT_FENCE", "GEM_CPU_PREP"])
  test(`a device that is lost in ${call} ends everything, and says so`, () =>
    using({}, async (opened) => {
      const { drm, transport, session } = opened;
      await expectAnswer(opened);
      const other = await createSession(model.executable, transport);
      drm.fault = (name) => (name === call ? ERRNO.ENODEV : undefined);
      const runs = [session, other].map((s) => failureOf(s.run(model.inputs(0))));
      for (const { code } of await Promise.all(runs)) assert.is(code, "TW_IO_DEVICE_LOST");
      const { kind, message } = await transport.disconnected;
      assert.is(kind, "lost");
      assert.match(message, "ENODEV");
      drm.fault = () => undefined;
      await expectCode(session.run(model.inputs(0)), "TW_IO_DEVICE_LOST");
      await expectCode(transport.load(model.executable), "TW_IO_DEVICE_LOST");
    }));

test("opening fails where the init stream fails, and closes the file", async () => {
  const drm = new FakeDrm();
  drm.fault = (call) => (call === "GEM_SUBMIT" ? ERRNO.ENOMEM : undefined);
  await expectCode(openDrmAmong(drm), "TW_IO_MEMORY");
  assert.equal(drm.held, { files: 0, buffers: 0, mappings: 0 });
  const signal = AbortSignal.abort();
  await expectCode(openDrmAmong(new FakeDrm(), { signal }), "TW_IO_ABORTED");
  // Also while the device is silent.
  const silent = Object.assign(new FakeDrm(), { fate: fates({ 0: "never" }) });
  const options = { signal: AbortSignal.timeout(30), closeMs: 30 };
  await expectCode(openDrmAmong(silent, options), "TW_IO_ABORTED");
  assert.equal(silent.held, { files: 0, buffers: 0, mappings: 0 });
});

test("a stream that is not what the compiler wrote is refused at load, unless nobody checks", async () => {
  const executable = structuredClone(model.executable);
  const { buffers, stream } = executable.partitions[0]!;
  const words = buffers[stream]!.contents!;
  // The write of GL_NN_CONFIG becomes one of another state.
  const at = words.findIndex((byte, i) => i % 8 === 0 && byte === 0x4c && words[i + 1] === 0x0e);
  words[at + 1] = 0x0d;
  await using({}, async ({ transport }) => {
    const { message } = await expectCode(transport.load(executable), "TW_CHECK_STATE");
    assert.match(message, /^partition 0: /);
  });
  const drm = new FakeDrm();
  const transport = await openDrmAmong(drm, { check: false });
  await (await transport.load(executable)).release();
  await transport.close();
});

test("a stream or a list that is larger than the kernel takes is refused by name", async () => {
  const executable = structuredClone(model.executable);
  const { buffers, stream } = executable.partitions[0]!;
  buffers[stream]!.contents = new Uint8Array(128 * 1024 + 8);
  buffers[stream]!.bytes = 128 * 1024 + 8;
  executable.partitions[0]!.relocations = executable.partitions[0]!.relocations.filter(
    ({ buffer }) => buffer !== stream,
  );
  const transport = await openDrmAmong(new FakeDrm(), { check: false });
  const loaded = await transport.load(executable);
  const { message } = await expectCode(loaded.submit(model.inputs(0)), "TW_CHECK_LIMIT");
  assert.match(message, "131080 bytes");
  await transport.close();
});

test("a profile is one submit a job, with the counters of HI and MC", () =>
  using(
    {
      nodes: [
        {
          cores: [npu("a311d")],
          perf: [
            { name: "HI", signals: ["TOTAL_CYCLES", "IDLE_CYCLES"] },
            { name: "PE", signals: ["PIXELS"] },
            { name: "MC", signals: ["TOTAL_READ_REQ_8B_FROM_PIPELINE"] },
            { name: "TX", signals: [] },
          ],
        },
      ],
    },
    async (opened) => {
      const { session, drm, transport } = opened;
      assert.equal(
        transport.perfDomains().map(({ name, signals }) => [name, signals.length]),
        [["HI", 2], ["PE", 1], ["MC", 1], ["TX", 0]],
      ); // prettier-ignore
      const jobs = model.executable.partitions.flatMap((partition) => partition.jobs);
      const result = await session.run(model.inputs(0), { profile: true });
      const right = await model.answer(0);
      assert.ok(result.outputs.every((bytes, i) => sameBytes(bytes, right[i]!)));
      assert.is(drm.submits.length, 1 + jobs.length);
      assert.ok(drm.submits.slice(1).every(({ pmrs }) => pmrs === 6));
      assert.is(result.jobs!.length, jobs.length);
      for (const { counters } of result.jobs!)
        // The kernel inside the process counts 100, 101, … over the end of 32 bits.
        assert.equal(counters, {
          "HI.TOTAL_CYCLES": 100,
          "HI.IDLE_CYCLES": 101,
          "MC.TOTAL_READ_REQ_8B_FROM_PIPELINE": 102,
        });
      await expectAnswer(opened, 1);
      assert.is(drm.submits.at(-1)!.pmrs, 0);
    },
  ));

test("a profile without counters has empty ones", () =>
  using({}, async ({ session }) => {
    const { jobs } = await session.run(model.inputs(0), { profile: true });
    assert.ok(jobs!.length > 0);
    for (const { counters } of jobs!) assert.equal(counters, {});
  }));

test("errors are NpuErrors whatever happens between the calls", () =>
  using({ fate: fates({ 1: { lateMs: 60 } }) }, async ({ session, transport }) => {
    const running = session.run(model.inputs(0));
    const outcome = running.then(
      () => null,
      (error: unknown) => error,
    );
    await transport.close();
    const error = await outcome;
    if (error !== null) {
      assert.instance(error, NpuError);
      assert.is((error as NpuError).code, "TW_IO_CLOSED");
    }
  }));

test.run();

for (const chip of ["a311d", "imx8mp"])
  transportSuite(
    `drm on a kernel inside the process, ${chip}`,
    () => openDrmAmong(new FakeDrm([{ cores: [GPU, npu(chip)] }])),
    { chip, profiles: true },
  );
