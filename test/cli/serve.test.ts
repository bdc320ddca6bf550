// tilewright serve, and run, bench and boards against it, as processes over loopback.
// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { connectBoard } from "../../transport-ws/server/index.ts";
import { cliModel } from "../helpers/cli-models.ts";
import { tilewright, withServed, type Outcome, type Served } from "../helpers/cli-process.ts";
import { rng } from "../helpers/prng.mjs";
import { needTool, works } from "../helpers/tools.ts";

const test = suite("serve");
const folder = mkdtempSync(join(tmpdir(), "tilewright-serve-"));
const TOKEN = "correct-horse-battery-staple";

test.before(() => {
  const random = rng("cli/serve");
  const put = (name: string, bytes: Uint8Array | string, mode = 0o600): void =>
    writeFileSync(join(folder, name), bytes, { mode });
  put("m.tflite", cliModel("chain-pool-i16x16x8-o16-k3-u8"));
  put(
    "in.bin",
    Uint8Array.from({ length: 2048 }, () => random.byte()),
  );
  put("token", `${TOKEN}\n`);
  put("wrong", "incorrect-horse-battery-staple\n");
});
// Two suites share it.
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const run = (args: string[], env: Record<string, string> = {}): Promise<Outcome> =>
  tilewright(args, { cwd: folder, env });

const runModel = (on: string, ...more: string[]): Promise<Outcome> =>
  run(["run", "m.tflite", "--input", "in.bin", "--on", on, ...more]);

function expectOk({ code, stdout, stderr }: Outcome): string {
  assert.is(code, 0, stderr);
  return stdout;
}

function expectError({ code, stderr }: Outcome, exitCode: number, error: string): void {
  assert.is(code, exitCode, stderr);
  assert.match(stderr, new RegExp(`^error: [^\\n]+ \\[${error}\\]\\n$`));
}

const serving = (args: string[], body: (served: Served) => Promise<void>) => (): Promise<void> =>
  withServed(args, body, { cwd: folder });

test(
  "an agent says where it is and what it serves, answers as the simulator, and ends in order",
  serving([], async (served) => {
    const device = served.events.find(({ event }) => event === "device")!;
    assert.equal(
      [device["chip"], device["device"], device["evidence"]],
      ["a311d", "sim", "simulated"],
    );
    assert.match(served.url, /^ws:\/\/127\.0\.0\.1:\d+$/);

    const local = expectOk(await runModel("sim", "--output-dir", "local"));
    const remote = expectOk(await runModel(served.url, "--output-dir", "remote"));
    assert.equal(
      readFileSync(join(folder, "remote/output-0.bin")),
      readFileSync(join(folder, "local/output-0.bin")),
    );
    // The same answer; another last line, which does not pretend to silicon.
    assert.is(remote.split("\n")[1], local.split("\n")[1]);
    assert.match(
      remote,
      /^simulated, says the board at ws:\S+; round trip \d+ ms, on the board \d+ ms \(says nothing about the chip\)$/m,
    );
    assert.is(await served.stop(), 0);
    assert.ok(served.events.some(({ event }) => event === "ended"));
  }),
);

test(
  "JSON of run has evidence, place, round trip and every job of a profile",
  serving([], async (served) => {
    const text = expectOk(await runModel(served.url, "--profile", "--json"));
    const answer = JSON.parse(text) as {
      evidence: string;
      on: object;
      roundTripMilliseconds: number;
      timings: object[];
      jobs: { partition: number; job: number; operator: string }[];
    };
    assert.is(answer.evidence, "simulated");
    assert.equal(answer.on, { kind: "board", chip: "a311d", device: "sim" });
    assert.ok(answer.roundTripMilliseconds > 0);
    assert.is(answer.timings.length, 3);
    const { executable } = await compile(cliModel("chain-pool-i16x16x8-o16-k3-u8"));
    const ops = executable.graph.ops;
    const expected = executable.partitions.flatMap(({ jobs }, partition) =>
      jobs.map(({ sourceOp }, job) => `${partition}.${job} ${ops[sourceOp]!.kind}`),
    );
    assert.equal(
      answer.jobs.map(({ partition, job, operator }) => `${partition}.${job} ${operator}`),
      expected,
    );
  }),
);

test(
  "a run over the network is recorded and replayed without it",
  serving([], async (served) => {
    const first = expectOk(await runModel(served.url, "--record", "ws.twr"));
    assert.is(await served.stop(), 0);
    const again = expectOk(await runModel("replay:ws.twr"));
    assert.is(again.split("\n")[1], first.split("\n")[1]);
    assert.match(again, "simulated when it was recorded on ws;");
  }),
);

