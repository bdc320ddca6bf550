// serve --pool, run --on nats://…, bench and boards --pool, as processes around a nats-server.
// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cliModel } from "../helpers/cli-models.ts";
import { Served, tilewright, type Outcome } from "../helpers/cli-process.ts";
import { NATS_SERVER, startNatsServer, type NatsServer } from "../helpers/nats-server.ts";
import { needTool } from "../helpers/tools.ts";

if (needTool("command line on pools", "nats-server", NATS_SERVER !== null)) {
  const test = suite("command line on pools");
  const folder = mkdtempSync(join(tmpdir(), "tilewright-pool-"));
  let nats: NatsServer;
  let pool: string;
  const boards: Served[] = [];

  test.before(async () => {
    writeFileSync(join(folder, "m.tflite"), cliModel("chain-pool-i16x16x8-o16-k3-u8"));
    writeFileSync(join(folder, "in.bin"), new Uint8Array(2048));
    writeFileSync(join(folder, "queue-token"), "s3cret\n", { mode: 0o600 });
    nats = await startNatsServer('authorization { token: "s3cret" }');
    pool = `${nats.url}/kitchen`;
  });
  test.after(async () => {
    for (const board of boards) board.send("SIGKILL");
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<Outcome> =>
    tilewright([...args, "--pool-token-file", "queue-token"], { cwd: folder });

  async function joinAs(name: string, ...more: string[]): Promise<Served> {
    const args = ["--pool", pool, "--name", name, "--pool-token-file", "queue-token", ...more];
    const served = await Served.start(args, { cwd: folder, event: "joined" });
    boards.push(served);
    return served;
  }

  function expectOk({ code, stdout, stderr }: Outcome): string {
    assert.is(code, 0, stderr);
    return stdout;
  }

  test("an empty pool says how to fill it", async () => {
    assert.match(
      expectOk(await run("boards", "--pool", pool)),
      `no board is in the pool ${pool}; "tilewright serve --pool ${pool}" adds one`,
    );
  });

  test("boards join and are listed with their health; runs and benchmarks find them", async () => {
    await Promise.all([joinAs("alpha"), joinAs("beta")]);
    const text = expectOk(await run("boards", "--pool", pool));
    for (const name of ["alpha", "beta"])
      assert.match(text, new RegExp(`^${name} +a311d +sim +simulated +ready +0/\\d+ `, "m"));
    assert.match(text, /^2 boards, 2 ready/m);

    const answer = expectOk(await run("run", "m.tflite", "--input", "in.bin", "--on", pool));
    assert.match(answer, /^simulated, says a board of the pool nats:\S+; round trip \d+ ms/m);
    const args = ["--on", pool, "--runs", "40", "--concurrency", "8", "--warmup", "0", "--json"];
    const bench = JSON.parse(expectOk(await run("bench", "m.tflite", ...args))) as {
      evidence: string;
      runs: number;
    };
    assert.equal([bench.evidence, bench.runs], ["simulated", 40]);

    const listed = JSON.parse(expectOk(await run("boards", "--pool", pool, "--json"))) as {
      name: string;
      completed: number;
      failed: number;
    }[];
    assert.equal(
      listed.map(({ name }) => name),
      ["alpha", "beta"],
    );
    // Each board had a part of it, and nothing was run twice.
    assert.is(
      listed.reduce((sum, { completed }) => sum + completed, 0),
      41,
    );
    assert.ok(listed.every(({ failed }) => failed === 0));
  });

  test("a board that serves a port, too, takes runs from both sides", async () => {
    const both = await joinAs("gamma", "--listen", "0");
    expectOk(await run("run", "m.tflite", "--input", "in.bin", "--on", both.url));
    assert.is(await both.stop(), 0);
    assert.not.match(expectOk(await run("boards", "--pool", pool)), "gamma");
  });

  test("boards of another chip are chosen by --target", async () => {
    const other = await joinAs("delta", "--target", "imx8mp");
    const args = ["run", "m.tflite", "--input", "in.bin", "--on", pool];
    const { code, stderr } = await run(...args);
    assert.is(code, 2, stderr);
    assert.match(stderr, /a311d and imx8mp|imx8mp and a311d/);
    expectOk(await run(...args, "--target", "imx8mp"));
    assert.is(await other.stop(), 0);
  });

  test("without the queue server's token nothing goes, and nobody prints it", async () => {
    const { code, stderr } = await tilewright(["boards", "--pool", pool], { cwd: folder });
    assert.is(code, 3, stderr);
    assert.match(stderr, /\[TW_IO_AUTH\]$/m);
    for (const board of boards) assert.not.match(board.text, "s3cret");
  });

  test("boards leave in order", async () => {
    const [alpha, beta] = boards;
    assert.is(await alpha!.stop(), 0);
    assert.match(expectOk(await run("boards", "--pool", pool)), /^1 board, 1 ready/m);
    assert.is(await beta!.stop(), 0);
  });

  test.run();
}
