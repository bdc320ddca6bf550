// A page in Chromium compiles a model, connects to an agent on loopback and gets the simulator's answers.
// SPDX-License-Identifier: MIT
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readInputs } from "../../cli/tensors.ts";
import { compile } from "../../core-as/compile/compile.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { startServer, type BoardServer } from "../../transport-ws/server/index.ts";
import { needTool } from "../helpers/tools.ts";
import { withTimeout } from "./cts-rig.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const MODEL = "examples/sample/digits.tflite";
const PICTURES = ["three", "seven", "eight"].map((name) => `examples/sample/${name}.png`);
const TOKEN = "a token for this test alone";
const CHIP = chipByName("a311d")!;
const PATIENCE_MS = 60_000;

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".html": "text/html",
  ".tflite": "application/octet-stream",
};

/** Names of packages as a bundler would resolve them. */
const IMPORTS = {
  tilewright: "/dist/index.js",
  "tilewright/ws": "/dist/ws.js",
  flatbuffers: "/node_modules/flatbuffers/mjs/flatbuffers.js",
};
const PAGE =
  `<!doctype html><title>Tilewright</title><link rel="icon" href="data:,">` +
  `<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

/** A static page and the files that it may read, on an origin of its own. */
async function servePage(): Promise<{ origin: string; server: Server }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").slice(1);
    const isPage = path === "";
    const isFile =
      /^(dist|node_modules\/flatbuffers\/mjs)\/[\w./-]+\.js$/.test(path) || path === MODEL;
    if (!isPage && (!isFile || path.includes("..") || !existsSync(path))) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[isPage ? ".html" : extname(path)]!;
    response.writeHead(200, { "content-type": type }).end(isPage ? PAGE : readFileSync(path));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

interface Answer {
  outputs: number[][];
  evidence: string;
  chip: string;
  device: string;
}

/** In the page: compiles, connects, runs every picture, all at once. */
async function runInPage(
  page: Page,
  job: { url: string; token: string; model: string; pictures: number[][] },
): Promise<Answer> {
  return page.evaluate(async ({ url, token, model, pictures }) => {
    const names = ["tilewright", "tilewright/ws"];
    const [{ compile, createSession }, { connectBoard }] = (await Promise.all(
      names.map((name) => import(name)),
    )) as [typeof import("../../core-as/index.ts"), typeof import("../../transport-ws/index.ts")];
    const bytes = new Uint8Array(await (await fetch(`/${model}`)).arrayBuffer());
    const board = await connectBoard(url, { token });
    const { chipName, device } = board.capabilities;
    const { executable } = await compile(bytes, { target: chipName });
    const session = await createSession(executable, board);
    const results = await Promise.all(
      pictures.map((picture) => session.run([Uint8Array.from(picture)])),
    );
    await session.close();
    await board.close();
    return {
      outputs: results.map(({ outputs }) => [...outputs[0]!]),
      evidence: results[0]!.evidence,
      chip: chipName,
      device,
    };
  }, job);
}

/** In the page: connects and tells how that failed. */
async function failInPage(
  page: Page,
  job: { url: string; token?: string },
): Promise<{ code: string; message: string; isNpuError: boolean }> {
  return page.evaluate(async ({ url, token }) => {
    const names = ["tilewright", "tilewright/ws"];
    const [{ NpuError }, { connectBoard }] = (await Promise.all(
      names.map((name) => import(name)),
    )) as [typeof import("../../core-as/index.ts"), typeof import("../../transport-ws/index.ts")];
    try {
      await connectBoard(url, token === undefined ? {} : { token });
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return { code, message, isNpuError: error instanceof NpuError };
    }
    throw new Error("connected");
  }, job);
}

const hasBrowser = existsSync(CHROMIUM) && existsSync("dist/ws.js");
if (needTool("browser", "Chromium", hasBrowser)) {
  const test = suite("browser");
  let browser: Browser;
  let board: BoardServer;
  let own: { origin: string; server: Server };
  let foreign: { origin: string; server: Server };
  const transport = createSimTransport(CHIP);

  test.before(async () => {
    [own, foreign] = await Promise.all([servePage(), servePage()]);
    board = await startServer({
      transport,
      host: "127.0.0.1",
      port: 0,
      token: TOKEN,
      allowOrigins: [own.origin],
    });
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  });

  test.after(async () => {
    await browser?.close();
    await board?.close(0);
    await transport.close();
    for (const { server } of [own, foreign]) server?.close();
  });

  /** Runs `body` in a new page and returns what the page complained about. */
  const inPage = async (origin: string, body: (page: Page) => Promise<void>): Promise<string[]> => {
    const complaints: string[] = [];
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(`${request.url()} failed`));
    try {
      await page.goto(origin);
      await withTimeout(body(page), PATIENCE_MS);
    } finally {
      await page.close();
    }
    return complaints;
  };

  test("drives an agent with a token from an allowed origin, and gets the simulator's answers", async () => {
    const { executable } = await compile(readFileSync(MODEL), { target: "a311d" });
    const session = await createSession(executable, createSimTransport(CHIP));
    const pictures: Uint8Array[] = [];
    for (const picture of PICTURES) pictures.push(...(await readInputs([picture], session.inputs)));
    const expected: number[][] = [];
    for (const picture of pictures) expected.push([...(await session.run([picture])).outputs[0]!]);

    const complaints = await inPage(own.origin, async (page) => {
      const answer = await runInPage(page, {
        url: board.url,
        token: TOKEN,
        model: MODEL,
        pictures: pictures.map((picture) => [...picture]),
      });
      assert.equal(answer, {
        outputs: expected,
        evidence: "simulated",
        chip: "a311d",
        device: "sim",
      });
    });
    assert.equal(complaints, []);
    assert.is(board.agent.stats().sessions, 0);
  });

  test("a wrong token, and none, are refused as documented", async () => {
    await inPage(own.origin, async (page) => {
      for (const token of ["not the token of this test", undefined]) {
        const { code, message, isNpuError } = await failInPage(page, { url: board.url, token });
        assert.is(code, "TW_IO_AUTH", `${token}: ${message}`);
        assert.ok(isNpuError);
        assert.not.match(message, TOKEN);
      }
    });
  });

  test("another origin is refused, even with the token", async () => {
    const complaints = await inPage(foreign.origin, async (page) => {
      const { code, isNpuError } = await failInPage(page, { url: board.url, token: TOKEN });
      assert.is(code, "TW_IO_CONNECT");
      assert.ok(isNpuError);
    });
    // The browser itself reports the refusal; a page is not told why.
    assert.ok(
      complaints.every((text) => /WebSocket connection to .* failed/.test(text)),
      complaints.join("\n"),
    );
    assert.is(board.agent.stats().connections, 0);
  });

  test.run();
}
