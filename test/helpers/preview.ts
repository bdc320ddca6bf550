// The built preview in Chromium: one server and one browser for a suite, and a page that records what must not happen.
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { servePreview } from "../../scripts/serve-preview.ts";
import { corpusPath } from "./corpus.ts";

export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
export const hasChromium = existsSync(CHROMIUM);

export const BUILT = "dist/preview";
const SOURCES = ["examples/preview", "core-as", "transport-ws", "build/core-wasm.js"];

/** Time of the last change below a path, in milliseconds. */
function newest(path: string): number {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  const times = readdirSync(path).map((name) => newest(join(path, name)));
  return Math.max(0, ...times);
}

/** Builds dist/preview unless it is younger than everything that it is made of. */
export function buildPreview(): void {
  const page = join(BUILT, "index.html");
  if (existsSync(page) && statSync(page).mtimeMs > Math.max(...SOURCES.map(newest))) return;
  execFileSync("npm", ["run", "-s", "build:preview"], { stdio: "inherit" });
}

/** What a page did that it must not do, and what it loaded. */
export interface Recorded {
  /** Errors and warnings on the console, and errors that nobody caught. */
  complaints: string[];
  /** Addresses of everything that was requested. */
  requests: string[];
}

export interface OpenPage extends Recorded {
  page: Page;
  context: BrowserContext;
  /** Everything that moved without being asked to so far: how far, and what. */
  layoutShifts(): Promise<string[]>;
  /** Directives of the content security policy that were violated. */
  violations(): Promise<string[]>;
}

export interface PageOptions {
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
  reducedMotion?: "reduce" | "no-preference";
  /** Behind the address, e.g. "#tab=graph". */
  hash?: string;
  /** Runs in the page before its own scripts. */
  before?: () => void;
}

interface Watched {
  layoutShifts: string[];
  violations: string[];
}

interface Shift extends PerformanceEntry {
  value: number;
  /** True in the half second behind a click or a key. */
  hadRecentInput: boolean;
  sources: { node: Node | null }[];
}

/** Runs in the page before its own scripts. */
function watch(): void {
  const watched: Watched = { layoutShifts: [], violations: [] };
  Object.assign(globalThis, { watched });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as Shift[]) {
      if (entry.hadRecentInput) continue;
      const moved = entry.sources.map(({ node }) =>
        (node instanceof Element ? node.outerHTML : (node?.textContent ?? "gone")).slice(0, 60),
      );
      watched.layoutShifts.push(`${entry.value} ${moved.join(" | ")}`);
    }
  }).observe({ type: "layout-shift", buffered: true });
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    watched.violations.push(`${violatedDirective} ${blockedURI}`),
  );
}

export class PreviewRig {
  private constructor(
    readonly url: string,
    private readonly browser: Browser,
    private readonly closeServer: () => Promise<void>,
  ) {}

  /** @param base folder of the address that the page lies in */
  static async start(base = ""): Promise<PreviewRig> {
    buildPreview();
    const { url, close } = await servePreview(BUILT, 0, base);
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu"],
    });
    return new PreviewRig(url, browser, close);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.closeServer();
  }

  async open(options: PageOptions = {}): Promise<OpenPage> {
    const { width = 1280, height = 900, scheme = "light", hash = "" } = options;
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: options.reducedMotion ?? "no-preference",
    });
    const page = await context.newPage();
    const recorded: Recorded = { complaints: [], requests: [] };
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) recorded.complaints.push(message.text());
    });
    page.on("pageerror", (error) => recorded.complaints.push(error.message));
    // The context sees the worker's requests, too.
    context.on("request", (request) => recorded.requests.push(request.url()));
    // The loader of these tests names functions by a helper that the page does not have.
    await page.addInitScript("globalThis.__name = (value) => value");
    await page.addInitScript(watch);
    if (options.before) await page.addInitScript(options.before);
    await page.goto(`${this.url}${hash}`);
    const read = <K extends keyof Watched>(name: K): Promise<Watched[K]> =>
      page.evaluate(
        (member) => (globalThis as unknown as { watched: Watched }).watched[member],
        name,
      );
    return {
      ...recorded,
      page,
      context,
      layoutShifts: () => read("layoutShifts"),
      violations: () => read("violations"),
    };
  }
}

interface Context {
  rig: PreviewRig;
}

/** A suite over one browser; every page must keep quiet, keep still, keep its policy and talk to nobody else. */
export function previewSuite(name: string) {
  const test = suite<Context>(name);
  test.before(async (context) => {
    context.rig = await PreviewRig.start();
  });
  test.after(({ rig }) => rig.close());
  const inPage = (title: string, run: (open: OpenPage) => Promise<void>, options?: PageOptions) =>
    test(title, async ({ rig }) => {
      const open = await rig.open(options);
      try {
        await run(open);
        assert.equal(open.complaints, []);
        assert.equal(await open.violations(), []);
        assert.equal(await open.layoutShifts(), []);
        assert.equal(
          open.requests.filter((url) => !url.startsWith(rig.url)),
          [],
        );
      } finally {
        await open.context.close();
      }
    });
  return { test, inPage };
}

const PATIENCE_MS = 60_000;

/** Opens the sample and waits for its results. */
export async function openSample(page: Page): Promise<void> {
  await page.click("#sample");
  await page.waitForSelector(".results", { timeout: PATIENCE_MS });
}

/** Chooses a file of the corpus, or bytes under a name, and waits for results or an error. */
export async function openModel(
  page: Page,
  file: string | { name: string; bytes: Uint8Array },
): Promise<void> {
  const given =
    typeof file === "string"
      ? corpusPath("models", `${file}.tflite`)
      : { name: file.name, mimeType: "application/octet-stream", buffer: Buffer.from(file.bytes) };
  await page.setInputFiles("input[type=file] >> nth=0", given);
  await page.waitForSelector(".results, .failure", { timeout: PATIENCE_MS });
}

/** Chooses a tab and waits until its panel is there. */
export async function openTab(page: Page, id: string): Promise<void> {
  await page.click(`#tab-${id}`);
  await page.waitForSelector(`#panel[aria-labelledby="tab-${id}"]:not([aria-busy="true"])`);
  await page.waitForFunction(() => document.querySelector("#panel .waiting") === null, undefined, {
    timeout: PATIENCE_MS,
  });
}
