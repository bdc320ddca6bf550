// The client: credits, runs that wait, time limits, loads and uploads, releases.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NpuError } from "../../../core-as/errors.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { CANCEL, CHUNK, LOADED } from "../../../transport-ws/protocol.ts";
import { codeOf, errorOf, setUp, tearDown, type SetUp } from "../../helpers/board-client.ts";
import { answerTo, inputOf, TINY, TINY_BYTES, until } from "../../helpers/board.ts";

const test = suite("board client");

test("says what the board is", async () => {
  const all = await setUp({
    agent: { device: "/dev/dri/renderD128", evidence: "measured", software: "1.2" },
  });
  const { capabilities, chip, url, name } = all.board;
  assert.equal(
    [name, url, chip.customerId],
    ["ws", "test://board", chipByName("a311d")!.customerId],
  );
  assert.equal(
    [capabilities.chipName, capabilities.device, capabilities.evidence, capabilities.agentVersion],
    ["a311d", "/dev/dri/renderD128", "measured", "1.2"],
  );
  assert.equal([capabilities.protocol, capabilities.protocolVersions], [1, { min: 1, max: 1 }]);
  assert.ok((await all.board.ping()) >= 0);
  await tearDown(all);
});

test("keeps to its credits; what is beyond them waits here, in order, and only so much", async () => {
  const all = await setUp({
    manual: true,
    agent: { concurrentRuns: 1, limits: { runsPerConnection: 2 } },
    client: { maxWaitingRuns: 3 },
  });
  const { board, transport } = all;
  const loaded = await board.load(TINY);
  const results = [0, 1, 2, 3, 4].map((run) => loaded.submit(inputOf(run)));
  assert.equal([board.stats().sent, board.stats().waiting], [2, 3]);
  const tooMany = await errorOf(loaded.submit(inputOf(5)));
  assert.is(tooMany.code, "TW_IO_LIMIT");
  assert.match(tooMany.message, "3 runs with 84 bytes wait");
  for (let run = 0; run < 5; run++) {
    await until("its turn", () => transport.pending.length === 1);
    assert.is(transport.pending[0]!.run, run);
    assert.ok(board.stats().sent <= 2);
    transport.finish();
    assert.equal((await results[run]!).outputs, [answerTo(run)]);
  }
  assert.equal([...transport.executed.keys()], [0, 1, 2, 3, 4]);
  await tearDown(all);
});

test("waiting bytes are bounded, too", async () => {
  const all = await setUp({
    manual: true,
    agent: { limits: { runsPerConnection: 1 } },
    client: { maxWaitingBytes: 60 },
  });
  const loaded = await all.board.load(TINY);
  const results = [0, 1, 2].map((run) =>
    loaded.submit(inputOf(run)).catch((error: NpuError) => error.code),
  );
  assert.is(await codeOf(loaded.submit(inputOf(3))), "TW_IO_LIMIT");
  await all.board.close();
  assert.equal(await Promise.all(results), ["TW_IO_CLOSED", "TW_IO_CLOSED", "TW_IO_CLOSED"]);
  await tearDown(all);
});

test("inputs may be changed after the submit", async () => {
  const all = await setUp({ agent: { limits: { runsPerConnection: 1 } } });
  const loaded = await all.board.load(TINY);
  const inputs = inputOf(1);
  const results = [loaded.submit(inputs), loaded.submit(inputs)];
  inputs[0]!.fill(0);
  for (const { outputs } of await Promise.all(results)) assert.equal(outputs, [answerTo(1)]);
  await tearDown(all);
});

test("a run that waits here is aborted without a word to the board", async () => {
  const all = await setUp({ manual: true, agent: { limits: { runsPerConnection: 1 } } });
  const loaded = await all.board.load(TINY);
  const first = loaded.submit(inputOf(0));
  const controller = new AbortController();
  const second = loaded.submit(inputOf(1), { signal: controller.signal });
  controller.abort(new Error("enough"));
  const error = await errorOf(second);
  assert.equal([error.code, (error.cause as Error).message], ["TW_IO_ABORTED", "enough"]);
  all.transport.finish();
  await first;
  assert.not(all.sent.includes(CANCEL.type));
  assert.equal([...all.transport.executed.keys()], [0]);
  await tearDown(all);
});

test("a run that was sent is aborted at once, the board is asked to take it back, its credit returns", async () => {
  const all = await setUp({ manual: true, agent: { limits: { runsPerConnection: 1 } } });
  const { board, transport, sent } = all;
  const loaded = await board.load(TINY);
  const controller = new AbortController();
  const run = loaded.submit(inputOf(0), { signal: controller.signal });
  await until("it runs", () => transport.pending.length === 1);
  controller.abort();
  assert.is(await codeOf(run), "TW_IO_ABORTED");
  assert.ok(sent.includes(CANCEL.type));
  const next = loaded.submit(inputOf(1));
  await until("the next runs", () => transport.pending[0]?.run === 1);
  transport.finish();
  assert.equal((await next).outputs, [answerTo(1)]);
  await tearDown(all);
});

