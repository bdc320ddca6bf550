// The preview in Chromium: models in, views out, nothing on the console, nothing that moves.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import {
  compile,
  NpuError,
  serialiseExecutable,
  type CompileOptions,
} from "../../core-as/index.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { TABS } from "../../examples/preview/shell/panels.ts";
import { corpusBytes, needCorpus } from "../helpers/corpus.ts";
import { writeFloatModel } from "../helpers/float-model.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import {
  hasChromium,
  openModel,
  openSample,
  openTab,
  previewSuite,
  type OpenPage,
} from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

const SAMPLE = "examples/sample/digits.tflite";

/** A model without multiply-accumulates. */
function softmaxModel(): Uint8Array {
  const values = tensor([1, 8], { type: "float32" });
  const softmax = graph([values, values], [op("SOFTMAX", [0], [1], { beta: 1 })], [0], [1]);
  return writeModel({ graph: softmax, description: "", schemaVersion: 3, otherSubgraphs: [] });
}

const text = async ({ page }: OpenPage, selector: string): Promise<string> =>
  (await page.locator(selector).first().textContent()) ?? "";

/** The line that the command line tool prints behind "error:". */
async function errorLine(model: Uint8Array, options: CompileOptions = {}): Promise<string> {
  try {
    await compile(model, options);
  } catch (error) {
    assert.instance(error, NpuError);
    const { message, code } = error as NpuError;
    return `error: ${message} [${code}]`;
  }
  throw new Error("the model compiles");
}

