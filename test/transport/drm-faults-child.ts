// Faults of the kernel and what becomes of them; runs in a process under the mock kernel (drm-faults.test.ts).
// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ErrorCode } from "../../core-as/errors.ts";
import { createSession, type Session } from "../../core-as/runtime/session.ts";
import { openDrm, type DrmOptions, type DrmTransport } from "../../transport-node/index.ts";
import { MockControl, type MockFault } from "../mock-kernel/control.ts";
import { modelFor, type Model } from "./cts-models.ts";
import { expectCode, sameBytes } from "./cts-rig.ts";

const control = MockControl.fromEnvironment();
const test = suite("drm, faults of the kernel");
const HANG: DrmOptions = { hangMs: 50, closeMs: 100 };

let model: Model;
let outside: string;
test.before(async () => {
  model = await modelFor("twoOutputs", "a311d");
  // Whatever loads late: the executor's connection, the addon.
  const transport = await openDrm();
  await expectAnswer(await createSession(model.executable, transport));
  await transport.close();
  outside = held();
});
test.after.each(() => {
  control.clear();
});

/** Everything of this process and of the kernel that a transport could leave behind, as one text. */
function held(): string {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "");
    } catch {
      return "";
    }
  });
  const maps = readFileSync("/proc/self/maps", "utf8").match(/memfd:\S*/g) ?? [];
  const { files, buffers, bytes, mappings } = control.stats().live;
  const descriptors = links.filter((link) => !/^(anon_inode|pipe|socket|$)/.test(link)).sort();
  return JSON.stringify({ files, buffers, bytes, mappings, maps: maps.length, descriptors });
}