for (const allowed of [false, true])
  test(
    `jobs that overlap are ${allowed ? "run" : "refused"} ${allowed ? "with" : "without"} --overlap`,
    serving(allowed ? ["--overlap"] : [], async (served) => {
      writeFileSync(join(folder, "fan.tflite"), cliModel("chain-fan-i12x12x8-o8-k3-u8"));
      writeFileSync(join(folder, "fan.bin"), new Uint8Array(12 * 12 * 8));
      expectOk(await run(["compile", "fan.tflite", "--overlap", "-o", "fan.twx"]));
      const outcome = await run(["run", "fan.twx", "--input", "fan.bin", "--on", served.url]);
      if (allowed) expectOk(outcome);
      else {
        expectError(outcome, 1, "TW_CHECK_STATE");
        assert.match(outcome.stderr, "jobs would overlap, which is not allowed here");
      }
    }),
  );

test(
  "compare runs every operator there, more of them than a connection may hold at a time",
  serving(["--limit", "sessionsPerConnection=2"], async (served) => {
    const args = ["compare", "m.tflite", "--input", "in.bin"];
    const local = expectOk(await run(args));
    const remote = expectOk(await run([...args, "--on", served.url]));
    assert.ok(remote.startsWith(local));
    assert.match(remote, /^simulated, says the board at ws:/m);
  }),
);

test(
  "boards tells what an address offers, and which one does not answer",
  serving(["--limit", "executableBytes=1MiB"], async (served) => {
    const text = expectOk(await run(["boards", served.url]));
    assert.match(
      text,
      new RegExp(`^${served.url} +a311d +sim +simulated +\\S+ +1 .* 1.0 MiB `, "m"),
    );
    const both = await run(["boards", "--json", served.url, "ws://127.0.0.1:1"]);
    expectError(both, 3, "TW_IO_CONNECT");
    const [good, bad] = JSON.parse(both.stdout) as Record<string, unknown>[];
    assert.equal(
      [good!["device"], good!["evidence"], good!["problem"]],
      ["sim", "simulated", null],
    );
    assert.is((bad!["problem"] as { code: string }).code, "TW_IO_CONNECT");
  }),
);

test(
  "bench measures latency and throughput and says what they are worth",
  serving([], async (served) => {
    const options = ["--runs", "30", "--warmup", "2", "--concurrency", "4"];
    const text = expectOk(await run(["bench", "m.tflite", "--on", served.url, ...options]));
    assert.match(
      text,
      /^m\.tflite for a311d on the board at ws:\S+: 30 runs, 4 at a time, after 2 to/,
    );
    assert.match(
      text,
      /^latency: median [\d.e+]+ ms, p90 \S+ ms, p99 \S+ ms, min \S+ ms, max \S+ ms$/m,
    );
    assert.match(text, /^throughput: [\d.]+ runs\/s$/m);
    assert.match(text, /^simulated, says the board at ws:\S+ \(says nothing about the chip\)$/m);

    const args = [
      "bench",
      "m.tflite",
      "--input",
      "in.bin",
      "--json",
      "--on",
      served.url,
      ...options,
    ];
    const result = JSON.parse(expectOk(await run(args))) as {
      runs: number;
      evidence: string;
      latency: Record<"min" | "median" | "p90" | "p99" | "max", number>;
      runsPerSecond: number;
    };
    assert.equal([result.runs, result.evidence], [30, "simulated"]);
    const { min, median, p90, p99, max } = result.latency;
    assert.ok(0 < min && min <= median && median <= p90 && p90 <= p99 && p99 <= max);
    assert.ok(result.runsPerSecond > 0);
  }),
);

test(
  "a token lets in, its absence and a wrong one do not, and nobody prints it",
  serving(["--token-file", "token"], async (served) => {
    expectError(await runModel(served.url), 3, "TW_IO_AUTH");
    const wrong = await runModel(served.url, "--token-file", "wrong");
    expectError(wrong, 3, "TW_IO_AUTH");
    const right = await runModel(served.url, "--token-file", "token");
    expectOk(right);
    const env = { TW_TOKEN_FILE: "token", TW_TRANSPORT: served.url };
    const byEnvironment = await run(["run", "m.tflite", "--input", "in.bin"], env);
    expectOk(byEnvironment);
    expectOk(await run(["boards", served.url, "--token-file", "token"]));
    assert.is(await served.stop(), 0);
    for (const text of [served.text, wrong.stderr, right.stdout, byEnvironment.stderr])
      assert.not.match(text, /horse/);
  }),
);

