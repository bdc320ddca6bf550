// The preview runs models on pictures: the command line's input bytes, the command line's answers, drawn.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import encodeJpeg, { init } from "@jsquash/jpeg/encode.js";
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { decodePicture } from "../../cli/picture.ts";
import {
  inputInfos,
  NpuError,
  pictureInput,
  readModel,
  type TensorInfo,
} from "../../core-as/index.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";
import { findings } from "../helpers/axe.ts";
import { pngOf } from "../helpers/png.ts";
import {
  choosePicture,
  expectedOf,
  plainText,
  rowsOf,
  runSuite,
  savedBy,
  seenBytes,
} from "../helpers/preview-run.ts";
import { hasChromium, openModel, openSample, openTab } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

const SAMPLE = new Uint8Array(readFileSync("examples/sample/digits.tflite"));
const LABELS = readFileSync("examples/sample/labels.txt", "utf8").trimEnd().split("\n");

async function openRun(page: Page): Promise<void> {
  await openTab(page, "run");
  await page.waitForSelector(".run .input");
}

async function openSampleRun(page: Page): Promise<void> {
  await openSample(page);
  await openRun(page);
  await page.waitForSelector(".sample");
}

/** A picture whose every pixel is another colour, half of them transparent to some degree. */
function motley(width: number, height: number, alpha: boolean): Uint8Array {
  const channels = alpha ? 4 : 3;
  const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const [c, pixel] = [i % channels, Math.floor(i / channels)];
    return (pixel * [7, 13, 29, 5][c]! + c * 40) & 255;
  });
  return pngOf(width, height, pixels, channels);
}

/** A smooth picture with edges, as cameras make them. */
async function jpegOf(width: number, height: number): Promise<Uint8Array> {
  const wasm = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm");
  await init(new WebAssembly.Module(readFileSync(wasm)));
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const edge = (x - 40) ** 2 + (y - 30) ** 2 < 400 ? 120 : 0;
    data.set([x * 2 + edge, 255 - y * 3, (x + y) & 64 ? 200 : 40], 4 * i);
  }
  return new Uint8Array(await encodeJpeg({ data, width, height } as ImageData, { quality: 85 }));
}

/** What the command line makes of a picture file. */
async function inputOf(file: Uint8Array, info: TensorInfo): Promise<Uint8Array> {
  return pictureInput(await decodePicture(file), info);
}

