// The service's requests: what is asked, whether it may, and what is answered.
// SPDX-License-Identifier: MIT
import { createServer } from "node:http";
import { ModelFormatError, NpuError, targetChip, UsageError } from "tilewright";
import { CompilerThread } from "./compiler.mjs";
import { Metrics } from "./metrics.mjs";
import { Queue, Refusal } from "./queue.mjs";

export const DEFAULTS = {
  /** Largest model, bytes. */
  maxBytes: 64 * 2 ** 20,
  /** Requests that may be unanswered: of all clients, and of one address. */
  queue: 16,
  perClient: 4,
  /** Longest time for an upload and for a compilation, milliseconds. */
  uploadMs: 30_000,
  compileMs: 60_000,
};

/**
 * @param options see DEFAULTS
 * @returns server to call `listen` of, and `end`, which finishes what was taken in and then closes everything
 */
export function createService(options = {}) {
  const limits = { ...DEFAULTS, ...options };
  const queue = new Queue(limits);
  const metrics = new Metrics();
  const compiler = new CompilerThread();
  const context = { limits, queue, metrics, compiler };
  const handle = async (request, response) => {
    let answer;
    try {
      answer = await route(request, response, context);
    } catch (error) {
      answer = failure(error);
    }
    // 499: nobody is there any more.
    metrics.answered(response.destroyed ? 499 : answer.status);
    send(response, answer, queue.draining);
  };
  const server = createServer(
    {
      headersTimeout: Math.min(10_000, limits.uploadMs),
      requestTimeout: limits.uploadMs,
      // How often Node looks for requests that are late.
      connectionsCheckingInterval: Math.min(1_000, limits.uploadMs),
    },
    handle,
  );
  // Clients that ask before they send ("Expect: 100-continue", as curl does) do not send what is refused.
  server.on("checkContinue", handle);
  const end = async () => {
    await queue.drain();
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeIdleConnections();
    });
    await compiler.close();
  };
  return { server, end };
}

async function route(request, response, context) {
  const { queue, metrics } = context;
  const url = new URL(request.url, "http://service");
  const ready = !queue.draining && !queue.isFull;
  switch (`${request.method} ${url.pathname}`) {
    case "POST /compile":
      return compileRequest(request, response, url.searchParams, context);
    case "GET /health/live":
      return { status: 200, body: { status: "live" } };
    case "GET /health":
    case "GET /health/ready": {
      const status = ready ? "ready" : queue.draining ? "ending" : "busy";
      return { status: ready ? 200 : 503, body: { status, accepted: queue.accepted } };
    }
    case "GET /metrics": {
      const gauges = {
        accepted_requests: ["Requests that upload, wait or compile.", queue.accepted],
        ready: ["1 while new requests are taken.", Number(ready)],
      };
      return { status: 200, type: "text/plain; version=0.0.4", body: metrics.text(gauges) };
    }
    default:
      if (url.pathname !== "/compile") throw new Refusal(404, "NOT_FOUND", "no such address");
      throw new Refusal(405, "METHOD", "models are posted", { Allow: "POST" });
  }
}

async function compileRequest(request, response, query, { limits, queue, metrics, compiler }) {
  // Everything that can be refused without reading the body, before it is taken in.
  const options = optionsOf(query);
  const type = request.headers["content-type"]?.split(";")[0].trim();
  if (type !== "application/octet-stream")
    throw new Refusal(415, "CONTENT_TYPE", "a model is sent as application/octet-stream");
  if (Number(request.headers["content-length"] ?? 0) > limits.maxBytes) throw tooLarge(limits);
  const leave = queue.admit(request.socket.remoteAddress);
  // "close" comes once in any case: after the answer, or when the client goes away before it.
  const gone = new AbortController();
  response.on("close", () => {
    leave();
    if (!response.writableFinished) gone.abort();
  });
  if (request.headers.expect !== undefined) response.writeContinue();
  const model = await readModel(request, limits);
  metrics.uploaded(model.length);
  return queue.run(async () => {
    const start = performance.now();
    const note = (outcome) => metrics.compiled(outcome, (performance.now() - start) / 1000);
    const late = AbortSignal.timeout(limits.compileMs);
    try {
      const signal = AbortSignal.any([gone.signal, late]);
      const result = await compiler.compile(model, options, signal);
      note("ok");
      return answerOf(result, request.headers.accept ?? "");
    } catch (error) {
      note(error.code ?? "TW_BUG");
      if (!late.aborted) throw error;
      throw new Refusal(504, "TIMEOUT", `it takes longer than ${limits.compileMs} ms`);
    }
  }, gone.signal);
}

/** @throws UsageError naming what is allowed */
function optionsOf(query) {
  for (const name of query.keys())
    if (name !== "chip" && name !== "mode")
      throw new UsageError(`there is no parameter ${JSON.stringify(name)}, only chip and mode`);
  const mode = query.get("mode") ?? "optimised";
  if (mode !== "optimised" && mode !== "compatible")
    throw new UsageError(`mode ${JSON.stringify(mode)} is neither optimised nor compatible`);
  return { target: targetChip(query.get("chip") ?? "a311d").name, mode };
}

const tooLarge = ({ maxBytes }) =>
  new Refusal(413, "TOO_LARGE", `a model may have ${maxBytes} bytes`);

/** Reads the body, as far as it is allowed to be, and looks for the mark of TFLite files. */
async function readModel(request, limits) {
  const chunks = [];
  let bytes = 0;
  // Leaving the loop must not end the connection: the refusal has to get there.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > limits.maxBytes) throw tooLarge(limits);
    chunks.push(chunk);
  }
  const model = Buffer.concat(chunks);
  if (model.toString("latin1", 4, 8) !== "TFL3")
    throw new ModelFormatError(
      "TW_MODEL_NOT_TFLITE",
      "the body is no TFLite model: it has no TFL3",
      4,
    );
  return new Uint8Array(model);
}

function answerOf({ executable, report }, accept) {
  if (accept.includes("application/json")) return { status: 200, body: report };
  const { predictedMs, npuMacShare } = report.totals;
  const headers = { "X-Predicted-Ms": String(predictedMs), "X-Npu-Share": String(npuMacShare) };
  return { status: 200, type: "application/octet-stream", body: executable, headers };
}

/** Codes of ours that say something about the model; everything else of ours is the service's fault. */
const ABOUT_THE_MODEL = /^TW_(MODEL|UNSUP|GRAPH|PLAN|ENC)_/;

function failure(error) {
  const { message, headers } = error;
  if (error instanceof Refusal)
    return { status: error.status, headers, body: { code: error.code, message } };
  const code = error instanceof NpuError ? error.code : "TW_BUG";
  const status = code === "TW_USAGE" ? 400 : ABOUT_THE_MODEL.test(code) ? 422 : 500;
  return { status, body: { code, message } };
}

function send(response, { status, type = "application/json", body, headers = {} }, close) {
  if (response.destroyed) return;
  const isData = typeof body === "string" || body instanceof Uint8Array;
  const data = Buffer.from(isData ? body : `${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": data.length,
    "Cache-Control": "no-store",
    ...(close ? { Connection: "close" } : {}),
    ...headers,
  });
  response.end(data);
}