if (needTool("preview", "Chromium", hasChromium)) {
  const { test, inPage } = previewSuite("preview");

  inPage("the sample opens and draws", async (open) => {
    const { page } = open;
    await openSample(page);
    const { report } = await compile(new Uint8Array(readFileSync(SAMPLE)));
    const { totals } = report;
    const figures = await text(open, ".figures");
    assert.match(figures, `${totals.predictedMs!.toFixed(2)} ms ± 9.2 %`);
    assert.match(figures, `${totals.operatorsOnNpu} of ${totals.operators} operators`);
    assert.match(await text(open, "[role=status]"), "digits.tflite is ready.");
    for (const { reason } of report.operators.filter(({ place }) => place === "cpu"))
      assert.match(await text(open, ".fallbacks"), reason!);

    await openTab(page, "graph");
    assert.is(await page.locator(".node.npu").count(), totals.operatorsOnNpu);
    assert.is(await page.locator(".node.cpu").count(), totals.operators - totals.operatorsOnNpu);
    assert.is(await page.locator(".node.input, .node.output").count(), 2);
    assert.is(await page.locator(".node.cpu .pattern").count(), 2, "hatched");

    await openTab(page, "operators");
    assert.is(await page.locator("#panel tbody tr").count(), totals.operators);
    await openTab(page, "jobs");
    assert.is(await page.locator("#panel tbody tr").count(), totals.jobs);
    await openTab(page, "modes");
    await page.waitForSelector(".compare");
    const compatible = await compile(new Uint8Array(readFileSync(SAMPLE)), {
      mode: "compatible",
      allowQuirks: true,
    });
    assert.match(
      await text(open, ".compare table"),
      `Jobs${totals.jobs}${compatible.report.totals.jobs}`,
    );
  });

  inPage("tables sort and filter, and say so", async ({ page }) => {
    await openSample(page);
    await openTab(page, "operators");
    const first = (): Promise<string | null> =>
      page.locator("#panel tbody tr:first-child td:first-child").textContent();
    const head = page.locator("th", { hasText: "MACs" });
    assert.is(await first(), "0");
    await head.locator("button").click();
    assert.is(await head.getAttribute("aria-sort"), "descending");
    assert.is(await first(), "6");
    assert.match(page.url(), "opsBy=-macs");
    await head.locator("button").click();
    assert.is(await head.getAttribute("aria-sort"), "ascending");
    await head.locator("button").click();
    assert.is(await head.getAttribute("aria-sort"), "none");
    await page.fill("#panel input[type=search]", "soft");
    assert.is(await page.locator("#panel tbody tr").count(), 1);
    assert.is(await page.locator(".filter-count").textContent(), "1 of 14 operators");
    await page.fill("#panel input[type=search]", "");
    await page.selectOption("#panel select", "npu");
    assert.is(await page.locator("#panel tbody tr").count(), 12);
  });

  inPage("the whole page works by keyboard", async ({ page }) => {
    const focused = (): Promise<string> =>
      page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
    await page.keyboard.press("Tab");
    assert.is(await focused(), "Skip to the content");
    await page.focus("#sample");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".results");
    await page.focus("#tab-summary");
    await page.keyboard.press("ArrowDown");
    assert.is(await page.getAttribute("#tab-graph", "aria-selected"), "true");
    await page.waitForSelector(".node");
    await page.focus(".node[tabindex='0']");
    for (const key of ["ArrowDown", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
    assert.is(await page.evaluate(() => document.activeElement?.id), "node-op2");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".details");
    assert.match(await page.evaluate(() => document.activeElement?.className ?? ""), "details");
    assert.match((await page.textContent(".details")) ?? "", /Operator 2.*CONV_2D.*100,352/s);
    await page.keyboard.press("Escape");
    assert.is(await page.locator(".details").count(), 0);
    assert.is(await page.evaluate(() => document.activeElement?.id), "node-op2");
    await page.keyboard.press("+");
    assert.match((await page.textContent(".graph-tools")) ?? "", "125 %");
  });

  inPage(
    "a link restores the settings, never the model",
    async ({ page, requests }) => {
      await openSample(page);
      await page.selectOption(".choices select", "imx8mp");
      await page.waitForFunction(() =>
        document.querySelector(".headline")?.textContent?.includes("imx8mp"),
      );
      await openTab(page, "jobs");
      await page.locator("th", { hasText: "Cycles" }).locator("button").click();
      await page.click("button[title^='Colours: auto']");
      const link = page.url();
      assert.match(link, "#chip=imx8mp&tab=jobs&theme=light&jobsBy=-cycles");
      await page.goto("about:blank");
      requests.length = 0;
      await page.goto(link);
      await page.waitForSelector("#sample");
      assert.is(await page.locator(".results").count(), 0, "nothing is opened by a link");
      assert.is(await page.inputValue(".choices select"), "imx8mp");
      await openSample(page);
      assert.is(await page.getAttribute("#tab-jobs", "aria-selected"), "true");
      assert.is(await page.locator("th[aria-sort=descending]").textContent(), "Cycles▼");
      assert.is(await page.evaluate(() => document.documentElement.dataset["theme"]), "light");
    },
    { scheme: "dark" },
  );

  inPage("a float model explains why nothing of it runs on the NPU", async (open) => {
    await openModel(open.page, { name: "float.tflite", bytes: writeFloatModel() });
    const { report } = await compile(writeFloatModel());
    assert.match(await text(open, ".summary"), "Nothing of this model runs on the NPU");
    assert.match(await text(open, ".fallbacks"), report.operators[0]!.reason!);
    // Another one has no arithmetic that could run anywhere.
    await openTab(open.page, "operators");
    assert.is(await text(open, ".filter-count"), "1 of 1 operator");
    await open.page.click(".brand");
    await openModel(open.page, { name: "softmax.tflite", bytes: softmaxModel() });
    assert.match(await text(open, ".headline"), /no time predicted.*no MACs$/);
  });

  inPage("a truncated file gets the command line's error", async (open) => {
    const bytes = new Uint8Array(readFileSync(SAMPLE)).slice(0, 5000);
    await openModel(open.page, { name: "cut.tflite", bytes });
    assert.is(await text(open, "[role=alert] .failure-line"), await errorLine(bytes));
    // And the page goes on.
    await openModel(open.page, { name: "whole.tflite", bytes: readFileSync(SAMPLE) });
    await open.page.waitForSelector(".results");
  });

  inPage("a file that is no model gets the command line's error", async (open) => {
    const bytes = new TextEncoder().encode("this is no model");
    await openModel(open.page, { name: "notes.txt", bytes });
    assert.is(await text(open, "[role=alert] .failure-line"), await errorLine(bytes));
  });

  inPage("an executable opens as it was compiled", async (open) => {
    const model = new Uint8Array(readFileSync(SAMPLE));
    const { executable, report } = await compile(model, { target: "imx8mp" });
    await openModel(open.page, { name: "digits.twx", bytes: serialiseExecutable(executable) });
    assert.match(await text(open, ".headline"), "imx8mp, optimised");
    assert.match(await text(open, ".figures"), `${report.totals.operatorsOnNpu} of 14 operators`);
    assert.ok(await open.page.isDisabled(".choices select"));
    await openTab(open.page, "modes");
    assert.match(await text(open, "#panel"), "Open the model to compare both.");
  });

  inPage("a damaged executable says so", async (open) => {
    const model = new Uint8Array(readFileSync(SAMPLE));
    const bytes = serialiseExecutable((await compile(model)).executable);
    bytes[bytes.length - 100]! ^= 1;
    await openModel(open.page, { name: "digits.twx", bytes });
    assert.match(await text(open, "[role=alert]"), "[TW_EXE_DAMAGED]");
  });

  inPage("files are taken by dropping and pasting", async (open) => {
    const { page } = open;
    const bytes = [...readFileSync(SAMPLE)];
    const hand = (kind: "drop" | "paste", name: string): Promise<void> =>
      page.evaluate(
        ([event, title, content]) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(content)], title));
          document.body.dispatchEvent(
            event === "drop"
              ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
              : new ClipboardEvent("paste", {
                  clipboardData: files,
                  bubbles: true,
                  cancelable: true,
                }),
          );
        },
        [kind, name, bytes] as const,
      );
    await hand("drop", "dropped.tflite");
    await page.waitForSelector("h1:text('dropped.tflite')");
    await hand("paste", "pasted.tflite");
    await page.waitForSelector("h1:text('pasted.tflite')");
  });

  inPage("mode and options compile again at once", async (open) => {
    const { page } = open;
    await openSample(page);
    await page.click(".segments label:has-text('compatible')");
    await page.waitForFunction(() =>
      document.querySelector(".headline")?.textContent?.includes("compatible"),
    );
    assert.match(page.url(), "mode=compatible");
    await page.click(".segments label:has-text('optimised')");
    await page.waitForFunction(() =>
      document.querySelector(".headline")?.textContent?.includes("optimised"),
    );
    await page.click(".options summary");
    await page.check(".options input >> nth=0");
    assert.match(page.url(), "exactRounding=1");
    await page.keyboard.press("Escape");
    assert.not(await page.isVisible(".options-box"));
  });

  for (const width of [390, 1024, 1600])
    inPage(
      `${width} pixels are enough`,
      async ({ page }) => {
        const overflow = (): Promise<number> =>
          page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
        assert.is(await overflow(), 0);
        await openSample(page);
        for (const { id: tab } of TABS) {
          await openTab(page, tab);
          assert.is(await overflow(), 0, tab);
        }
      },
      { width },
    );

  test.run();
}

