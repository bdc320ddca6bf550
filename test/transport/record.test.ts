// Recording over the simulator, replaying what was recorded, and damaged recordings.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { SimFault, TransportError, type ErrorCode } from "../../core-as/errors.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import {
  createRecordTransport,
  type RecordOptions,
  type RecordTransport,
} from "../../core-as/runtime/record-transport.ts";
import {
  ALIGNMENT,
  HEADER_BYTES,
  RECORD,
  RECORD_HEAD_BYTES,
} from "../../core-as/runtime/recording/format.ts";
import { readRecording } from "../../core-as/runtime/recording/reader.ts";
import { recordCrc } from "../../core-as/runtime/recording/writer.ts";
import { createReplayTransport } from "../../core-as/runtime/replay-transport.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { cliModel } from "../helpers/cli-models.ts";
import { rng } from "../helpers/prng.mjs";
import { modelFor, withBadCoefficients } from "./cts-models.ts";
import { expectCode, failureOf } from "./cts-rig.ts";
import { transportSuite } from "./cts.ts";

const CHIP = chipByName("a311d")!;

/** Chunks of a recording. */
class Tape {
  readonly chunks: Uint8Array[] = [];
  readonly sink = (chunk: Uint8Array): void => void this.chunks.push(chunk);

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks));
  }
}

const tapes: Tape[] = [];
transportSuite("record", async () => {
  const tape = new Tape();
  tapes.push(tape);
  return createRecordTransport(createSimTransport(CHIP), tape.sink);
});

// The suite does the same again, so its n-th transport needs the n-th recording.
let opened = 0;
transportSuite("replay", async () => createReplayTransport(tapes[opened++]!.bytes), {
  instant: true,
});

const test = suite("recordings");

/** Records what `body` does with a simulator. */
async function record(
  body: (transport: RecordTransport) => Promise<void>,
  options: RecordOptions = {},
  inner: Transport = createSimTransport(CHIP),
): Promise<Uint8Array> {
  const tape = new Tape();
  const transport = createRecordTransport(inner, tape.sink, options);
  await body(transport);
  await transport.close();
  assert.is(transport.recorded.bytes, tape.bytes.length);
  return tape.bytes;
}

test("holds transport, chip, times and outcomes, equal tensors once", async () => {
  const model = await modelFor("mixed", "a311d");
  const bytes = await record(async (transport) => {
    const session = await createSession(model.executable, transport);
    for (const number of [0, 1, 0, 0]) await session.run(model.inputs(number));
    assert.is(transport.recorded.runs, 4);
  });
  const recording = await readRecording(bytes);
  assert.is(recording.transport, "sim");
  assert.is(recording.chip.customerId, CHIP.customerId);
  assert.is(recording.blobs.length, 4);
  assert.equal(
    recording.runs.map(({ inputs, timeoutMs, profile }) => ({ inputs, timeoutMs, profile })),
    [0, 2, 0, 0].map((input) => ({ inputs: [input], timeoutMs: null, profile: false })),
  );
  for (const { milliseconds, outcome } of recording.runs) {
    assert.ok(milliseconds >= 0);
    assert.ok("evidence" in outcome && outcome.evidence === "simulated");
    assert.ok("timings" in outcome && outcome.timings.length === model.executable.steps.length);
  }
});

test("answers as recorded, in any order and as often as asked", async () => {
  const model = await modelFor("mixed", "a311d");
  const recorded: number[] = [];
  const bytes = await record(async (transport) => {
    const session = await createSession(model.executable, transport);
    for (const number of [0, 1]) {
      const { timings } = await session.run(model.inputs(number));
      recorded.push(timings[0]!.milliseconds);
    }
  });
  const replay = await createReplayTransport(bytes);
  assert.is(replay.recordedTransport, "sim");
  assert.is(replay.executables.length, 1);
  const session = await createSession(model.executable, replay);
  for (const number of [1, 0, 1]) {
    const { outputs, evidence, timings } = await session.run(model.inputs(number));
    assert.equal(outputs, await model.answer(number));
    assert.is(evidence, "simulated");
    assert.is(timings[0]!.milliseconds, recorded[number]);
  }
});

test("replays errors with code, message and place", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  const bad = withBadCoefficients(model);
  let told: SimFault | undefined;
  const bytes = await record(async (transport) => {
    const session = await createSession(bad, transport);
    told = (await failureOf(session.run(model.inputs(0)))) as SimFault;
  });
  const session = await createSession(bad, await createReplayTransport(bytes));
  const again = await failureOf(session.run(model.inputs(0)));
  assert.instance(again, SimFault);
  assert.equal(
    [again.code, again.message, again.where, again.stage],
    [told!.code, told!.message, told!.where, told!.stage],
  );
});