if (needTool("preview, running", "Chromium", hasChromium)) {
  const { test, inPage } = runSuite("preview, running");

  inPage("the sample reads its digits, with its labels", async ({ page }) => {
    await openSampleRun(page);
    for (const [name, label] of [
      ["three", "three"],
      ["seven", "seven"],
      ["eight", "eight"],
    ]) {
      const { answer, inputs } = await expectedOf(SAMPLE, `examples/sample/${name}.png`, LABELS);
      await page.click(`.sample[aria-label="${name}.png"]`);
      await page.waitForSelector(`.ranking .first:has-text("${label}")`);
      const top = answer.outputs[0]!.top!;
      assert.is(
        await plainText(page, ".ranking"),
        top.map((one) => `${one.label} ${one.index} ${one.value.toFixed(4)}`).join(" "),
      );
      assert.equal(await seenBytes(page, 1), inputs[0]);
    }
    const times = await plainText(page, "section:has(> #times-title)");
    assert.match(
      times,
      /On a311d 0\.\d+ ms predicted \(.* all NPU jobs, without operators on the CPU\)/,
    );
    assert.match(
      times,
      /Simulation on this computer [\d.]+ ms wall time \(says nothing about the chip\)/,
    );
  });

  inPage("an answer follows its picture to another chip and mode", async ({ page }) => {
    await openSampleRun(page);
    await page.click('.sample[aria-label="seven.png"]');
    await page.waitForSelector('.ranking .first:has-text("seven")');
    await page.selectOption(".choices select", "imx8mp");
    await page.waitForSelector('section:has(> #times-title):has-text("On imx8mp")');
    assert.match(await plainText(page, ".ranking .first"), /^seven 7 0\.9/);
  });

  inPage("the time of every job, and the values of every output", async ({ page }) => {
    await openSampleRun(page);
    const { outputs } = await expectedOf(SAMPLE, "examples/sample/three.png");
    await page.check("text=Time of every job");
    await page.click('.sample[aria-label="three.png"]');
    const jobs = await rowsOf(page, ".job-times");
    assert.match(
      jobs[0]!.join(" "),
      /^0\.0 NN conv #0 CONV_2D 0\.\d{3} ms (below 0\.1|[\d.]+) ms$/,
    );
    await page.click(".job-times tbody tr:nth-child(3) button");
    await page.waitForSelector(".details");
    await page.click("details.tensor summary");
    const values = await rowsOf(page, ".values");
    assert.equal(
      values.map((row) => [row[1], row[2], row[3]]),
      [...outputs[0]!].map((value, i) => [
        `0, ${i}`,
        value.toString(16).padStart(2, "0"),
        String(value),
      ]),
    );
    const [name, bytes] = await savedBy(page, () => page.click("text=Download output-0.bin"));
    assert.is(name, "output-0.bin");
    assert.equal(new Uint8Array(bytes), outputs[0]);
  });

  inPage("pictures are pasted, dropped, or taken by a camera", async ({ page }) => {
    await openSampleRun(page);
    const hand = (event: "drop" | "paste", name: string, type: string, bytes: Uint8Array) =>
      page.evaluate(
        ([kind, title, mime, content]) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(content)], title, { type: mime }));
          const init = { bubbles: true, cancelable: true };
          const given =
            kind === "drop"
              ? new DragEvent("drop", { ...init, dataTransfer: files })
              : new ClipboardEvent("paste", { ...init, clipboardData: files });
          document.querySelector(kind === "drop" ? ".input" : "body")!.dispatchEvent(given);
        },
        [event, name, type, [...bytes]] as const,
      );
    const seven = readFileSync("examples/sample/seven.png");
    await hand("paste", "pasted.png", "image/png", seven);
    await page.waitForSelector('.ranking .first:has-text("class 7")');
    await hand("drop", "names.txt", "text/plain", Buffer.from(LABELS.join("\n")));
    await page.waitForSelector('.ranking .first:has-text("seven")');
    await hand("drop", "dropped.png", "image/png", readFileSync("examples/sample/three.png"));
    await page.waitForSelector('.ranking .first:has-text("three")');
    // The page is still the sample's: a picture is no model.
    assert.is(await page.textContent("h1"), "digits.tflite");

    // A camera that shows the seven.
    await page.evaluate(
      async (bytes) => {
        const picture = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 280;
        const draw = (): void => {
          const context = canvas.getContext("2d")!;
          context.imageSmoothingEnabled = false;
          context.drawImage(picture, 0, 0, 280, 280);
          requestAnimationFrame(draw);
        };
        draw();
        const stream = canvas.captureStream();
        Object.assign(globalThis, { cameraTrack: stream.getTracks()[0] });
        navigator.mediaDevices.getUserMedia = () => Promise.resolve(stream);
      },
      [...seven],
    );
    await page.click("button:text('Camera')");
    await page.waitForFunction(() => (document.querySelector("video")?.videoWidth ?? 0) > 0);
    await page.click("text=Take picture");
    await page.waitForSelector('.chosen:has-text("camera picture")');
    await page.waitForSelector('.ranking .first:has-text("seven")');
    const state = await page.evaluate(
      () => (globalThis as unknown as { cameraTrack: MediaStreamTrack }).cameraTrack.readyState,
    );
    assert.is(state, "ended", "the camera is off again");
  });

  inPage("a camera that is refused or missing says so", async ({ page }) => {
    await openSampleRun(page);
    const refuse = (name: string): Promise<void> =>
      page.evaluate((reason) => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", reason));
      }, name);
    await refuse("NotAllowedError");
    await page.click("button:text('Camera')");
    await page.waitForSelector('.camera [role=alert]:has-text("not allowed for this page")');
    await refuse("NotFoundError");
    await page.click("button:text('Try again')");
    await page.waitForSelector('.camera [role=alert]:has-text("has no camera")');
    await page.click("text=Close camera");
    assert.is(await page.locator(".camera").count(), 0);
  });

  inPage("PNG, JPEG and BMP become the command line's bytes", async ({ page }) => {
    await openSampleRun(page);
    const info = inputInfos(readModel(SAMPLE).graph)[0]!;
    const files: [string, Uint8Array][] = [
      ["colour.png", motley(61, 47, false)],
      ["alpha.png", motley(64, 64, true)],
      ["same.png", new Uint8Array(readFileSync("examples/sample/eight.png"))],
      ["picture.jpg", await jpegOf(93, 71)],
    ];
    for (const [name, bytes] of files) {
      const file = { name, mimeType: "", buffer: Buffer.from(bytes) };
      await choosePicture(page, file);
      await page.waitForSelector(`.chosen:has-text("${name}")`);
      assert.equal(await seenBytes(page, 1), await inputOf(bytes, info), name);
    }
  });

  inPage("damaged pictures get the command line's error", async ({ page }) => {
    await openSampleRun(page);
    const whole = readFileSync("examples/sample/eight.png");
    const bmp = new Uint8Array(60).fill(1);
    bmp.set([0x42, 0x4d]);
    for (const bytes of [new Uint8Array(40), bmp, whole.subarray(0, 20)]) {
      await choosePicture(page, { name: "x.png", mimeType: "", buffer: Buffer.from(bytes) });
      const error = await decodePicture(new Uint8Array(bytes)).then(
        () => null,
        (reason: NpuError) => reason,
      );
      assert.instance(error, NpuError);
      await page.waitForSelector(`.failure-line:has-text(${JSON.stringify(error!.message)})`);
      assert.match(await plainText(page, ".failure-line"), "[TW_IO_PICTURE]");
    }
    // What the browser's own decoder finds has its words, and the same code.
    const cut = Buffer.from(whole);
    cut.fill(0, 60);
    await choosePicture(page, { name: "cut.png", mimeType: "", buffer: cut });
    await page.waitForSelector('.failure-line:has-text("browser")');
    assert.match(await plainText(page, ".failure-line"), "[TW_IO_PICTURE]");
    await page.click('.sample[aria-label="eight.png"]');
    await page.waitForSelector('.ranking .first:has-text("eight")');
    assert.is(await page.locator(".failure").count(), 0);
  });

  for (const width of [390, 1024, 1600])
    inPage(
      `${width} pixels are enough`,
      async ({ page }) => {
        await openSampleRun(page);
        await page.check("text=Time of every job");
        await page.click('.sample[aria-label="three.png"]');
        await page.waitForSelector(".job-times");
        for (const tab of ["run", "board", "layers", "export"]) {
          await openTab(page, tab);
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          assert.is(overflow, 0, tab);
        }
      },
      { width },
    );

  test.run();
}

