// The panels of the hardware in Chromium: figures of the report, keyboard, both schemes, nothing that axe-core finds serious.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, memoryMap, type CompileResult } from "../../core-as/index.ts";
import { disassemblePartition } from "../../core-as/inspect/symbols.ts";
import { hasCorpus } from "../helpers/corpus.ts";
import { hasChromium, openModel, openSample, openTab, PreviewRig, type PageOptions } from "../helpers/preview.ts"; // prettier-ignore
import { needTool } from "../helpers/tools.ts";

const AXE = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const PANELS = ["time", "memory", "tiles", "weights", "stream"];
const MOBILEDET = "ssdlite_mobiledet_coco_qat_postprocess";
/** Of a page that stays fluid: what a step of the keyboard may take, drawn, on two cores that others use, too. */
const STEP_MS = 50;
const PATIENCE_MS = 10_000;

interface Violation {
  id: string;
  impact: string | null;
  nodes: { html: string }[];
}

/** What axe-core finds serious or critical. The script comes through the debugger, so the page's policy stays as it is. */
async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] })",
  )) as { violations: Violation[] };
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 160)}`);
}

const text = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).first().textContent()) ?? "";

/** Waits until the current item of a list or graphic is one whose name, as a screen reader says it, has a part. */
async function expectCurrent(page: Page, label: string, part: string): Promise<void> {
  const read = ({ start, wanted }: { start: string; wanted: string }): boolean | string => {
    const list = document.querySelector(`[role=listbox][aria-label^="${start}"]`);
    const item = document.getElementById(list?.getAttribute("aria-activedescendant") ?? "");
    const name = item?.getAttribute("aria-label") ?? item?.textContent ?? "nothing";
    return wanted === "" ? name : name.includes(wanted);
  };
  await page
    .waitForFunction(read, { start: label, wanted: part }, { timeout: PATIENCE_MS })
    .catch(async () => {
      const name = await page.evaluate(read, { start: label, wanted: "" });
      assert.unreachable(`${label}: the current item is ${name}, not ${part}`);
    });
}

/** Whether the focused element keeps Alt and the left arrow from the browser, for which they mean Back. */
const swallowsBack = (page: Page): Promise<boolean> =>
  page.evaluate(() => {
    const init = { key: "ArrowLeft", altKey: true, bubbles: true, cancelable: true };
    return !document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", init));
  });

/** Opens the first table that stands for a graphic, and waits for as many rows. */
async function expectRows(page: Page, count: number): Promise<void> {
  await page.click(".as-table summary >> nth=0");
  await page.waitForFunction(
    (rows) => document.querySelector(".as-table")?.querySelectorAll("tbody tr").length === rows,
    count,
    { timeout: PATIENCE_MS },
  );
}

if (needTool("preview panels", "Chromium", hasChromium)) {
  const test = suite<{ rig: PreviewRig; sample: CompileResult }>("preview panels");
  test.before(async (context) => {
    context.rig = await PreviewRig.start();
    context.sample = await compile(new Uint8Array(readFileSync("examples/sample/digits.tflite")));
  });
  test.after(({ rig }) => rig.close());

  /** Runs in a page that must not complain, violate its policy or move by itself. */
  const inPage = (
    name: string,
    options: PageOptions,
    run: (page: Page, sample: CompileResult) => Promise<void>,
  ): void =>
    void test(name, async ({ rig, sample }) => {
      const open = await rig.open(options);
      try {
        await run(open.page, sample);
        assert.equal(open.complaints, []);
        assert.equal(await open.violations(), []);
        assert.equal(await open.layoutShifts(), []);
        assert.ok(open.requests.every((url) => url.startsWith(rig.url)));
      } finally {
        await open.context.close();
      }
    });

  for (const [width, scheme] of [
    [390, "light"],
    [1600, "dark"],
  ] as const)
    // prettier-ignore
    inPage(`${width} px, ${scheme}: no serious finding`, { width, scheme }, async (page) => {
      await openSample(page);
      for (const panel of PANELS) {
        await openTab(page, panel);
        await page.waitForSelector(".hw-panel [role=listbox]");
        assert.equal(await seriousFindings(page), [], panel);
        const wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
        assert.not(wide, `${panel} is not wider than the page`);
      }
    });

  inPage("time line: the report's figures, by keyboard", {}, async (page, { report }) => {
    await openSample(page);
    await openTab(page, "time");
    const { totals, jobs } = report;
    assert.match(await text(page, ".panel-facts"), `${totals.predictedMs!.toFixed(2)} ms`);
    assert.match(await text(page, ".panel-facts"), `Jobs${jobs.length}`);
    const label = "Time line";
    await page.focus(`[role=listbox][aria-label^="${label}"]`);
    for (const { job, op, prediction, sourceOp } of jobs) {
      await expectCurrent(page, label, `job 0.${job} ${op} of #${sourceOp} `);
      await expectCurrent(page, label, `${(100 * prediction!.share).toFixed(1)} % of all`);
      await page.keyboard.press("ArrowRight");
    }
    await page.keyboard.press("Home");
    await expectCurrent(page, label, "job 0.0 ");
    await expectRows(page, jobs.length);
    const marks = await page.locator(".marks-legend li").count();
    assert.is(marks, 3);
    // Enlarged, the current bar stays in view.
    await page.selectOption(".zooms select", "16");
    const seen = (from: number, to: number) =>
      page.waitForFunction(
        ([least, most]) => {
          const { scrollLeft, clientWidth } = document.querySelector(".time-scroll")!;
          return scrollLeft >= least! * clientWidth && scrollLeft <= most! * clientWidth;
        },
        [from, to],
        { timeout: PATIENCE_MS },
      );
    await page.focus(`[role=listbox][aria-label^="${label}"]`);
    await page.keyboard.press("End");
    await seen(10, 15);
    await page.keyboard.press("Home");
    await seen(0, 1);
    // A TP job is no point of the roofline: there is nothing to choose.
    const tp = jobs.find(({ kind }) => kind === "TP")!;
    for (let i = 0; i < tp.job; i++) await page.keyboard.press("ArrowRight");
    await expectCurrent(page, label, `job 0.${tp.job} `);
    await page.focus('[role=listbox][aria-label^="Roofline"]');
    await page.keyboard.press("Enter");
  });

  inPage("memory: rows are the memory map's", {}, async (page, { executable }) => {
    await openSample(page);
    await openTab(page, "memory");
    const { rows, bytes } = memoryMap(executable, 0);
    // As wide as told: a width of any style sheet overrides an attribute's.
    const widths = await page.$$eval(".tensor-box", (boxes) =>
      boxes.map((box) => [box.getAttribute("width"), getComputedStyle(box).width]),
    );
    assert.is(widths.length, rows.length);
    for (const [told, drawn] of widths) assert.ok(Math.abs(parseFloat(told!) - parseFloat(drawn!)) < 0.1, `${told} and ${drawn}`); // prettier-ignore
    assert.match(await text(page, ".panel-facts"), `${(bytes / 1024).toFixed(1)} KiB`);
    await page.focus('[role=listbox][aria-label^="Places of tensors"]');
    await page.keyboard.press("End");
    await expectCurrent(page, "Places of tensors", rows.at(-1)!.label);
    await page.waitForSelector(".live-chart canvas");
    await expectRows(page, rows.length);
  });

  inPage("tiles: grid, halo and kernels of a job", {}, async (page, { report }) => {
    await openSample(page);
    await openTab(page, "tiles");
    const job = report.jobs.find(({ kind }) => kind === "NN")!;
    const { x, y } = job.nn!.tile;
    const columns = Math.ceil(job.output!.x / x);
    const rows = Math.ceil(job.output!.y / y);
    assert.match(await text(page, ".panel-facts"), `Tiles${columns}×${rows}`);
    const label = "Output of";
    await page.focus(`[role=listbox][aria-label^="${label}"]`);
    await expectCurrent(page, label, `tile 0 (${x}×${y}): writes columns 0 to ${x - 1}`);
    await page.keyboard.press("ArrowDown");
    await expectCurrent(page, label, `tile ${columns} `);
    assert.is(await page.locator(".dealing tbody tr").count(), job.nn!.coefficients!.coreBytes.length);
    // A TP job has cores instead.
    const tp = report.jobs.findIndex(({ kind }) => kind === "TP");
    await page.selectOption(".hw-panel select", String(tp));
    await page.waitForSelector('[aria-label="TP cores"]');
    assert.is(await page.locator('[aria-label="TP cores"] tbody tr').count(), report.jobs[tp]!.descriptors);
  }); // prettier-ignore

  inPage("weights: a weight leads to its bits and back", {}, async (page) => {
    await openSample(page);
    await openTab(page, "weights");
    await page.waitForSelector(".span");
    await page.focus('[role=listbox][aria-label^="Weights of the kernel"]');
    await page.keyboard.press("End");
    const cursor = page.locator(".heat-cursor");
    await page.waitForFunction(() => {
      const { ariaPosInSet, ariaSetSize } = document.querySelector(".heat-cursor")!;
      return ariaPosInSet === ariaSetSize;
    });
    // There is no weight behind the last one; that chooses nothing.
    const spanBefore = await text(page, ".span-line");
    await page.keyboard.press("ArrowRight");
    await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
    assert.is(await text(page, ".span-line"), spanBefore);
    assert.not(await swallowsBack(page), "weights");
    const [place, value] = (await cursor.getAttribute("aria-label"))!.split(": ");
    await page.keyboard.press("Enter");
    await page.waitForFunction(
      (wanted) => document.querySelector(".span-line")?.textContent?.includes(wanted),
      place!,
    );
    const weight = /^(\S+) \(byte/.exec(value!)![1]!;
    assert.match(await text(page, ".span-line"), `weight ${weight} (byte `);
    // Back to the first span, which yields the first weight.
    await page.focus('[role=listbox][aria-label^="Spans of bits"]');
    assert.not(await swallowsBack(page), "spans");
    await page.keyboard.press("Home");
    await page.waitForFunction(() =>
      document.querySelector(".heat-cursor")?.getAttribute("aria-label")?.includes("row 0, column 0"),
    );
    assert.match(await text(page, ".hw-panel"), "Value for value output channel 0 of the model's uint8 tensor");
    await page.selectOption(".bits-tools select", "buffer");
    await page.waitForFunction(() => document.querySelector(".span small")?.textContent?.startsWith("size of stream"));
    // A list that is longer than its box follows the keyboard.
    await page.selectOption(".choices-row select >> nth=0", "4");
    await page.waitForFunction(() => document.querySelectorAll(".span").length === 34);
    await page.selectOption(".bits-tools select", "core");
    await page.waitForFunction(() => document.querySelectorAll(".span").length === 160);
    await page.focus('[role=listbox][aria-label^="Spans of bits"]');
    await page.keyboard.press("End");
    const inView = (): boolean => {
      const box = document.querySelector(".spans")!;
      const [list, item] = [box, box.querySelector(".span:last-child")!].map((e) => e.getBoundingClientRect());
      return box.scrollTop > 0 && item!.top >= list!.top && item!.bottom <= list!.bottom;
    };
    await page.waitForFunction(inView, undefined, { timeout: PATIENCE_MS });
    // A core that another chip does not have is not asked for there.
    await page.selectOption(".choices-row select >> nth=1", "7");
    await page.waitForFunction(() => document.querySelector("#panel")?.textContent?.includes("all of core 7"));
    await page.selectOption(".choices select", "vippico-v3");
    await page.waitForFunction(() => document.querySelector("#panel")?.textContent?.includes("all of core 0"));
    assert.is(await page.locator("#panel .failure").count(), 0);
  }); // prettier-ignore

  inPage("stream: lines, their fields, and a descriptor", {}, async (page, { executable }) => {
    await openSample(page);
    await openTab(page, "stream");
    const lines = disassemblePartition(executable.partitions[0]!);
    const label = "Lines of the command stream";
    await page.focus(`[role=listbox][aria-label^="${label}"]`);
    await page.keyboard.press("Home");
    for (const { text: line } of lines.slice(0, 20)) {
      await expectCurrent(page, label, line);
      await page.keyboard.press("ArrowDown");
    }
    await page.keyboard.press("End");
    await expectCurrent(page, label, lines.at(-1)!.text);
    assert.not(await swallowsBack(page), "lines");
    assert.ok((await page.locator(".line").count()) < lines.length, "only what is seen is drawn");
    await page.keyboard.press("Home");
    const start = lines.filter(({ text: line }) => line.includes("_INST_ADDR"))[1]!;
    for (const _ of lines.slice(0, lines.indexOf(start))) await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => document.querySelector(".explanation")?.textContent?.includes("STATE_ADDR"));
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#descriptor-title")?.textContent?.includes("job 0.1:"));
    await page.check(".descriptor input[type=checkbox]");
    assert.match(await text(page, ".field-table"), "LAYER_TYPE");
    await page.hover(".field-table tbody tr >> nth=1");
    assert.ok((await page.locator(".word-part.current").count()) > 0);
  }); // prettier-ignore

  if (hasCorpus)
    inPage("MobileDet: every step of the keyboard is drawn at once", { hash: "#tab=time" }, async (page) => {
      await openModel(page, MOBILEDET);
      for (const panel of PANELS) {
        await openTab(page, panel);
        await page.waitForSelector(".hw-panel [role=listbox]");
        await page.focus(".hw-panel [role=listbox]");
        const times: number[] = await page.evaluate(async () => {
          const taken: number[] = [];
          const frame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
          for (let i = 0; i < 15; i++) {
            await frame();
            const start = performance.now();
            const key = i % 5 === 4 ? "PageDown" : "ArrowRight";
            document.activeElement!.dispatchEvent(
              new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }),
            );
            // Drawn: the frame that the change asked for has been computed.
            await new Promise((done) => setTimeout(done));
            document.body.getBoundingClientRect();
            taken.push(performance.now() - start);
          }
          return taken.sort((a, b) => a - b);
        });
        // Of steps that other processes disturb the third fastest says what the page itself takes.
        assert.ok(times[2]! < STEP_MS, `${panel}: ${times.join(", ")} ms a step`);
      }
    }); // prettier-ignore

  test.run();
}