if (needTool("preview with models", "Chromium", hasChromium) && needCorpus("preview with models")) {
  const { test, inPage } = previewSuite("preview with models");

  inPage("mobilenet_v1 shows what the compiler reports", async (open) => {
    const name = "mobilenet_v1_1.0_224_quant";
    await openModel(open.page, name);
    const { totals } = (await compile(corpusBytes("models", `${name}.tflite`))).report;
    const figures = await text(open, ".figures");
    assert.match(figures, `${totals.predictedMs!.toFixed(2)} ms`);
    assert.match(figures, `Jobs${totals.jobs}`);
    await openTab(open.page, "graph");
    assert.is(await open.page.locator(".node.npu, .node.cpu").count(), totals.operators);
  });

  inPage("ssdlite_mobiledet stays fluid", async (open) => {
    const { page } = open;
    await page.evaluate(() => {
      const gaps = { longest: 0 };
      Object.assign(globalThis, { gaps });
      let last = performance.now();
      const frame = (now: number): void => {
        gaps.longest = Math.max(gaps.longest, now - last);
        last = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    const longest = (): Promise<number> =>
      page.evaluate(() => {
        const { gaps } = globalThis as unknown as { gaps: { longest: number } };
        const { longest: value } = gaps;
        gaps.longest = 0;
        return value;
      });
    await openModel(page, "ssdlite_mobiledet_coco_qat_postprocess");
    const compiling = await longest();
    assert.ok(compiling < 500, `a frame took ${compiling} ms while compiling`);
    await openTab(page, "graph");
    assert.ok((await page.locator(".node.npu, .node.cpu").count()) > 100);
    await longest();
    const times = await page.evaluate(async () => {
      const box = document.querySelector(".graph-scroll")!;
      const frames: number[] = [];
      let last = performance.now();
      for (let i = 0; i < 60; i++) {
        box.scrollTop += 90;
        await new Promise(requestAnimationFrame);
        frames.push(performance.now() - last);
        last = performance.now();
      }
      return frames.sort((a, b) => a - b);
    });
    const middle = times[times.length >> 1]!;
    assert.ok(middle < 50, `half of the frames took more than ${middle} ms while scrolling`);
    await page.click("#node-op3", { force: true });
    await page.waitForSelector(".details");
    await openTab(page, "jobs");
    assert.ok((await page.locator("#panel tbody tr").count()) > 200);
    const others = await longest();
    assert.ok(others < 1000, `a frame took ${others} ms while panels opened`);
  });

  inPage("a per-channel model opens", async (open) => {
    const name = "tf2_mobilenet_v2_1.0_224_ptq";
    await openModel(open.page, name);
    const { totals } = (await compile(corpusBytes("models", `${name}.tflite`))).report;
    assert.match(
      await text(open, ".figures"),
      `${totals.operatorsOnNpu} of ${totals.operators} operators`,
    );
  });

  inPage("compatible mode refuses quirks in the command line's words", async (open) => {
    const { page } = open;
    const name = "movenet_single_pose_lightning_ptq";
    await openModel(page, name);
    await page.click(".segments label:has-text('compatible')");
    await page.waitForSelector(".failure");
    assert.is(
      await text(open, "[role=alert] .failure-line"),
      await errorLine(corpusBytes("models", `${name}.tflite`), { mode: "compatible" }),
    );
    await page.click(".options summary");
    await page.check(".options label:has-text('Allow quirks') input");
    await page.waitForSelector(".results");
    assert.match(await text(open, ".warnings"), "computes wrong results, as the reference driver");
  });

  inPage("a compilation shows its passes and can be cancelled", async (open) => {
    const { page } = open;
    await page.setInputFiles("input[type=file] >> nth=0", {
      name: "mobiledet.tflite",
      mimeType: "application/octet-stream",
      buffer: Buffer.from(corpusBytes("models", "ssdlite_mobiledet_coco_qat_postprocess.tflite")),
    });
    await page.waitForFunction(
      () =>
        Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")) > 20,
    );
    assert.match(
      (await page.getAttribute("[role=progressbar]", "aria-valuetext")) ?? "",
      /^[a-z ]+, \d+ %$/,
    );
    await page.click(".progress button");
    await page.waitForSelector(".notice h2:text('Compilation cancelled')");
    assert.is(await page.locator(".results").count(), 0);
    assert.match(await text(open, "body > #app > [role=status]"), "Compilation cancelled.");
    await page.click("button:text('Compile again')");
    await page.waitForSelector(".results", { timeout: 60_000 });

    // Cancelled on the way to another chip, the page goes back to what it shows.
    await page.selectOption(".choices select", "imx8mp");
    // At once: a click would first wait until nothing moves, and by then it may be over.
    const cancel = (): Promise<void> => page.dispatchEvent(".progress button", "click");
    await cancel();
    await page.waitForFunction(() => document.querySelector("[role=progressbar]") === null);
    assert.is(await page.inputValue(".choices select"), "a311d");
    assert.match(await text(open, ".headline"), "a311d");

    // The comparison compiles the other mode; cancelled, it waits for being asked again.
    await page.click("#tab-modes");
    await cancel();
    await page.focus("#panel .notice button");
    assert.match(await text(open, "#panel .notice"), "Comparison cancelled");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=progressbar]");
    assert.ok(await page.$eval("#panel", (panel) => panel === document.activeElement));
  });

  test.run();
}
