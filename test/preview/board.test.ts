// The preview on a board: an agent on loopback with right and wrong tokens, foreign pages, other chips, and an end in the middle.
// SPDX-License-Identifier: MIT
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { SubmitResult, Transport } from "../../core-as/runtime/transport.ts";
import {
  startServer,
  type BoardServer,
  type ServerOptions,
} from "../../transport-ws/server/index.ts";
import { findings } from "../helpers/axe.ts";
import { plainText, rowsOf, runSuite } from "../helpers/preview-run.ts";
import { hasChromium, openSample, openTab, type PreviewRig } from "../helpers/preview.ts";
import { needTool } from "../helpers/tools.ts";

const TOKEN = "the right token of this test";

/** A transport around another one that changes what it answers. */
function altered(inner: Transport, change: (result: SubmitResult) => SubmitResult): Transport {
  return {
    name: inner.name,
    chip: inner.chip,
    disconnected: inner.disconnected,
    close: () => inner.close(),
    load: async (executable, options) => {
      const loaded = await inner.load(executable, options);
      return {
        submit: async (inputs, submit) => change(await loaded.submit(inputs, submit)),
        release: () => loaded.release(),
      };
    },
  };
}

/** Runs `body` with an agent that allows the page. */
async function withBoard(
  rig: PreviewRig,
  body: (board: BoardServer) => Promise<void>,
  options: Partial<ServerOptions> = {},
  chip = "a311d",
): Promise<void> {
  const transport = options.transport ?? createSimTransport(chipByName(chip)!);
  const allowOrigins = [new URL(rig.url).origin];
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    token: TOKEN,
    allowOrigins,
    software: "agent of the test",
    ...options,
    transport,
  });
  try {
    await body(server);
  } finally {
    await server.close(0);
    await transport.close();
  }
}

/** The sample with a picture, on the board's panel. */
async function openBoard(page: Page): Promise<void> {
  await openSample(page);
  await openTab(page, "run");
  await page.click('.sample[aria-label="seven.png"]');
  await page.waitForSelector('.ranking .first:has-text("seven")');
  await openTab(page, "board");
}

async function connect(page: Page, url: string, token: string): Promise<void> {
  await page.fill("input[name=board-address]", url);
  await page.fill("input[name=board-token]", token);
  await page.click(".connection button");
}

const failureLine = async (page: Page): Promise<string> => plainText(page, "#panel .failure-line");