if (
  needTool("preview, models on pictures", "Chromium", hasChromium) &&
  needCorpus("preview, models on pictures")
) {
  const { test, inPage } = runSuite("preview, models on pictures");

  interface Case {
    model: string;
    picture: string;
    labels?: string;
  }

  /** Opens a model, labels and a picture; the input's bytes must be the command line's. */
  async function runCase(page: Page, { model, picture, labels }: Case) {
    await openModel(page, model);
    await openRun(page);
    if (labels !== undefined)
      await page.setInputFiles('input[aria-label="Choose labels"]', corpusPath("models", labels));
    await choosePicture(page, corpusPath("models", picture));
    const names =
      labels === undefined
        ? []
        : readFileSync(corpusPath("models", labels), "utf8").trimEnd().split(/\r?\n/);
    const bytes = corpusBytes("models", `${model}.tflite`);
    const expected = await expectedOf(bytes, corpusPath("models", picture), names);
    await page.waitForSelector("#answer-title", { timeout: 60_000 });
    assert.equal(await seenBytes(page, 3), expected.inputs[0]);
    return expected.answer;
  }

  inPage("mobilenet_v1 knows a military uniform", async ({ page }) => {
    const answer = await runCase(page, {
      model: "mobilenet_v1_1.0_224_quant",
      picture: "grace_hopper.bmp",
      labels: "imagenet_labels.txt",
    });
    const top = answer.outputs[0]!.top!;
    assert.is(top[0]!.label, "military uniform");
    assert.is(
      await plainText(page, ".ranking"),
      top.map((one) => `${one.label} ${one.index} ${one.value.toFixed(4)}`).join(" "),
    );
  });

  inPage("ssdlite_mobiledet draws a box around a person", async ({ page }) => {
    const answer = await runCase(page, {
      model: "ssdlite_mobiledet_coco_qat_postprocess",
      picture: "squat.bmp",
      labels: "coco_labels.txt",
    });
    const rows = await rowsOf(page, ".answer");
    assert.equal(
      rows.map(([what, score]) => `${what} ${score}`),
      answer.detections!.map(({ label, score }) => `${label} ${score.toFixed(3)}`),
    );
    assert.is(await page.locator(".box").count(), 1);
    assert.is(await plainText(page, ".box"), "person 82 %");
    // The box lies where the model says, in shares of the picture.
    const [frame, box] = await page.$$eval(".framed, .box", (elements) =>
      elements.map((element) => element.getBoundingClientRect().toJSON() as DOMRect),
    );
    const { top, left, bottom, right } = answer.detections![0]!.box;
    const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 0.01, `${a} ${b}`);
    near((box!.x - frame!.x) / frame!.width, left);
    near((box!.y - frame!.y) / frame!.height, top);
    near((box!.right - frame!.x) / frame!.width, right);
    near((box!.bottom - frame!.y) / frame!.height, bottom);
    const name = await page.getAttribute(".framed canvas", "aria-label");
    assert.is(name, "squat.bmp: person 82 %");
    await page.fill(".threshold input", "0.1");
    assert.is(await page.locator(".box").count(), answer.detections!.length);
    assert.equal(await findings(page), []);
  });

  inPage("deeplab lays its mask over a bird", async ({ page }) => {
    const answer = await runCase(page, {
      model: "deeplabv3_mnv2_dm05_pascal_quant",
      picture: "bird_segmentation.bmp",
      labels: "pascal_voc_segmentation_labels.txt",
    });
    const areas = await page.$$eval(".areas li", (items) =>
      items.map((item) => item.textContent!.replace(/\s+/g, " ").trim()),
    );
    assert.equal(
      areas,
      answer.mask!.map(
        ({ label, pixels, share }) =>
          `${label}${pixels.toLocaleString("en-US")} pixels${(share * 100).toFixed(1)} %`,
      ),
    );
    // Everything but the background is coloured, pixel by pixel.
    const coloured = await page.$eval(".mask canvas", (element) => {
      const { width, height } = element as HTMLCanvasElement;
      const context = (element as HTMLCanvasElement).getContext("2d")!;
      const { data } = context.getImageData(0, 0, width, height);
      return data.filter((value, i) => i % 4 === 3 && value === 255).length;
    });
    const background = answer.mask!.find(({ index }) => index === 0)!.pixels;
    assert.is(coloured, 513 * 513 - background);
    assert.equal(await findings(page), []);
  });

  inPage("movenet draws the points of a person", async ({ page }) => {
    const answer = await runCase(page, {
      model: "movenet_single_pose_lightning_ptq",
      picture: "squat.bmp",
    });
    const rows = await rowsOf(page, ".answer");
    assert.equal(
      rows.map(([name, score]) => `${name} ${score}`),
      answer.keypoints!.map(({ name, score }) => `${name} ${score.toFixed(3)}`),
    );
    const seen = answer.keypoints!.filter(({ score }) => score >= 0.3);
    const circles = await page.$$eval(".skeleton circle", (points) =>
      points.map((point) => [Number(point.getAttribute("cx")), Number(point.getAttribute("cy"))]),
    );
    assert.is(circles.length, seen.length);
    const [width, height] = await page.$eval(".framed canvas", (element) => [
      (element as HTMLCanvasElement).width,
      (element as HTMLCanvasElement).height,
    ]);
    for (const [i, { x, y }] of seen.entries()) {
      assert.ok(Math.abs(circles[i]![0]! - x * width!) < 1e-6 * width!);
      assert.ok(Math.abs(circles[i]![1]! - y * height!) < 1e-6 * height!);
    }
    assert.ok((await page.locator(".skeleton line").count()) > 5);
    assert.equal(await findings(page), []);
  });

  inPage("a cancelled simulation waits for the reader or another input", async ({ page }) => {
    await openModel(page, "movenet_single_pose_lightning_ptq");
    await openRun(page);
    await page.evaluate(() => {
      document.body.dataset["cancelled"] = "";
      // Before the answer can be there: as soon as the button may be pressed.
      new MutationObserver(() => {
        const cancel = document.querySelector<HTMLButtonElement>(".start .button:not(.primary)");
        if (!cancel || cancel.disabled) return;
        cancel.click();
        document.body.dataset["cancelled"] += "I";
      }).observe(document.body, { subtree: true, attributes: true, childList: true });
    });
    await choosePicture(page, corpusPath("models", "squat.bmp"));
    const waits = '.run:has(.start .primary:not(:disabled)) .run-nothing[aria-busy="false"]';
    await page.waitForSelector(waits);
    await page.waitForTimeout(200);
    assert.is(await page.locator("body").getAttribute("data-cancelled"), "I");
    assert.is(await page.locator(waits).count(), 1);
    assert.is(await page.locator("#answer-title").count(), 0);
    assert.is(await page.locator(".failure").count(), 0);
    await page.click("button:text('Test pattern')");
    await page.waitForSelector('[data-cancelled="II"]');
  });

  test.run();
}
