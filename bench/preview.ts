// The browser preview: from opening the page to the sample compiled and its graph drawn, and what the first load fetches.
// Usage: npm run bench:preview [-- --json]. Needs Chromium and dist/preview, which it builds when it is older than its sources.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BUILT, hasChromium, PreviewRig } from "../test/helpers/preview.ts";
import { median, report } from "./harness.ts";

const RUNS = 5;
/** Demanded of a machine with two cores. */
const BOUND_MS = 1500;

/** Runs in the page before its own scripts: takes the sample as soon as it is offered, and the time of the frame with its graph. */
function drive(): void {
  const step = (): void => {
    document.getElementById("sample")?.click();
    if (document.querySelector(".graph .node") === null) return;
    observer.disconnect();
    requestAnimationFrame(() => Object.assign(globalThis, { drawnMs: performance.now() }));
  };
  const observer = new MutationObserver(step);
  observer.observe(document, { childList: true, subtree: true });
}

/** A fresh context each time: nothing is cached, no service worker is there. */
async function openOnce(rig: PreviewRig): Promise<{ drawnMs: number; requests: string[] }> {
  const { page, context, requests } = await rig.open({ hash: "#tab=graph", before: drive });
  const handle = await page.waitForFunction(
    () => (globalThis as unknown as { drawnMs?: number }).drawnMs,
  );
  const drawnMs = Number(await handle.jsonValue());
  await context.close();
  return { drawnMs, requests };
}

function firstLoad(rig: PreviewRig, requests: readonly string[]) {
  const names = new Set(requests.map((url) => url.replace(/#.*/, "").slice(rig.url.length)));
  const files = [...names].map((name) =>
    readFileSync(join(BUILT, name === "" ? "index.html" : name)),
  );
  const sum = (sizes: number[]): number => sizes.reduce((a, b) => a + b, 0);
  return {
    files: files.length,
    bytes: sum(files.map(({ length }) => length)),
    gzipBytes: sum(files.map((file) => gzipSync(file, { level: 9 }).length)),
  };
}

if (!hasChromium) console.error("skipped: preview (no Chromium)");
else {
  const rig = await PreviewRig.start();
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await openOnce(rig));
  const times = runs.map(({ drawnMs }) => drawnMs);
  const { files, bytes, gzipBytes } = firstLoad(rig, runs[0]!.requests);
  await rig.close();
  report({
    bench: "preview",
    case: "examples/sample/digits",
    target: "a311d",
    mode: "optimised",
    "opened to drawn, median, ms": median(times),
    "opened to drawn, longest, ms": Math.max(...times),
    "bound, ms": BOUND_MS,
    "first load, files": files,
    "first load, bytes": bytes,
    "first load, bytes compressed": gzipBytes,
  });
  if (median(times) > BOUND_MS) process.exitCode = 1;
}
