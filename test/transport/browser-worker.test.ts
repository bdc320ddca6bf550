// A page in Chromium compiles and simulates in a worker, under a strict content security policy.
// SPDX-License-Identifier: MIT
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build, type BuildOptions } from "esbuild";
import { chromium, type Browser, type Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, type CompileResult } from "../../core-as/compile/compile.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { sha256Hex } from "../../core-as/executable/bytes.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { corpusPath, hasCorpus } from "../helpers/corpus.ts";
import { inputBytes } from "../helpers/prng.mjs";
import { needTool } from "../helpers/tools.ts";
import type { Preview } from "../helpers/worker-page.ts";
import { withTimeout } from "./cts-rig.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const SAMPLE = "examples/sample/digits.tflite";
const LARGE = corpusPath("models", "ssdlite_mobiledet_coco_qat_postprocess.tflite");
const PATIENCE_MS = 60_000;

/** Counts the threads that it starts, and tells by a broadcast. */
const WORKER = `
  import {
    CompilerService,
    createCacheStorageCache,
    exposeCompiler,
    webSimThreads,
  } from "./core-as/worker/index.ts";
  const create = () => {
    new BroadcastChannel("threads").postMessage("started");
    return new Worker("/sim-thread.js", { type: "module" });
  };
  const cache = createCacheStorageCache("results");
  exposeCompiler(globalThis, new CompilerService({ cache, threads: webSimThreads(2, create) }));
`;
const PAGE = `<!doctype html><title>Tilewright</title><link rel="icon" href="/icon">
  <script type="module" src="/page.js"></script>`;