test("says what is different from the recording", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  const bytes = await record(async (transport) => {
    const session = await createSession(model.executable, transport);
    await session.run(model.inputs(0));
  });
  const replay = await createReplayTransport(bytes);
  const session = await createSession(model.executable, replay);
  const expectMessage = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
    const { message } = await expectCode(promise, "TW_IO_RECORD");
    assert.match(message, pattern);
  };
  await expectMessage(
    session.run(model.inputs(1)),
    /input 0 \(sha256 [0-9a-f]{12}\), but with 1 other:/,
  );
  await expectMessage(
    session.run(model.inputs(0), { profile: true }),
    /and a profile, only the other way round/,
  );
  const other = await modelFor("mixed", "a311d");
  await expectMessage(
    replay.load(other.executable),
    /no executable [0-9a-f]{12}; it has [0-9a-f]{12}:/,
  );
  // An abort is not replayed.
  assert.equal((await session.run(model.inputs(0))).outputs, await model.answer(0));
});

test("what its caller stopped is not replayed; time-outs are, to those with no longer limit", async () => {
  const model = await modelFor("mixed", "a311d");
  const bytes = await record(async (transport) => {
    const loaded = await transport.load(model.executable);
    const controller = new AbortController();
    const aborted = loaded.submit(model.inputs(0), { signal: controller.signal });
    controller.abort();
    await expectCode(aborted, "TW_IO_ABORTED");
    await expectCode(loaded.submit(model.inputs(1), { timeoutMs: 0 }), "TW_IO_TIMEOUT");
  });
  assert.is((await readRecording(bytes)).runs.length, 2);
  const loaded = await (await createReplayTransport(bytes)).load(model.executable);
  const { message } = await expectCode(loaded.submit(model.inputs(0)), "TW_IO_RECORD");
  assert.match(message, "caller stopped");
  await expectCode(loaded.submit(model.inputs(1)), "TW_IO_RECORD");
  await expectCode(loaded.submit(model.inputs(1), { timeoutMs: 10 }), "TW_IO_RECORD");
  await expectCode(loaded.submit(model.inputs(1), { timeoutMs: 0 }), "TW_IO_TIMEOUT");
});

test("a run that would exceed the limit is refused before it starts; the recording stays whole", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  const maxBytes = 20_000;
  let runs = 0;
  const bytes = await record(
    async (transport) => {
      const session = await createSession(model.executable, transport);
      for (let code: ErrorCode | null = null; code === null; runs++)
        code = await session.run(model.inputs(runs)).then(
          () => null,
          (error: TransportError) => error.code,
        );
      const { message } = await expectCode(session.run(model.inputs(99)), "TW_IO_RECORD");
      assert.match(message, /its limit is 20000: raise maxBytes/);
    },
    { maxBytes },
  );
  assert.ok(bytes.length <= maxBytes);
  assert.is((await readRecording(bytes)).runs.length, runs - 1);
  assert.ok(runs > 2);
});

test("a sink that fails stops the runs and the close, with its reason", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  let chunks = 0;
  const transport = createRecordTransport(createSimTransport(CHIP), async () => {
    if (++chunks > 2) throw new Error("disk full");
  });
  const session = await createSession(model.executable, transport);
  for (let i = 0; i < 2; i++) {
    const { message, cause } = await expectCode(session.run(model.inputs(0)), "TW_IO_RECORD");
    assert.match(message, "disk full");
    assert.is((cause as Error).message, "disk full");
  }
  await expectCode(transport.close(), "TW_IO_RECORD");
});

test("a slow sink holds runs back and gets every chunk whole and in order", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  const tape = new Tape();
  let busy = 0;
  const transport = createRecordTransport(createSimTransport(CHIP), async (chunk) => {
    assert.is(busy++, 0);
    await new Promise((resolve) => setImmediate(resolve));
    tape.sink(chunk);
    busy--;
  });
  const session = await createSession(model.executable, transport);
  await Promise.all(Array.from({ length: 12 }, (_, i) => session.run(model.inputs(i % 5))));
  const late = session.run(model.inputs(0)).catch(() => {});
  await transport.close();
  await late;
  const { runs, blobs } = await readRecording(tape.bytes);
  assert.is(runs.length, 13);
  assert.is(blobs.length, 15);
});

