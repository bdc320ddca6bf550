// The preview as files on a host: how much is loaded, what its policy is, other folders, no network.
// SPDX-License-Identifier: MIT
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite, test as filesTest } from "uvu";
import * as assert from "uvu/assert";
import { CONTENT_SECURITY_POLICY } from "../../examples/preview/policy.mjs";
import { BUILT, buildPreview, hasChromium, openSample, PreviewRig } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

/** First load and core, compressed, in bytes. */
const LIMITS = { firstLoad: 400 * 1024, core: 120 * 1024 };

const zipped = (path: string): number => gzipSync(readFileSync(path), { level: 9 }).length;

filesTest("the built page holds nothing inline and addresses only its own folder", () => {
  buildPreview();
  const page = readFileSync(join(BUILT, "index.html"), "utf8");
  assert.match(page, `content="${CONTENT_SECURITY_POLICY}"`);
  assert.not.match(page, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  for (const [, address] of page.matchAll(/(?:src|href)="([^"]*)"/g)) {
    assert.not.match(address!, /^(?:[a-z]+:|\/)/, address);
    assert.ok(existsSync(join(BUILT, address!)), address);
  }
});

filesTest("the policy allows neither eval nor anything inline", () => {
  assert.match(CONTENT_SECURITY_POLICY, "default-src 'none'");
  assert.not.match(CONTENT_SECURITY_POLICY, /unsafe-inline|'unsafe-eval'|\*/);
  for (const name of readdirSync(BUILT).filter((file) => file.endsWith(".js")))
    assert.not.match(readFileSync(join(BUILT, name), "utf8"), /\beval\(|new Function\(/, name);
});

filesTest("the WASM core takes at most 120 KB compressed", () => {
  const bytes = zipped("build/core.wasm");
  assert.ok(bytes <= LIMITS.core, `${bytes} bytes`);
});

filesTest.run();

interface Context {
  rig: PreviewRig;
}

/** A folder as hosts of static files have them. */
const FOLDER = "/some/folder";

if (needTool("preview as files", "Chromium", hasChromium)) {
  const test = suite<Context>("preview as files");
  test.before(async (context) => {
    context.rig = await PreviewRig.start(FOLDER);
  });
  test.after(({ rig }) => rig.close());

  test("the first load takes at most 400 KB compressed, sample included", async ({ rig }) => {
    const { page, context, requests } = await rig.open();
    await openSample(page);
    await page.waitForTimeout(500);
    const files = new Set(requests.map((url) => new URL(url).pathname.slice(FOLDER.length + 1)));
    assert.ok(
      [...files].some((name) => name.startsWith("worker-")),
      "the worker is counted",
    );
    const bytes = [...files]
      .filter((name) => name !== "sw.js")
      .map((name) => zipped(join(BUILT, name === "" ? "index.html" : name)))
      .reduce((sum, size) => sum + size, 0);
    assert.ok(bytes > 50_000, `only ${bytes} bytes were seen`);
    assert.ok(bytes <= LIMITS.firstLoad, `${bytes} bytes`);
    await context.close();
  });

  test("once opened, it opens without a network", async ({ rig }) => {
    const { page, context, complaints } = await rig.open();
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, {
      timeout: 20_000,
    });
    await context.setOffline(true);
    await page.reload();
    await openSample(page);
    for (const tab of await page.locator("[role=tab]").all()) await tab.click();
    assert.is(await page.locator(".failure").count(), 0);
    assert.equal(complaints, []);
    await context.close();
  });

  test.run();
}