/** Waits for what a thread or the kernel still has to do. */
async function expectNothingHeld(): Promise<void> {
  const end = performance.now() + 10_000;
  while (held() !== outside) {
    if (performance.now() > end) return assert.is(held(), outside);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function using(
  body: (transport: DrmTransport, session: Session) => Promise<void>,
  options: DrmOptions = {},
): Promise<void> {
  const transport = await openDrm(options);
  try {
    await body(transport, await createSession(model.executable, transport));
  } finally {
    await transport.close();
  }
  assert.equal(transport.stats(), { buffers: 0, bytes: 0, mappings: 0 });
  await expectNothingHeld();
}

async function expectAnswer(session: Session, number = 0): Promise<void> {
  const { outputs, evidence } = await session.run(model.inputs(number));
  const right = await model.answer(number);
  assert.ok(
    outputs.every((bytes, i) => sameBytes(bytes, right[i]!)),
    "wrong answer",
  );
  assert.is(evidence, "simulated");
}

/** One fault in a run: the run fails so, and the next one is right. */
function faultTest(fault: MockFault, code: ErrorCode, text: RegExp | string): void {
  test(`${fault.on} fails with ${fault.fault}: ${code}, and the next run succeeds`, () =>
    using(async (_, session) => {
      await expectAnswer(session);
      control.inject(fault);
      const { message } = await expectCode(session.run(model.inputs(1)), code);
      assert.match(message, text);
      control.clear();
      await expectAnswer(session, 1);
    }, HANG));
}

faultTest({ on: "submit", fault: "ENOMEM" }, "TW_IO_MEMORY", "ENOMEM");
faultTest({ on: "submit", fault: "EINVAL" }, "TW_IO_DEVICE", "GEM_SUBMIT failed with EINVAL");
faultTest({ on: "submit", fault: "hang" }, "TW_IO_HANG", "never written");
faultTest({ on: "cpuPrep", fault: "EINVAL" }, "TW_IO_DEVICE", "GEM_CPU_PREP failed with EINVAL");
faultTest({ on: "waitFence", fault: "EINVAL" }, "TW_IO_DEVICE", "WAIT_FENCE failed with EINVAL");

/** Faults that pass: the answer is right all the same. */
const PASSING: readonly MockFault[] = [
  { on: "submit", fault: "EINTR", times: 5 },
  { on: "submit", fault: "EAGAIN", times: 3 },
  { on: "submit", fault: "EBUSY", times: 3 },
  { on: "submit", fault: "ENOSPC", times: 3 },
  { on: "waitFence", fault: "EINTR", times: 20 },
  { on: "waitFence", fault: "EAGAIN", times: 5 },
  { on: "waitFence", fault: "ETIMEDOUT", times: 5 },
  { on: "cpuPrep", fault: "EINTR", times: 20 },
  { on: "cpuPrep", fault: "EBUSY", times: 4 },
  { on: "cpuPrep", fault: "EAGAIN", times: 4 },
  { on: "cpuFini", fault: "EINTR", times: 20 },
  { on: "submit", fault: "late", milliseconds: 700 },
];
for (const fault of PASSING)
  test(`${fault.on} with ${fault.fault}, ${fault.times ?? 1} times: nobody notices`, () =>
    using(async (_, session) => {
      await expectAnswer(session);
      const before = control.stats().injected;
      control.inject(fault);
      await expectAnswer(session, 1);
      assert.is(control.stats().injected, before + ((fault.times as number | undefined) ?? 1));
    }));

for (const on of ["gemNew", "gemInfo", "mmap"] as const)
  for (const skip of [0, 2, 5])
    test(`no memory in ${on} number ${skip} of a load: nothing of it stays`, () =>
      using(async (transport, session) => {
        const before = transport.stats();
        control.inject({ on, fault: "ENOMEM", skip });
        const { message } = await expectCode(transport.load(model.executable), "TW_IO_MEMORY");
        assert.match(message, "ENOMEM");
        assert.equal(transport.stats(), before);
        await expectAnswer(session);
        await (await transport.load(model.executable)).release();
        assert.equal(transport.stats(), { ...before, mappings: transport.stats().mappings });
      }));

test("a fence that does not come in time: the run is given up, the next one waits for it", () =>
  using(async (_, session) => {
    await expectAnswer(session);
    control.inject({ on: "submit", fault: "late", milliseconds: 400 });
    const { message } = await expectCode(
      session.run(model.inputs(1), { timeoutMs: 50 }),
      "TW_IO_TIMEOUT",
    );
    assert.match(message, "50 ms");
    await expectAnswer(session, 1);
  }));

test("a run that is given up does not lose its buffers: releasing and closing wait for it", () =>
  using(async (transport, session) => {
    await expectAnswer(session);
    control.inject({ on: "submit", fault: "late", milliseconds: 300 });
    await expectCode(session.run(model.inputs(1), { timeoutMs: 20 }), "TW_IO_TIMEOUT");
    await session.close();
    assert.is(transport.stats().buffers, 0);
    assert.is(control.stats().live.jobs, 0, "no job is running any more");
  }));

test("closing does not wait longer than it says: the job is still running then", async () => {
  const transport = await openDrm(HANG);
  const session = await createSession(model.executable, transport);
  await expectAnswer(session);
  control.inject({ on: "submit", fault: "late", milliseconds: 1500 });
  await expectCode(session.run(model.inputs(1), { timeoutMs: 20 }), "TW_IO_TIMEOUT");
  await transport.close();
  assert.is(control.stats().live.jobs, 1);
  assert.equal(transport.stats(), { buffers: 0, bytes: 0, mappings: 0 });
  await expectNothingHeld();
});

test("timers go on while a fence is waited for", () =>
  using(async (_, session) => {
    control.inject({ on: "submit", fault: "late", milliseconds: 300 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await expectAnswer(session);
    clearInterval(timer);
    assert.ok(ticks > 5, `${ticks} ticks of 5 ms in 300 ms`);
  }));

for (const on of ["submit", "waitFence", "cpuPrep", "gemNew"] as const)
  test(`a device that is lost in ${on}: everything ends, and says so`, () =>
    using(async (transport, session) => {
      await expectAnswer(session);
      const other = await createSession(model.executable, transport);
      control.inject({ on, fault: "lost" });
      const runs =
        on === "gemNew"
          ? [transport.load(model.executable)]
          : [session, other].map((each) => each.run(model.inputs(0)));
      await Promise.all(runs.map((run: Promise<unknown>) => expectCode(run, "TW_IO_DEVICE_LOST")));
      const { kind, message } = await transport.disconnected;
      assert.is(kind, "lost");
      assert.match(message, "ENODEV");
      await expectCode(session.run(model.inputs(0)), "TW_IO_DEVICE_LOST");
      await expectCode(transport.load(model.executable), "TW_IO_DEVICE_LOST");
    }));

test("after a loss the device can be opened again when it is back", async () => {
  control.setLost(true);
  const lost = await openDrm().then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(lost instanceof Error);
  control.clear();
  await using((_, session) => expectAnswer(session));
});

test("several transports and sessions at once, one of which hangs", async () => {
  const transports = await Promise.all([1, 2, 3].map(() => openDrm(HANG)));
  const sessions = await Promise.all(
    transports.flatMap((transport) => [1, 2].map(() => createSession(model.executable, transport))),
  );
  control.inject({ on: "submit", fault: "hang", skip: 7 });
  const runs = Array.from({ length: 36 }, (_, i) =>
    expectAnswer(sessions[i % sessions.length]!, i % 3).then(
      () => "right",
      (error: { code?: string }) => error.code ?? String(error),
    ),
  );
  const outcomes = await Promise.all(runs);
  assert.equal(
    outcomes.filter((outcome) => outcome !== "right"),
    ["TW_IO_HANG"],
  );
  await Promise.all(transports.map((transport) => transport.close()));
  await expectNothingHeld();
});

test("a profile has the counters of HI and MC, and they count", () =>
  using(async (transport, session) => {
    const names = transport.perfDomains().map(({ name }) => name);
    assert.ok(names.includes("HI") && names.includes("MC"), String(names));
    const { jobs } = await session.run(model.inputs(0), { profile: true });
    assert.ok(jobs!.length > 1);
    for (const { counters } of jobs!) {
      assert.ok(Object.keys(counters).every((name) => /^(HI|MC)\./.test(name)));
      assert.ok(counters["HI.TOTAL_CYCLES"]! > 0, JSON.stringify(counters));
    }
    await expectAnswer(session);
  }));

test("a hang in a profile is told as one", () =>
  using(async (_, session) => {
    control.inject({ on: "submit", fault: "hang", times: model.jobs.length });
    await expectCode(session.run(model.inputs(1), { profile: true }), "TW_IO_HANG");
    await expectAnswer(session);
  }, HANG));

test("the kernel had nothing to complain about", () => {
  const refused = control.log("refused").map(({ text }) => text);
  assert.equal(refused, []);
  assert.equal(control.log("warning"), []);
});

test.run();