test(
  "a model is compiled for the board's chip, and --target is taken at its word",
  serving(["--target", "imx8mp"], async (served) => {
    expectOk(await runModel(served.url));
    expectOk(await runModel(served.url, "--target", "imx8mp"));
    // What the environment says is a default, no demand.
    const env = { TW_CHIP: "a311d" };
    expectOk(await run(["run", "m.tflite", "--input", "in.bin", "--on", served.url], env));
    expectError(await runModel(served.url, "--target", "a311d"), 1, "TW_EXE_CHIP");
    const { executable } = await compile(cliModel("chain-pool-i16x16x8-o16-k3-u8"));
    writeFileSync(join(folder, "m.twx"), serialiseExecutable(executable));
    const other = await run(["run", "m.twx", "--input", "in.bin", "--on", served.url]);
    expectError(other, 1, "TW_EXE_CHIP");
  }),
);

test(
  "limits of the command line hold",
  serving(["--limit", "executableBytes=1KiB", "--limit", "connections=3"], async (served) => {
    expectError(await runModel(served.url), 3, "TW_IO_LIMIT");
  }),
);

test(
  "the null device is served as what it is",
  serving(["--device", "null"], async (served) => {
    const text = expectOk(await runModel(served.url));
    assert.match(
      text,
      /^placeholders, nothing was computed, says the board at ws:\S+; round trip/m,
    );
  }),
);

test("an agent keeps what was uploaded in --cache, over its own end", async () => {
  const args = ["--cache", "cache", "--cache-size", "1MiB"];
  await serving(args, async (served) => {
    expectOk(await runModel(served.url));
    assert.is(await served.stop(), 0);
  })();
  await serving([...args, "--limit", "uploadBytesPerSecond=1"], async (served) => {
    // An upload would now take hours.
    expectOk(await runModel(served.url));
  })();
});

/** Some hundred million multiply-accumulates: a run that is under way when a signal comes. */
const LONG = "conv-i64x64x32-k5-o96-s1-same-u8";

/** Starts runs over an agent and waits for the first answer. */
async function startRuns(
  served: Served,
  count: number,
): Promise<{ rest: Promise<string[]>; close(): Promise<void> }> {
  const { executable } = await compile(cliModel(LONG));
  const board = await connectBoard(served.url);
  const session = await createSession(executable, board);
  const inputs = session.inputs.map(({ bytes }) => new Uint8Array(bytes));
  const runs = Array.from({ length: count }, () =>
    session.run(inputs).then(
      () => "answered",
      (error: { code?: string }) => String(error.code),
    ),
  );
  // What is sent before a ping was taken when that is answered.
  await board.ping();
  assert.is(await runs[0], "answered");
  return { rest: Promise.all(runs.slice(1)), close: () => board.close() };
}

test(
  "runs that were taken before the end are answered",
  serving(["--grace", "300"], async (served) => {
    const { rest, close } = await startRuns(served, 6);
    served.send("SIGINT");
    assert.equal(await rest, ["answered", "answered", "answered", "answered", "answered"]);
    await close();
    assert.is((await served.end()).code, 0);
  }),
);

test(
  "a second signal ends at once",
  serving(["--grace", "300"], async (served) => {
    const { rest, close } = await startRuns(served, 24);
    served.send("SIGTERM");
    await served.event("ending");
    served.send("SIGTERM");
    assert.is((await served.end()).code, 143);
    await close();
    assert.ok((await rest).some((outcome) => outcome !== "answered"));
  }),
);

test(
  "a port that is taken is an error of the device's kind",
  serving([], async (served) => {
    const { port } = new URL(served.url);
    expectError(await run(["serve", "--listen", port]), 3, "TW_IO_CONNECT");
  }),
);

/** Makes a certificate for this machine; false without the tool. */
function makeCertificate(): boolean {
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  args.push("-nodes", "-days", "2", "-subj", "/CN=localhost");
  args.push("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost");
  args.push("-keyout", "key.pem", "-out", "cert.pem");
  return spawnSync("openssl", args, { cwd: folder, stdio: "ignore" }).status === 0;
}

test.run();

if (needTool("serve with TLS", "openssl", works("openssl", "version"))) {
  const tls = suite("serve with TLS");
  const options = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

  tls("an encrypted board is reached with its certificate, and not without", async () => {
    assert.ok(makeCertificate());
    const args = ["--listen", "127.0.0.1:0", "--token-file", "token", ...options];
    await serving(args, async (served) => {
      assert.match(served.url, /^wss:/);
      expectOk(await runModel(served.url, "--ca", "cert.pem", "--token-file", "token"));
      expectError(await runModel(served.url, "--token-file", "token"), 3, "TW_IO_CONNECT");
      const plain = served.url.replace("wss:", "ws:");
      expectError(await runModel(plain, "--token-file", "token"), 3, "TW_IO_CONNECT");
      assert.is(await served.stop(), 0);
    })();
  });

  tls("what is no certificate is refused by name", async () => {
    const args = ["serve", "--listen", "0", "--tls-cert", "token", "--tls-key", "key.pem"];
    expectError(await run(args), 2, "TW_USAGE");
  });

  tls.run();
}
