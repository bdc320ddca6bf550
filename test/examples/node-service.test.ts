// examples/06-node-service: what it takes, what it refuses and with which answer, what it tells about itself, and how it ends.
// SPDX-License-Identifier: MIT
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseExecutable } from "../../core-as/executable/container.ts";
import { buildReport } from "../../core-as/inspect/report.ts";

const DIGITS = readFileSync("examples/sample/digits.tflite");

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: Buffer;
  json<T = { code: string; message: string }>(): T;
}

class Service {
  readonly lines: string[] = [];

  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(...args: string[]): Promise<Service> {
    const main = "examples/06-node-service/main.mjs";
    const child = spawn(process.execPath, [main, "--port", "0", ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface(child.stdout!);
    const [first] = (await once(lines, "line")) as [string];
    const service = new Service(child, Number(/:(\d+)$/.exec(first)![1]));
    lines.on("line", (line) => service.lines.push(line));
    return service;
  }

  open(path: string, method = "GET", headers: Record<string, string | number> = {}): ClientRequest {
    return request({ host: "127.0.0.1", port: this.port, path, method, headers, agent: false });
  }

  async get(path: string): Promise<Answer> {
    const asked = this.open(path);
    asked.end();
    return answerOf(asked);
  }

  async post(
    body: Uint8Array,
    query = "",
    headers: Record<string, string | number> = {},
  ): Promise<Answer> {
    const type = { "content-type": "application/octet-stream", ...headers };
    const asked = this.open(`/compile${query}`, "POST", type);
    asked.end(body);
    return answerOf(asked);
  }

  /** An upload that has begun and stays unfinished until `finish`. */
  async begin(
    body: Uint8Array,
  ): Promise<{ answer: Promise<Answer>; finish(): void; drop(): void }> {
    const before = await this.accepted();
    const asked = this.open("/compile", "POST", {
      "content-type": "application/octet-stream",
      "content-length": body.length,
    });
    const answer = answerOf(asked);
    answer.catch(() => {});
    asked.write(body.subarray(0, 100));
    while ((await this.accepted()) === before) await new Promise((wake) => setTimeout(wake, 5));
    const finish = (): void => void asked.end(body.subarray(100));
    return { answer, finish, drop: () => void asked.destroy() };
  }

  async accepted(): Promise<number> {
    return (await this.get("/health")).json<{ accepted: number }>().accepted;
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    if (this.child.exitCode === null && this.child.signalCode === null)
      await once(this.child, "exit");
  }
}

async function answerOf(asked: ClientRequest): Promise<Answer> {
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const json = <T>(): T => JSON.parse(body.toString()) as T;
  return { status: response.statusCode!, headers: response.headers, body, json };
}

const withService =
  (args: string[], body: (service: Service) => Promise<void>) => async (): Promise<void> => {
    const service = await Service.start(...args);
    try {
      await body(service);
    } finally {
      await service.end();
    }
  };

test(
  "a model is compiled for the chip and in the mode that are asked for",
  withService([], async (service) => {
    const plain = await service.post(DIGITS, "?chip=imx8mp&mode=compatible");
    assert.is(plain.status, 200, plain.body.toString());
    const executable = parseExecutable(new Uint8Array(plain.body));
    assert.equal([executable.chip.name, executable.mode], ["imx8mp", "compatible"]);
    const ms = buildReport(executable).totals.predictedMs;
    assert.is(Number(plain.headers["x-predicted-ms"]), ms);
    const report = await service.post(DIGITS, "", { accept: "application/json" });
    assert.is(report.json<{ totals: { operatorsOnNpu: number } }>().totals.operatorsOnNpu, 12);
  }),
);

test(
  "what is wrong is refused with a status and a code",
  withService(["--maxBytes", "30000"], async (service) => {
    const cases: [number, string, Promise<Answer>][] = [
      [404, "NOT_FOUND", service.get("/")],
      [405, "METHOD", service.get("/compile")],
      [400, "TW_USAGE", service.post(DIGITS, "?chip=none")],
      [400, "TW_USAGE", service.post(DIGITS, "?mode=fast")],
      [400, "TW_USAGE", service.post(DIGITS, "?token=x")],
      [415, "CONTENT_TYPE", service.post(DIGITS, "", { "content-type": "text/plain" })],
      [413, "TOO_LARGE", service.post(new Uint8Array(30_001))],
      [422, "TW_MODEL_NOT_TFLITE", service.post(new Uint8Array(1000))],
      [422, "TW_MODEL_NOT_TFLITE", service.post(new Uint8Array(0))],
      [422, "TW_MODEL_TRUNCATED", service.post(DIGITS.subarray(0, 2000))],
    ];
    for (const [status, code, asked] of cases) {
      const answer = await asked;
      assert.is(answer.status, status, answer.body.toString());
      // Damage is found in different places when readers change; that it is the model's fault does not.
      assert.is(answer.json().code.replace(/TRUNCATED|CORRUPT/, ""), code.replace("TRUNCATED", ""));
      assert.ok(answer.json().message.length > 10);
    }
    // Without a length it is counted on the way.
    const asked = service.open("/compile", "POST", { "content-type": "application/octet-stream" });
    for (let i = 0; i < 4; i++) asked.write(new Uint8Array(10_000));
    asked.end();
    assert.is((await answerOf(asked)).status, 413);
    assert.is((await service.post(DIGITS)).status, 200);
  }),
);

test(
  "whoever asks before sending does not send what is refused",
  withService(["--maxBytes", "100"], async (service) => {
    const asked = service.open("/compile", "POST", {
      "content-type": "application/octet-stream",
      "content-length": DIGITS.length,
      expect: "100-continue",
    });
    let continued = false;
    asked.on("continue", () => (continued = true));
    asked.flushHeaders();
    assert.is((await answerOf(asked)).status, 413);
    assert.is(continued, false);
    asked.destroy();
  }),
);

test(
  "too much at a time is refused at once, and taken later",
  withService(["--queue", "3", "--perClient", "2"], async (service) => {
    const first = await service.begin(DIGITS);
    assert.is((await service.get("/health/ready")).status, 200);
    const second = await service.begin(DIGITS);
    const refused = await service.post(DIGITS);
    assert.is(refused.status, 429);
    assert.ok(Number(refused.headers["retry-after"]) >= 1);
    first.finish();
    second.finish();
    for (const { answer } of [first, second]) assert.is((await answer).status, 200);
    assert.is((await service.post(DIGITS)).status, 200);
  }),
);

test(
  "a full queue makes it not ready; it still answers, and a client that leaves makes room",
  withService(["--queue", "1"], async (service) => {
    const upload = await service.begin(DIGITS);
    const refused = await service.post(DIGITS);
    assert.is(refused.status, 503);
    assert.ok(Number(refused.headers["retry-after"]) >= 1);
    assert.is((await service.get("/health/ready")).status, 503);
    assert.is((await service.get("/health/live")).status, 200);
    upload.drop();
    while ((await service.accepted()) > 0) await new Promise((wake) => setTimeout(wake, 5));
    assert.is((await service.get("/health/ready")).status, 200);
    assert.is((await service.post(DIGITS)).status, 200);
  }),
);

test(
  "an upload that does not come is given up",
  withService(["--uploadMs", "300"], async (service) => {
    const upload = await service.begin(DIGITS);
    assert.is((await upload.answer).status, 408);
    while ((await service.accepted()) > 0) await new Promise((wake) => setTimeout(wake, 5));
    const { body } = await service.get("/metrics");
    assert.match(body.toString(), /^tilewright_requests_total\{status="499"\} 1$/m);
    assert.is((await service.post(DIGITS)).status, 200);
  }),
);

test(
  "a compilation that takes too long is given up",
  withService(["--compileMs", "1"], async (service) => {
    const answer = await service.post(DIGITS);
    assert.is(answer.status, 504, answer.body.toString());
    assert.is(answer.json().code, "TIMEOUT");
    // The next one is not disturbed by the one that was given up: it gets its own answer.
    assert.is((await service.post(new Uint8Array(9))).status, 422);
  }),
);

test(
  "it answers while it compiles, and its metrics count what happened",
  withService([], async (service) => {
    const compiling = [1, 2, 3].map(() => service.post(DIGITS));
    let answered = 0;
    const done = Promise.all(compiling).then(() => "done");
    while ((await Promise.race([done, service.get("/health/live")])) !== "done") answered++;
    assert.ok(answered > 3, `${answered} answers in between`);
    await service.post(new Uint8Array(9));
    const { body, headers } = await service.get("/metrics");
    assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    const text = body.toString();
    assert.match(text, /^tilewright_compilations_total\{outcome="ok"\} 3$/m);
    assert.match(text, /^tilewright_requests_total\{status="422"\} 1$/m);
    assert.match(text, /^tilewright_compile_seconds_count 3$/m);
    assert.match(text, /^tilewright_compile_seconds_bucket\{le="\+Inf"\} 3$/m);
    assert.match(text, /^tilewright_accepted_requests 0$/m);
    assert.match(text, new RegExp(`^tilewright_upload_bytes_total ${3 * DIGITS.length}$`, "m"));
    for (const line of text.trimEnd().split("\n"))
      assert.match(
        line,
        /^(# (HELP|TYPE) tilewright_\w+ .+|tilewright_\w+(\{\w+="[^"]+"\})? [\d.e+-]+)$/,
      );
  }),
);

test(
  "SIGTERM: nothing that was taken in is lost, nothing new is taken, and it ends by itself",
  withService([], async (service) => {
    const uploads = [await service.begin(DIGITS), await service.begin(DIGITS)];
    service.child.kill("SIGTERM");
    while (service.lines.length === 0) await new Promise((wake) => setTimeout(wake, 5));
    const refused = await service.post(DIGITS);
    assert.is(refused.status, 503);
    assert.is(refused.json().code, "CLOSING");
    const health = await service.get("/health/ready");
    assert.equal([health.status, health.json<{ status: string }>().status], [503, "ending"]);
    assert.is((await service.get("/health/live")).status, 200);
    const exit = once(service.child, "exit");
    for (const upload of uploads) upload.finish();
    for (const { answer } of uploads) {
      const { status, body } = await answer;
      assert.is(status, 200);
      assert.is(parseExecutable(new Uint8Array(body)).chip.name, "a311d");
    }
    assert.equal(await exit, [0, null]);
    assert.equal(service.lines, ["SIGTERM: finishing what was taken in", "ended"]);
  }),
);

test.run();
