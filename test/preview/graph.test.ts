// The graph and the details in Chromium: what is chosen is in view, zoom keeps its place, the focus is never lost.
// SPDX-License-Identifier: MIT
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { writeModel } from "../../core-as/model/write.ts";
import { shapeText, titleText } from "../../examples/preview/views/graph-text.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import { hasChromium, openModel, openSample, openTab, previewSuite } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

const WIDE = { chains: 4, length: 40 };

/** Chains side by side from one input: wider and higher than any view. */
function wideModel(): Uint8Array {
  const values = tensor([1, 4], { type: "float32" });
  const tensors = [values];
  const ops = [];
  const ends = [];
  for (let chain = 0; chain < WIDE.chains; chain++) {
    let now = 0;
    for (let i = 0; i < WIDE.length; i++) {
      const next = tensors.push(values) - 1;
      ops.push(op("RELU", [now], [next]));
      now = next;
    }
    ends.push(now);
  }
  const description = "chains";
  const wide = graph(tensors, ops, [0], ends);
  return writeModel({ graph: wide, description, schemaVersion: 3, otherSubgraphs: [] });
}

/** Class and id of the focused element, and its text. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const { tagName, className, id, textContent } = document.activeElement!;
    return `${tagName} ${className} ${id} ${tagName === "BUTTON" ? textContent : ""}`;
  });

if (needTool("preview graph", "Chromium", hasChromium)) {
  const { test, inPage } = previewSuite("preview graph");

  inPage("what was chosen elsewhere is in view when the graph opens", async ({ page }) => {
    await openModel(page, { name: "wide.tflite", bytes: wideModel() });
    await openTab(page, "operators");
    // Far down, but not so far that a view at the end shows it anyway.
    const chosen = WIDE.chains * WIDE.length - 10;
    await page.click(`#panel tbody tr:nth-child(${chosen + 1})`);
    assert.is(await page.locator("#panel tr[aria-current=true]").count(), 1);
    await openTab(page, "graph");
    const outside = (): Promise<string[]> =>
      page.evaluate((id) => {
        const box = document.querySelector(".graph-scroll")!.getBoundingClientRect();
        const node = document.getElementById(id)!.getBoundingClientRect();
        return (["left", "top", "right", "bottom"] as const).filter((side) =>
          side === "left" || side === "top" ? node[side] < box[side] : node[side] > box[side],
        );
      }, `node-op${chosen}`);
    await page.waitForFunction(() => document.querySelector(".node.selected[tabindex='0']"));
    assert.equal(await outside(), []);

    // A click on the overview leads to any place, whatever was in view.
    for (const [x, to] of [
      [2, 0],
      [42, 1],
    ] as const) {
      await page.click(".overview", { position: { x, y: 2 } });
      const at = await page.$eval(".graph-scroll", ({ scrollLeft, scrollWidth, clientWidth }) => [
        scrollLeft,
        scrollWidth - clientWidth,
      ]);
      assert.ok(Math.abs(at[0]! - to * at[1]!) < 2, `${at}`);
    }

    // Capital letters are no other keys.
    await page.focus(".graph-scroll");
    const zoom = (): Promise<string | null> => page.textContent(".graph-tools .number");
    const before = await zoom();
    await page.keyboard.press("F");
    assert.is.not(await zoom(), before);
  });

  inPage(
    "the drawing keeps its place, is dragged by its background, can be read",
    async ({ page }) => {
      await openSample(page);
      await openTab(page, "graph");
      const places = await page.evaluate(async () => {
        const box = document.querySelector(".graph-scroll")!;
        const larger = document.querySelector<HTMLElement>(".graph-tools button:nth-of-type(3)")!;
        /** Where the middle of the view is in the drawing, as shares of its sides. */
        const middle = (): number[] => {
          const view = box.getBoundingClientRect();
          const drawing = document.querySelector(".graph")!.getBoundingClientRect();
          return [
            (view.left + view.width / 2 - drawing.left) / drawing.width,
            (view.top + view.height / 2 - drawing.top) / drawing.height,
            drawing.width / view.width,
          ];
        };
        box.scrollTop = (box.scrollHeight - box.clientHeight) / 2;
        const seen = [middle()];
        for (let step = 0; step < 4; step++) {
          larger.click();
          await new Promise(requestAnimationFrame);
          seen.push(middle());
        }
        return seen;
      });
      const sizes = places.map(([, , size]) => size!);
      assert.ok(sizes[0]! < 0.9 && sizes[4]! > 1.1, `narrower than the view, then wider: ${sizes}`);
      for (const place of places)
        for (const side of [0, 1])
          assert.ok(Math.abs(place[side]! - places[0]![side]!) < 0.005, places.join("; "));

      // Neither the scrollbar nor a pointer that is gone drags it.
      const panning = await page.evaluate(() => {
        const box = document.querySelector(".graph-scroll")!;
        const { left, top, bottom } = box.getBoundingClientRect();
        const does = (type: string, clientX: number, buttons: number): boolean => {
          const at = { clientX, clientY: (top + bottom) / 2, buttons };
          box.dispatchEvent(
            new PointerEvent(type, { ...at, bubbles: true, button: 0, pointerType: "mouse" }),
          );
          return box.classList.contains("panning");
        };
        return [
          does("pointerdown", left + box.clientWidth + 3, 1),
          does("pointerdown", left + 5, 1),
          does("pointermove", left + 5, 1),
          does("pointermove", left + 5, 0),
          does("pointerdown", left + 5, 1),
          does("pointercancel", left + 5, 1),
        ];
      });
      assert.equal(panning, [false, true, true, false, true, false]);

      for (const [number, share] of [
        [60, "3.4 %"],
        [999, "100.0 %"],
        [1234, "12.3 %"],
        [12345, null],
      ] as const) {
        const texts = [
          titleText("RESIZE_NEAREST_NEIGHBOR", number),
          `#${number}`,
          shapeText([1, 1024, 1024, 1024], share === null ? null : 1),
          share ?? "",
        ];
        const gaps = await page.$eval(
          ".node.npu:has(.time)",
          (node, [title, op, shape, time]) => {
            const [name, first, , second, third] = [...node.querySelectorAll("text")];
            const gap = (left: SVGTextElement, right: SVGTextElement): number =>
              right.getBBox().x - left.getBBox().x - left.getBBox().width;
            name!.textContent = title!;
            first!.textContent = op!;
            second!.textContent = shape!;
            third!.textContent = time === "" ? "." : time!;
            return [gap(name!, first!), gap(second!, third!)];
          },
          texts,
        );
        assert.ok(Math.min(...gaps) > 0, `${texts.join(" ")}: ${gaps} px apart`);
      }
    },
    { width: 480 },
  );

  inPage("the focus stays where it chooses, and inside the details", async ({ page }) => {
    await openSample(page);
    await openTab(page, "jobs");
    await page.focus("#panel tbody button");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".details:focus");

    // To the operator and back to the job, by the links of the details.
    await page.focus(".details p .link");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".details .job-list");
    assert.match(await focused(page), "ASIDE details");
    await page.focus(".details .job-list .link");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".details[aria-label^='Job ']:focus");

    // Another compilation, chosen with the details open.
    await page.focus(".choices select");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => {
      const chosen = document.querySelector<HTMLSelectElement>(".choices select")!.value;
      return document.querySelector(".headline")!.textContent!.includes(`${chosen},`);
    });
    assert.match(await focused(page), "SELECT");
    // The way back is still known.
    await page.focus(".details");
    await page.keyboard.press("Escape");
    assert.match(await focused(page), "BUTTON link number");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".details:focus");

    await openTab(page, "tiles");
    for (const wanted of [".choice .steps button:last-child", ".choice select"]) {
      const job = await page.getAttribute(".details", "aria-label");
      await page.focus(wanted);
      await page.keyboard.press(wanted.endsWith("select") ? "ArrowDown" : "Enter");
      await page.waitForFunction(
        (before) => document.querySelector(".details")!.getAttribute("aria-label") !== before,
        job,
      );
      assert.ok(await page.$eval(wanted, (each) => each === document.activeElement), wanted);
    }

    await page.focus(".details");
    await page.keyboard.press("Escape");
    assert.is(await page.locator(".details").count(), 0);
  });

  test.run();
}