test("a time limit holds whatever the board does", async () => {
  const all = await setUp({ manual: true });
  const loaded = await all.board.load(TINY);
  const error = await errorOf(loaded.submit(inputOf(0), { timeoutMs: 5 }));
  assert.is(error.code, "TW_IO_TIMEOUT");
  assert.match(error.message, "longer than 5 ms");
  await until("it was taken back", () => all.transport.pending.length === 0);
  await tearDown(all);
});

test("a profile and the board's time arrive", async () => {
  const all = await setUp();
  const loaded = await all.board.load(TINY);
  const { jobs, milliseconds } = await loaded.submit(inputOf(0), { profile: true });
  assert.equal(jobs, [{ partition: 0, job: 1, milliseconds: 2, counters: { "MC.READ": 3 } }]);
  assert.ok(milliseconds! >= 0);
  assert.is((await loaded.submit(inputOf(0))).jobs, undefined);
  await tearDown(all);
});

test("uploads once, tells how far it is, and not again for what the board has", async () => {
  const progress: [number, number][] = [];
  const all = await setUp({ client: { onUploadProgress: (...step) => progress.push(step) } });
  const a = await all.board.load(TINY);
  assert.equal(
    [progress[0], progress.at(-1)],
    [
      [0, TINY_BYTES.length],
      [TINY_BYTES.length, TINY_BYTES.length],
    ],
  );
  const before = progress.length;
  const b = await all.board.load(TINY);
  assert.is(progress.length, before);
  assert.is(all.sent.filter((type) => type === CHUNK.type).length, 1);
  await a.release();
  assert.equal((await b.submit(inputOf(4))).outputs, [answerTo(4)]);
  await tearDown(all);
});

for (const [when, type, direction] of [
  ["while it is uploaded", CHUNK.type, "to agent"],
  ["when its answer is on the way", LOADED.type, "to client"],
] as const)
  test(`a load that is given up ${when} leaves nothing on the board`, async () => {
    const controller = new AbortController();
    let held = 0;
    const all: SetUp = await setUp({
      fate: (frame, to) => {
        if (to === direction && frame[0] === type) {
          held = all.agent.stats().memory;
          controller.abort();
        }
        return frame;
      },
    });
    const load = all.board.load(TINY, { signal: controller.signal });
    assert.is(await codeOf(load), "TW_IO_ABORTED");
    assert.ok(held > 0);
    await until(
      "nothing is left",
      () => all.agent.stats().memory === 0 && all.board.stats().sessions === 0,
    );
    assert.equal([all.agent.stats().uploads, all.agent.stats().sessions], [0, 0]);
    // The connection is none the worse for it.
    assert.equal([all.agent.stats().connections, all.board.stats().reconnects], [1, 0]);
    const loaded = await all.board.load(TINY);
    assert.equal((await loaded.submit(inputOf(1))).outputs, [answerTo(1)]);
    await tearDown(all);
  });

test("a release waits for the runs before it", async () => {
  const all = await setUp({ manual: true });
  const loaded = await all.board.load(TINY);
  const run = loaded.submit(inputOf(0));
  const released = loaded.release();
  assert.is(await codeOf(loaded.submit(inputOf(1))), "TW_IO_CLOSED");
  await until("it runs", () => all.transport.pending.length === 1);
  assert.is(all.transport.released, 0);
  all.transport.finish();
  assert.equal((await run).outputs, [answerTo(0)]);
  await released;
  assert.is(all.transport.released, 1);
  await loaded.release();
  await tearDown(all);
});

test("close answers everything, and the board drops what it had", async () => {
  const all = await setUp({ manual: true, agent: { limits: { runsPerConnection: 2 } } });
  const loaded = await all.board.load(TINY);
  const results = [0, 1, 2].map((run) => codeOf(loaded.submit(inputOf(run))));
  await until("it runs", () => all.transport.pending.length === 1);
  await all.board.close();
  assert.equal(await Promise.all(results), ["TW_IO_CLOSED", "TW_IO_CLOSED", "TW_IO_CLOSED"]);
  assert.equal(await all.board.disconnected, {
    kind: "closed",
    message: "the board's transport was closed",
  });
  assert.is(await codeOf(all.board.ping()), "TW_IO_CLOSED");
  await until("stopped", () => all.transport.pending.length === 0);
  assert.equal([...all.transport.executed.keys()], [0]);
  await tearDown(all);
  assert.is(all.agent.stats().clients, 0);
});

test.run();