if (needTool("preview, boards", "Chromium", hasChromium)) {
  const { test, inPage } = runSuite("preview, boards");

  inPage("a picture on a board: identity, answer, both times, equal bytes", async ({ page }, rig) =>
    withBoard(rig, async (board) => {
      const sockets: string[] = [];
      page.on("websocket", (socket) => sockets.push(socket.url()));
      await openBoard(page);
      assert.equal(sockets, [], "nothing before Connect is pressed");
      await connect(page, board.url, TOKEN);
      await page.waitForSelector(".board-status.open");
      assert.equal(sockets, [`${board.url}/`]);
      assert.is(
        await plainText(page, '[aria-label="Identity of the board"]'),
        "Chip a311d Ids 8000:7120:45080009:0:88 Device sim (sim) Results are simulated Agent agent of the test Runs at a time 32",
      );
      assert.is(board.agent.stats().sessions, 0, "no executable before Run is pressed");
      await page.click("text=Run on the board");
      const times = await plainText(page, "section:has(> #board-times-title)");
      assert.match(
        times,
        /^Predicted and observed The board says that its results are simulated, which says nothing about the chip\./,
      );
      assert.match(times, /Predicted for a311d 0\.\d+ ms predicted/);
      assert.match(times, /Inference on the board [\d.]+ ms simulated/);
      assert.match(times, /Output probabilities equal to the simulator's, byte for byte/);
      assert.not.match(times, /measured/);
      const jobs = await rowsOf(page, ".job-times");
      assert.is(jobs.length, 13);
      for (const [, predicted, observed] of jobs) {
        assert.match(predicted!, /^0\.\d{3} ms$/);
        assert.match(observed!, /^[\d.]+ ms$/);
      }
      assert.match(await plainText(page, ".ranking .first"), /^seven 7 0\.9/);
      assert.equal(await findings(page), []);
      // The token is nowhere but in the field.
      const kept = await page.evaluate(() =>
        JSON.stringify([
          { ...localStorage },
          { ...sessionStorage },
          location.href,
          document.cookie,
        ]),
      );
      assert.not.match(kept, "right token");
      await page.click(".connection button");
      await page.waitForSelector(".board-status.closed");
    }),
  );

  inPage("measured is the board's word, and a difference is counted", async ({ page }, rig) => {
    const transport = altered(createSimTransport(chipByName("a311d")!), (result) => ({
      ...result,
      evidence: "measured",
      outputs: result.outputs.map((bytes) => bytes.map((byte, i) => (i === 0 ? byte ^ 3 : byte))),
    }));
    await withBoard(
      rig,
      async (board) => {
        await openBoard(page);
        await connect(page, board.url, TOKEN);
        await page.waitForSelector(".board-status.open");
        await page.click("text=Run on the board");
        const times = await plainText(page, "section:has(> #board-times-title)");
        assert.match(
          times,
          /^Predicted and measured The board says that its results are measured\./,
        );
        assert.match(times, /Inference on the board [\d.]+ ms measured/);
        assert.match(
          times,
          /Output probabilities 1 of 10 elements differ from the simulator's, at most by 3/,
        );
      },
      { transport, evidence: "measured" },
    );
  });

  inPage("wrong and missing tokens are refused in words and a code", async ({ page }, rig) =>
    withBoard(rig, async (board) => {
      await openBoard(page);
      for (const [token, message] of [
        ["a wrong token of this test", "the board refuses the token"],
        ["", "the board wants a token"],
      ] as const) {
        await connect(page, board.url, token);
        await page.waitForSelector(`#panel .failure-line:has-text("${message}")`);
        assert.is(await failureLine(page), `error: ${message} [TW_IO_AUTH]`);
        assert.match(await plainText(page, ".with-hint"), "--token-file");
        assert.is(await plainText(page, ".board-status"), "not connected");
      }
      await connect(page, board.url, TOKEN);
      await page.waitForSelector(".board-status.open");
      assert.is(await page.locator("#panel .failure").count(), 0);
    }),
  );

  inPage(
    "nobody there, and an agent that does not allow the page",
    async ({ page }, rig) => {
      await openBoard(page);
      await connect(page, "ws://127.0.0.1:9", "");
      assert.match(
        await failureLine(page),
        /cannot be reached or refuses \(1006\) \[TW_IO_CONNECT\]$/,
      );
      const origin = new URL(rig.url).origin;
      assert.match(await plainText(page, ".with-hint"), `--allow-origin ${origin}`);
      await withBoard(
        rig,
        async (board) => {
          await connect(page, board.url, TOKEN);
          await page.waitForSelector(`.failure-line:has-text("${board.port}")`);
          assert.match(await failureLine(page), "[TW_IO_CONNECT]");
        },
        { allowOrigins: ["https://elsewhere.example"] },
      );
      await connect(page, "http://127.0.0.1", "");
      await page.waitForSelector('.failure-line:has-text("no ws://host:port")');
      // A token does not go unencrypted to another machine, unless the reader wants it.
      await connect(page, "ws://192.0.2.1:9370", TOKEN);
      await page.waitForSelector('.failure-line:has-text("[TW_IO_AUTH]")');
      assert.ok(await page.isVisible("text=Send the token unencrypted"));
    },
    { complaints: /WebSocket connection to/ },
  );

  inPage("another chip's board says so before and after it is asked", async ({ page }, rig) =>
    withBoard(
      rig,
      async (board) => {
        await openBoard(page);
        await connect(page, board.url, TOKEN);
        await page.waitForSelector(".board-status.open");
        assert.match(await plainText(page, ".mismatch"), "compiled for a311d. Choose imx8mp");
        await page.click("text=Run on the board");
        assert.match(await failureLine(page), "[TW_EXE_CHIP]");
        await page.selectOption(".choices select", "imx8mp");
        await page.waitForFunction(() =>
          document.querySelector(".headline")?.textContent?.includes("imx8mp"),
        );
        await page.click("text=Run on the board");
        assert.match(await plainText(page, "section:has(> #board-times-title)"), "byte for byte");
        assert.is(await page.locator(".mismatch, #panel .failure").count(), 0);
      },
      {},
      "imx8mp",
    ),
  );

  inPage(
    "a connection that is lost is said to be, and can be opened again",
    async ({ page }, rig) => {
      const origin = [new URL(rig.url).origin];
      const transport = createSimTransport(chipByName("a311d")!);
      const options = { transport, host: "127.0.0.1", port: 0, token: TOKEN, allowOrigins: origin };
      const first = await startServer(options);
      await openBoard(page);
      await connect(page, first.url, TOKEN);
      await page.waitForSelector(".board-status.open");
      await first.close(0);
      await page.waitForSelector(".board-status.lost");
      assert.match(await failureLine(page), /\[TW_IO_LOST\]$/);
      assert.ok(await page.isDisabled("text=Run on the board"));
      const second = await startServer({ ...options, port: first.port });
      await connect(page, second.url, TOKEN);
      await page.waitForSelector(".board-status.open");
      await page.click("text=Run on the board");
      assert.match(await plainText(page, "section:has(> #board-times-title)"), "byte for byte");
      await second.close(0);
      await transport.close();
      await page.waitForSelector(".board-status.lost");
    },
  );

  test.run();
}
