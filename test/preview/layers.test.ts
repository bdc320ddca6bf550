// The preview compares layers as the library does, and its exports are the command line's files.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import {
  compareLayers,
  compile,
  reportCsv,
  reportHtml,
  reportTrace,
  serialiseExecutable,
  snrText,
  type CompileReport,
} from "../../core-as/index.ts";
import { findings } from "../helpers/axe.ts";
import {
  choosePicture,
  expectedOf,
  plainText,
  rowsOf,
  runSuite,
  savedBy,
} from "../helpers/preview-run.ts";
import { hasChromium, openModel, openSample, openTab } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

const SAMPLE = new Uint8Array(readFileSync("examples/sample/digits.tflite"));

async function openLayers(page: Page): Promise<void> {
  await openSample(page);
  await openTab(page, "layers");
  await page.click('.sample[aria-label="three.png"]');
  await page.waitForSelector('.chosen:has-text("three.png")');
}

if (needTool("preview, layers and exports", "Chromium", hasChromium)) {
  const { test, inPage } = runSuite("preview, layers and exports");

  inPage("layers are compared, sorted, and selected on the whole page", async ({ page }) => {
    const { inputs } = await expectedOf(SAMPLE, "examples/sample/three.png");
    const { layers } = await compareLayers(SAMPLE, {}, [{ name: "three.png", inputs }]);
    await openLayers(page);
    await page.click(".start .primary");
    const rows = await rowsOf(page, ".layers");
    assert.equal(
      rows.map((cells) => cells.slice(0, 8)),
      layers.map(({ op, name, place, alone }) => [
        String(op),
        name,
        place.toUpperCase(),
        ...(alone === null
          ? ["–", "–", "–", "–", "–"]
          : [
              String(alone.max),
              alone.mean.toFixed(4),
              alone.cosine.toFixed(6),
              snrText(alone),
              `${(alone.within1 * 100).toFixed(1)} %`,
            ]),
      ]),
    );
    const equal = layers.filter(({ alone }) => alone?.different === 0).length;
    assert.is(await plainText(page, ".filter-count"), `${equal} of 14 layers equal`);

    // The layer that is furthest off is described until another one is chosen.
    const worst = layers.find(({ alone }) => (alone?.max ?? 0) > 0)!;
    assert.match(
      await plainText(page, "section:has(> .histogram-scroll)"),
      `Furthest off: #${worst.op} `,
    );
    const zero = worst.alone!.histogram.find(({ from, to }) => from === 0 && to === 0)!;
    const bars = await page.$$eval(".histogram li", (items) =>
      items.map((item) => item.getAttribute("title")),
    );
    assert.ok(
      bars.includes(
        `0: ${zero.count.toLocaleString("en-US")} of ${worst.alone!.elements.toLocaleString("en-US")}`,
      ),
    );

    await page.locator(".layers th", { hasText: "Max" }).locator("button").click();
    assert.is((await rowsOf(page, ".layers"))[0]![0], String(worst.op));
    await page.click(`.layers tbody tr:has-text("ADD")`);
    await page.waitForSelector(".details");
    assert.match(await plainText(page, "section:has(> .histogram-scroll)"), /^#7 ADD/);
    await openTab(page, "graph");
    await page.waitForSelector(".node.selected");
    assert.is(await page.getAttribute(".node.selected", "id"), "node-op7");

    await openTab(page, "layers");
    await page.click(".segments label:has-text('behind the others')");
    const chained = await rowsOf(page, ".layers");
    assert.is(chained.length, 14);
    const last = layers[13]!.chained!;
    assert.is(chained[13]![3], String(last.max));
  });

  inPage("a wrong picture is said on every tab that takes one", async ({ page }) => {
    await openLayers(page);
    await choosePicture(page, { name: "x.png", mimeType: "", buffer: Buffer.alloc(40) });
    await page.waitForSelector('.failure-line:has-text("TW_IO_PICTURE")');
    await openTab(page, "board");
    await page.waitForSelector('.failure-line:has-text("TW_IO_PICTURE")');
    await page.click('.sample[aria-label="eight.png"]');
    await page.waitForSelector(".failure", { state: "detached" });
  });

  inPage("with a float evaluation; cancelled, it can be asked again", async ({ page }) => {
    await openLayers(page);
    await page.check("text=Also with a float evaluation");
    await page.click(".start .primary");
    await page.click(".start .button:text('Cancel')");
    await page.waitForSelector(".start .primary:not(:disabled)");
    assert.is(await page.locator("#panel .failure").count(), 0);
    await page.click(".start .primary");
    await page.waitForSelector(".layers");
    await page.click(".segments label:has-text('float')");
    const rows = await rowsOf(page, ".layers");
    // Nothing that is quantised equals float.
    assert.match(rows[0]![3]!, /^0\.\d+$/);
  });

  inPage("an executable has no reference, and says so", async ({ page }) => {
    const bytes = serialiseExecutable((await compile(SAMPLE)).executable);
    await openModel(page, { name: "digits.twx", bytes });
    await openTab(page, "layers");
    assert.match(await plainText(page, "#panel"), "Open the .tflite that it was compiled from.");
    // Running needs none.
    await openTab(page, "run");
    await page.click('.sample[aria-label="eight.png"]');
    await page.waitForSelector('.ranking .first:has-text("eight")');
  });

  inPage("exports are the files of the command line", async ({ page }) => {
    const { executable, report } = await compile(SAMPLE);
    await openSample(page);
    await openTab(page, "export");
    const save = (title: string) => savedBy(page, () => page.click(`button:text("${title}")`));
    const [name, twx] = await save("Executable, .twx");
    assert.is(name, "digits-a311d-optimised.twx");
    assert.equal(new Uint8Array(twx), serialiseExecutable(executable));
    const texts: [string, string, (report: CompileReport) => string][] = [
      ["Report, HTML", "digits-a311d-optimised.html", reportHtml],
      ["Jobs, CSV", "digits-a311d-optimised-jobs.csv", reportCsv],
      ["Trace", "digits-a311d-optimised-trace.json", reportTrace],
      [
        "Report, JSON",
        "digits-a311d-optimised-report.json",
        (one) => `${JSON.stringify(one, null, 2)}\n`,
      ],
    ];
    for (const [title, file, write] of texts) {
      const [saved, bytes] = await save(title);
      assert.is(saved, file);
      assert.is(bytes.toString(), write(report));
    }
    const link = await page.inputValue(".link-text");
    assert.is(link, page.url());
    assert.match(link, "tab=export");
  });

  inPage("observed times go into the report, with the word for them", async ({ page }) => {
    await openSample(page);
    await openTab(page, "export");
    assert.ok(await page.isDisabled(".exports input[type=checkbox]"));
    await openTab(page, "run");
    await page.check("text=Time of every job");
    await page.click('.sample[aria-label="three.png"]');
    await page.waitForSelector(".job-times");
    await openTab(page, "export");
    await page.check(".exports input[type=checkbox]");
    const [, bytes] = await savedBy(page, () => page.click('button:text("Report, JSON")'));
    const { jobs } = JSON.parse(bytes.toString()) as CompileReport;
    assert.is(jobs.length, 13);
    for (const { observed } of jobs) assert.is(observed?.evidence, "simulated");
  });

  for (const scheme of ["light", "dark"] as const)
    for (const width of [390, 1280])
      inPage(
        `axe finds nothing serious in results, ${scheme}, ${width} pixels`,
        async ({ page }) => {
          await openSample(page);
          await openTab(page, "run");
          await page.click("button:text('Camera')");
          await page.waitForSelector(".camera [role=alert]");
          assert.equal(await findings(page), [], "camera");
          await page.click("text=Close camera");
          await page.check("text=Time of every job");
          await page.click('.sample[aria-label="three.png"]');
          await page.waitForSelector(".job-times");
          await page.click("details.tensor summary");
          await page.waitForSelector(".values");
          assert.equal(await findings(page), [], "run");
          await openTab(page, "layers");
          await page.click(".start .primary");
          await page.waitForSelector(".layers");
          assert.equal(await findings(page), [], "layers");
          await openTab(page, "board");
          await page.fill("input[name=board-address]", "ws://192.0.2.1:9370");
          await page.fill("input[name=board-token]", "a token for nobody");
          await page.click(".connection button");
          await page.waitForSelector("#panel .failure");
          assert.equal(await findings(page), [], "board");
        },
        { scheme, width },
      );

  test.run();
}