const HEADERS = {
  "content-security-policy":
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'",
  // Only an isolated page may share memory with its workers.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

type Answer = [type: string, body: string | Uint8Array];

async function bundle(source: Pick<BuildOptions, "entryPoints" | "stdin">): Promise<Uint8Array> {
  const { outputFiles } = await build({
    ...source,
    bundle: true,
    format: "esm",
    write: false as const,
    logLevel: "error",
  });
  return outputFiles[0]!.contents;
}

/** The page, its scripts and the models, on an origin of their own. */
async function servePage(): Promise<{ origin: string; server: Server }> {
  const script = "text/javascript";
  const answers = new Map<string, Answer>([
    ["/", ["text/html", PAGE]],
    ["/icon", ["image/png", ""]],
    ["/worker.js", [script, await bundle({ stdin: { contents: WORKER, resolveDir: "." } })]],
    ["/sim-thread.js", [script, await bundle({ entryPoints: ["core-as/worker/sim-thread.ts"] })]],
    ["/page.js", [script, await bundle({ entryPoints: ["test/helpers/worker-page.ts"] })]],
    ["/sample", ["application/octet-stream", readFileSync(SAMPLE)]],
  ]);
  if (hasCorpus) answers.set("/large", ["application/octet-stream", readFileSync(LARGE)]);
  const server = createServer((request, response) => {
    const answer = answers.get(request.url ?? "");
    if (answer === undefined) return void response.writeHead(404).end();
    const [type, body] = answer;
    const isolated = !(request.headers.cookie ?? "").includes("alone");
    const { "content-security-policy": policy } = HEADERS;
    const headers = isolated ? HEADERS : { "content-security-policy": policy };
    response.writeHead(200, { "content-type": type, ...headers }).end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Calls a function of the page. */
function call<K extends keyof Preview>(
  page: Page,
  name: K,
  ...args: Parameters<Preview[K]>
): Promise<Awaited<ReturnType<Preview[K]>>> {
  return page.evaluate(
    ([name, args]) => {
      const { preview } = globalThis as unknown as {
        preview: Record<string, (...args: unknown[]) => unknown>;
      };
      return preview[name]!(...args) as never;
    },
    [name, args] as const,
  );
}

if (needTool("browser worker", "Chromium", existsSync(CHROMIUM))) {
  const test = suite("browser worker");
  let browser: Browser;
  let host: { origin: string; server: Server };

  test.before(async () => {
    host = await servePage();
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  });

  test.after(async () => {
    await browser?.close();
    host?.server.close();
  });

  /** Runs `body` in a new page, which must not complain. */
  const inPage = async (body: (page: Page) => Promise<void>): Promise<void> => {
    const complaints: string[] = [];
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    try {
      await page.goto(host.origin);
      await withTimeout(body(page), PATIENCE_MS);
    } finally {
      await page.close();
    }
    assert.equal(complaints, []);
  };

  const digest = ({ executable }: CompileResult): Promise<string> =>
    sha256Hex(serialiseExecutable(executable));

  test("compiles to the bytes of Node, with progress", () =>
    inPage(async (page) => {
      const here = await compile(readFileSync(SAMPLE), { target: "imx8mp" });
      const there = await call(page, "compileHere", "/sample", "imx8mp");
      assert.is(there.sha256, await digest(here));
      assert.is(there.jobs, here.report.totals.jobs);
      const stages = new Set(there.progress.map(([stage]) => stage));
      for (const { name } of there.timings) assert.ok(stages.has(name), name);
    }));

  test("a second start loads what was kept, unless it is damaged", () =>
    inPage(async (page) => {
      const seen: [cached: boolean, sha256: string][] = [];
      const compileOnce = async (): Promise<void> => {
        const { cached, sha256 } = await call(page, "compileHere", "/sample", "a311d");
        seen.push([cached, sha256]);
      };
      await compileOnce();
      await page.reload();
      await compileOnce();
      assert.is(await call(page, "damageHere", "results"), 1);
      await compileOnce();
      await compileOnce();
      assert.equal(
        seen.map(([cached]) => cached),
        [false, true, false, true],
      );
      assert.is(new Set(seen.map(([, sha256]) => sha256)).size, 1);
    }));

  test("what is kept is bounded, the oldest use goes first", () =>
    inPage(async (page) => {
      const found = await call(page, "boundedHere", 250, [
        ["put", "1"],
        ["put", "2"],
        ["get", "1"],
        ["put", "3"],
        ["get", "2"],
        ["get", "1"],
        ["get", "3"],
        ["put", "3"],
        ["get", "1"],
      ]);
      assert.equal(found, [1, null, 1, 3, 1]);
    }));

  test("simulates to the bytes of Node, with two threads where the page is isolated", async () => {
    const { executable } = await compile(readFileSync(SAMPLE));
    const transport = createSimTransport(chipByName("a311d")!);
    const session = await createSession(executable, transport);
    const input = inputBytes("page", 0, session.inputs[0]!.bytes);
    const { outputs } = await session.run([input]);
    await transport.close();
    for (const isolated of [true, false])
      await inPage(async (page) => {
        if (!isolated) {
          await page.context().addCookies([{ name: "alone", value: "1", url: host.origin }]);
          await page.goto(host.origin);
        }
        const { threads, ...answer } = await call(page, "simulateHere", "/sample", [...input]);
        assert.equal(answer, {
          outputs: outputs.map((output) => [...output]),
          evidence: "simulated",
          isolated,
        });
        assert.is(threads, isolated ? 1 : 0);
      });
  });

  test("errors keep class, code and place", () =>
    inPage(async (page) => {
      const { code, where, isModelError } = await call(page, "failHere", "/sample", 1000);
      assert.ok(isModelError);
      assert.match(code, /^TW_MODEL_/);
      assert.type(where.byteOffset, "number");
    }));

  if (hasCorpus)
    test("a large model compiles beside a page that goes on, and is cancelled on the way", () =>
      inPage(async (page) => {
        for (const stage of ["lower", "generate"]) {
          const { code, waitedMs } = await call(page, "cancelHere", "/large", stage);
          assert.is(code, "TW_IO_ABORTED");
          assert.ok(waitedMs < 500, `${stage}: ${waitedMs} ms until it stopped`);
        }
        const { sha256, progress, gapMs } = await call(page, "compileHere", "/large", "a311d");
        assert.is(sha256, await digest(await compile(readFileSync(LARGE))));
        const shares = progress.map(([, done]) => done);
        assert.ok(shares.length > 15, `${shares.length} reports`);
        assert.equal(
          shares,
          [...shares].sort((a, b) => a - b),
        );
        assert.ok(gapMs < 250, `the page stood still for ${gapMs} ms`);
      }));

  test.run();
}
