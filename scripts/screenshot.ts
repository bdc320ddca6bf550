// Makes docs/preview.png, the README's picture of the preview. By hand: node --import tsx scripts/screenshot.ts
// Needs Chromium and the shared corpus, whose detector shows more than the sample would.
// SPDX-License-Identifier: MIT
import { statSync } from "node:fs";
import { CHROMIUM, openModel, openTab, PreviewRig } from "../test/helpers/preview.ts";

const OUT = "docs/preview.png";
const MOST_BYTES = 250 * 1024;

const rig = await PreviewRig.start();
try {
  const { page } = await rig.open({ width: 1360, height: 800 });
  await openModel(page, "ssdlite_mobiledet_coco_qat_postprocess");
  await openTab(page, "graph");
  // Where branches meet, with an operator's details beside them.
  await page.evaluate(() => {
    document
      .getElementById("node-op8")
      ?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  });
  await page.waitForSelector(".details");
  await page.waitForTimeout(500);
  await page.screenshot({ path: OUT });
} finally {
  await rig.close();
}
const { size } = statSync(OUT);
console.log(`${OUT}: ${size} bytes, ${CHROMIUM}`);
if (size > MOST_BYTES) {
  console.error(`a picture of the README takes at most ${MOST_BYTES} bytes`);
  process.exitCode = 1;
}