test("times that are no amounts do not spoil a recording", async () => {
  const model = await modelFor("twoOutputs", "a311d");
  const sim = createSimTransport(CHIP);
  const odd: Transport = {
    ...sim,
    name: "odd",
    chip: CHIP,
    disconnected: sim.disconnected,
    close: () => sim.close(),
    load: async () => ({
      release: async () => {},
      submit: async () => ({
        outputs: [new Uint8Array(1600), new Uint8Array(1600)],
        evidence: "measured",
        timings: [{ step: 0, kind: "npu", milliseconds: NaN }],
        milliseconds: -1,
        jobs: [{ partition: 0, job: 0, milliseconds: Infinity, counters: { "HI.x": -5 } }],
      }),
    }),
  };
  const bytes = await record(
    async (transport) => {
      const loaded = await transport.load(model.executable);
      for (const timeoutMs of [Infinity, NaN, 5])
        await loaded.submit(model.inputs(0), { profile: true, timeoutMs });
    },
    {},
    odd,
  );
  const { runs } = await readRecording(bytes);
  assert.equal(
    runs.map(({ timeoutMs }) => timeoutMs),
    [null, null, 5],
  );
  const loaded = await (await createReplayTransport(bytes)).load(model.executable);
  const { evidence, milliseconds, jobs } = await loaded.submit(model.inputs(0), { profile: true });
  assert.is(evidence, "measured");
  assert.is(milliseconds, 0);
  assert.equal(jobs, [{ partition: 0, job: 0, milliseconds: 0, counters: { "HI.x": 0 } }]);
});

test("another chip's recording refuses the executable", async () => {
  const bytes = await record(async () => {}, {}, createNullTransport(chipByName("imx8mp")!));
  const replay = await createReplayTransport(bytes);
  const { executable } = await compile(cliModel("fc-i64-o10-u8"));
  await expectCode(replay.load(executable), "TW_EXE_CHIP");
});

/** A recording with every kind of record. */
async function sample(): Promise<Uint8Array> {
  const model = await modelFor("twoOutputs", "a311d");
  const bad = withBadCoefficients(model);
  return record(async (transport) => {
    const session = await createSession(model.executable, transport);
    await session.run(model.inputs(0), { timeoutMs: 60_000 });
    await session.run(model.inputs(1), { profile: true });
    const failing = await createSession(bad, transport);
    await failureOf(failing.run(model.inputs(0)));
  });
}

async function expectDamaged(bytes: Uint8Array, what: string): Promise<void> {
  try {
    await createReplayTransport(bytes);
  } catch (error) {
    assert.instance(error, TransportError, `${what}: ${String(error)}`);
    const { code, where } = error as TransportError;
    assert.is(code, "TW_IO_RECORD", what);
    assert.ok(where.byteOffset! >= 0 && where.byteOffset! <= bytes.length, what);
    return;
  }
  throw new Error(`${what}: accepted`);
}

test("every truncation of a recording is refused with an offset", async () => {
  const bytes = await sample();
  await createReplayTransport(bytes);
  for (let length = 0; length < bytes.length; length++)
    await expectDamaged(bytes.subarray(0, length), `first ${length} bytes`);
  await expectDamaged(Uint8Array.of(...bytes, 0), "a byte too many");
});

test("10,000 mutated recordings are refused with an offset", async () => {
  const bytes = await sample();
  const random = rng("recordings/mutations");
  for (let i = 0; i < 10_000; i++) {
    const copy = bytes.slice();
    const at = random.next() % bytes.length;
    const kind = i % 3;
    if (kind === 0) copy[at]! ^= 1 << (random.next() & 7);
    else if (kind === 1) copy[at]! ^= 1 + (random.next() % 255);
    // Parts moved: a block of words copied over another one.
    else copy.copyWithin(at & ~3, (random.next() % bytes.length) & ~3, (at & ~3) + 64);
    if (copy.every((byte, j) => byte === bytes[j])) continue;
    await expectDamaged(copy, `mutation ${i}`);
  }
});

test("10,000 lies under right checksums are refused, or are no lies", async () => {
  const bytes = await sample();
  const view = new DataView(bytes.buffer);
  const records: { at: number; length: number }[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const length = view.getUint32(at + RECORD.bytes, true);
    records.push({ at, length });
    at += RECORD_HEAD_BYTES + Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  }
  const random = rng("recordings/lies");
  let refused = 0;
  for (let i = 0; i < 10_000; i++) {
    const copy = bytes.slice();
    const { at, length } = records[random.next() % records.length]!;
    // Mostly the first words: counts, lengths, indices.
    const field = random.next() % Math.min(length, i % 2 === 0 ? 96 : length);
    const value = [0, 1, 0x7f, 0x80, 0xff, random.byte()][random.next() % 6]!;
    copy.fill(value, at + RECORD_HEAD_BYTES + field, at + RECORD_HEAD_BYTES + field + 1 + (i & 3));
    copy.set(bytes.subarray(at + RECORD_HEAD_BYTES + length), at + RECORD_HEAD_BYTES + length);
    const crc = recordCrc(copy.subarray(at), length);
    new DataView(copy.buffer).setUint32(at + RECORD.crc, crc, true);
    try {
      await readRecording(copy);
    } catch (error) {
      assert.instance(error, TransportError, `lie ${i}: ${String(error)}`);
      assert.is((error as TransportError).code, "TW_IO_RECORD");
      assert.type((error as TransportError).where.byteOffset, "number");
      refused++;
    }
  }
  assert.ok(refused > 5_000, String(refused));
});

test.run();
