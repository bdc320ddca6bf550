// What tests of the preview's running side share: a suite over one browser, and what the page shows as values.
// SPDX-License-Identifier: MIT
import type { Download, Page } from "playwright-core";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readInputs } from "../../cli/tensors.ts";
import {
  compile,
  createSession,
  createSimTransport,
  describeOutputs,
  inputInfos,
  targetChip,
  type ModelAnswer,
} from "../../core-as/index.ts";
import { PreviewRig, type OpenPage, type PageOptions } from "./preview.ts";

export interface RunContext {
  rig: PreviewRig;
}

const PATIENCE_MS = 60_000;

/** A suite over one browser; every page must keep quiet, keep still, and talk to nobody but the page's host and the boards of the test. */
export function runSuite(name: string) {
  const test = suite<RunContext>(name);
  test.before(async (context) => {
    context.rig = await PreviewRig.start();
  });
  test.after(({ rig }) => rig.close());
  const inPage = (
    title: string,
    run: (open: OpenPage, rig: PreviewRig) => Promise<void>,
    options: PageOptions & { complaints?: RegExp } = {},
  ) =>
    test(title, async ({ rig }) => {
      const open = await rig.open(options);
      try {
        await run(open, rig);
        // Browsers themselves write of connections that fail.
        const { complaints: allowed } = options;
        const others = open.complaints.filter(
          (line) => allowed === undefined || !allowed.test(line),
        );
        assert.equal(others, []);
        assert.equal(await open.violations(), []);
        assert.equal(await open.layoutShifts(), []);
        // Worker and page make files of their own.
        const isOwn = (url: string): boolean => url.startsWith(rig.url) || url.startsWith("blob:");
        assert.equal(
          open.requests.filter((url) => !isOwn(url)),
          [],
        );
      } finally {
        await open.context.close();
      }
    });
  return { test, inPage };
}

/** A file as browsers hand it to a page. */
export type GivenFile = string | { name: string; mimeType: string; buffer: Buffer };

export async function choosePicture(page: Page, file: GivenFile): Promise<void> {
  await page.setInputFiles('input[aria-label="Choose a picture"]', file);
}

/** Text without the white space that only lays it out. */
export async function plainText(page: Page, selector: string): Promise<string> {
  await page.waitForSelector(selector, { timeout: PATIENCE_MS });
  return (await page.innerText(selector)).replace(/\s+/g, " ").trim();
}

/** The cells of every row of a table. */
export async function rowsOf(page: Page, table: string): Promise<string[][]> {
  await page.waitForSelector(`${table} tbody tr`, { timeout: PATIENCE_MS });
  return page.$$eval(`${table} tbody tr`, (rows) =>
    rows.map((row) =>
      [...row.children].map((cell) => cell.textContent!.replace(/\s+/g, " ").trim()),
    ),
  );
}

/** Bytes of the model's input, from the canvas that shows what the model sees. */
export async function seenBytes(page: Page, channels: 1 | 3): Promise<Uint8Array> {
  await page.waitForSelector("canvas.seen", { timeout: PATIENCE_MS });
  const rgba = await page.$eval("canvas.seen", (element) => {
    const { width, height } = element as HTMLCanvasElement;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(element as HTMLCanvasElement, 0, 0);
    return [...context.getImageData(0, 0, width, height).data];
  });
  return Uint8Array.from(rgba.filter((_, i) => i % 4 < channels));
}

/** What a click saves. */
export async function savedBy(page: Page, click: () => Promise<void>): Promise<[string, Buffer]> {
  const [download] = (await Promise.all([page.waitForEvent("download"), click()])) as [
    Download,
    void,
  ];
  return [download.suggestedFilename(), readFileSync(await download.path())];
}

export interface Expected {
  inputs: Uint8Array[];
  outputs: Uint8Array[];
  answer: ModelAnswer;
}

/** The command line's way: the same model on the same picture. */
export async function expectedOf(
  model: Uint8Array,
  picture: string,
  labels: readonly string[] = [],
): Promise<Expected> {
  const { executable } = await compile(model);
  const transport = createSimTransport(targetChip("a311d"));
  try {
    const inputs = await readInputs([picture], inputInfos(executable.graph));
    const session = await createSession(executable, transport);
    const { outputs } = await session.run(inputs);
    const answer = describeOutputs(executable.graph, session.outputs, outputs, { top: 5, labels });
    return { inputs, outputs, answer };
  } finally {
    await transport.close();
  }
}
