// The preview with a screen reader's eyes: axe finds nothing serious in any view, in light and dark.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TABS } from "../../examples/preview/shell/panels.ts";
import { findings } from "../helpers/axe.ts";
import { writeFloatModel } from "../helpers/float-model.ts";
import { hasChromium, openModel, openSample, openTab, PreviewRig } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

interface Context {
  rig: PreviewRig;
}

if (needTool("preview, accessibility", "Chromium", hasChromium)) {
  const test = suite<Context>("preview, accessibility");
  test.before(async (context) => {
    context.rig = await PreviewRig.start();
  });
  test.after(({ rig }) => rig.close());

  test("axe finds what is wrong", async ({ rig }) => {
    const { page, context } = await rig.open();
    await page.evaluate(() => document.querySelector("#sample")!.replaceChildren());
    assert.ok((await findings(page)).some((line) => line.startsWith("button-name")));
    await context.close();
  });

  for (const scheme of ["light", "dark"] as const)
    for (const width of [390, 1280])
      test(`no serious findings, ${scheme}, ${width} pixels`, async ({ rig }) => {
        const { page, context } = await rig.open({ scheme, width });
        assert.equal(await findings(page), [], "empty page");
        await openModel(page, { name: "broken.tflite", bytes: new Uint8Array(100) });
        assert.equal(await findings(page), [], "error");
        await openModel(page, { name: "float.tflite", bytes: writeFloatModel() });
        assert.equal(await findings(page), [], "float model");
        await page.click(".brand");
        await openSample(page);
        for (const { id } of TABS) {
          await openTab(page, id);
          assert.equal(await findings(page), [], id);
          assert.is(await page.locator("#panel .failure").count(), 0, id);
        }
        await openTab(page, "operators");
        await page.click("#panel tbody tr:nth-child(3)");
        await page.waitForSelector(".details");
        assert.equal(await findings(page), [], "details");
        await page.click(".options summary");
        assert.equal(await findings(page), [], "options");
        await context.close();
      });

  test.run();
}
