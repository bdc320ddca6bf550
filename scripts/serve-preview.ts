// Serves dist/preview on loopback: npm run preview [-- --port N]. Nothing but files; right types, strict headers, compressed.
// SPDX-License-Identifier: MIT
import { readFileSync, readdirSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { SECURITY_HEADERS } from "../examples/preview/policy.mjs";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
  ".tflite": "application/octet-stream",
};

interface Body {
  type: string;
  plain: Buffer;
  zipped: Buffer;
}

/** All files of a folder by their address; there are few, so they stay in memory. */
function bodiesOf(folder: string): Map<string, Body> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const plain = readFileSync(path);
        const type = TYPES[extname(path)] ?? "application/octet-stream";
        const address = `/${relative(folder, path).replaceAll("\\", "/")}`;
        return [address, { type, plain, zipped: gzipSync(plain, { level: 9 }) }];
      }),
  );
}

/**
 * Serves a built preview on 127.0.0.1.
 * @param folder usually dist/preview
 * @param port 0 = any free one
 * @param base folder of the address that it lies in, e.g. "/some/folder"
 */
export async function servePreview(
  folder: string,
  port = 0,
  base = "",
): Promise<{ url: string; close(): Promise<void> }> {
  const bodies = bodiesOf(folder);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const inside = pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : "";
    const body = bodies.get(inside.endsWith("/") ? `${inside}index.html` : inside);
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405);
    if (body === undefined) return refuse(response, 404);
    const zip = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
    const bytes = zip ? body.zipped : body.plain;
    response.writeHead(200, {
      ...SECURITY_HEADERS,
      "Content-Type": body.type,
      "Content-Length": bytes.length,
      "Cache-Control": "no-cache",
      Vary: "Accept-Encoding",
      ...(zip ? { "Content-Encoding": "gzip" } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  });
  await listening(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { ...SECURITY_HEADERS, "Content-Type": "text/plain; charset=utf-8" });
  response.end(status === 404 ? "not found\n" : "only GET\n");
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", done);
  });

function portArgument(args: readonly string[]): number {
  const at = args.indexOf("--port");
  if (at < 0) return 0;
  const port = Number(args[at + 1]);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    console.error("--port is a whole number from 0 to 65535");
    process.exit(2);
  }
  return port;
}

if (resolve(process.argv[1] ?? "") === fileURLToPath(import.meta.url)) {
  const { url } = await servePreview("dist/preview", portArgument(process.argv)).catch(
    (error: Error) => {
      console.error(`cannot serve the preview: ${error.message}`);
      process.exit(1);
    },
  );
  console.log(`preview: ${url} (Ctrl+C ends it)`);
}
