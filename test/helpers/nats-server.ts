// A nats-server of its own for a test, on a free loopback port; it can be stopped and started again on the same one.
// SPDX-License-Identifier: MIT
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./tools.ts";

export const NATS_SERVER = findProgram("nats-server");

export interface NatsServer {
  /** nats://127.0.0.1:port */
  readonly url: string;
  /** Kills it; `start` starts it again where it was. */
  halt(): Promise<void>;
  start(): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Kills the server when the test's process ends, however it does: its end of the pipe is closed then. */
const KEEPER = '"$0" -c "$1" & cat > /dev/null; kill -9 $!; wait $!';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** @param config lines of its configuration file */
export async function startNatsServer(config = ""): Promise<NatsServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "tilewright-nats-"));
  const file = join(folder, "nats.conf");
  writeFileSync(file, `listen: 127.0.0.1:${port}\n${config}\n`);
  let child: ChildProcess | null = null;
  const stop = async (): Promise<void> => {
    if (child === null) return;
    const ended = once(child, "exit");
    child.stdin!.end();
    await ended;
    child = null;
  };
  const start = async (): Promise<void> => {
    child = spawn("sh", ["-c", KEEPER, NATS_SERVER!, file], { stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child!.stderr!.on("data", (bytes: Buffer) => {
        said += String(bytes);
        if (said.includes("Server is ready")) resolve();
        else if (said.includes("[FTL]")) reject(new Error(`nats-server: ${said}`));
      });
      child!.on("exit", () => reject(new Error(`nats-server ended: ${said}`)));
    });
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    halt: stop,
    start,
    stop: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
