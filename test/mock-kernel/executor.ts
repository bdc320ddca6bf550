// Runs the mock kernel's jobs on the simulator, over the memory of the client; a process of its own.
// Usage: node --import tsx test/mock-kernel/executor.ts SOCKET; ends when its standard input does.
// SPDX-License-Identifier: MIT
import { closeSync, openSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { JobRunner, type ListedBuffer } from "./job-runner.ts";

// The layouts of execute.c.
const HELLO_MAGIC = 0x314b4d54;
const HELLO_BYTES = 32;
const REQUEST_BYTES = 8;
const LISTED_BYTES = 24;

/** Bytes of a socket, in the portions that are asked for. */
class Reader {
  private readonly source: AsyncIterator<Buffer>;
  private held: Buffer[] = [];
  private size = 0;

  constructor(socket: Socket) {
    this.source = socket[Symbol.asyncIterator]();
  }

  /** The next bytes, or null at the end of the stream. */
  async take(bytes: number): Promise<Buffer | null> {
    while (this.size < bytes) {
      const { value, done } = await this.source.next();
      if (done === true) return null;
      this.held.push(value);
      this.size += value.length;
    }
    const all = this.held.length === 1 ? this.held[0]! : Buffer.concat(this.held);
    this.held = all.length > bytes ? [all.subarray(bytes)] : [];
    this.size = all.length - bytes;
    return all.subarray(0, bytes);
  }
}

function listedOf(bytes: Buffer): ListedBuffer[] {
  return Array.from({ length: bytes.length / LISTED_BYTES }, (_, i) => {
    const at = i * LISTED_BYTES;
    return {
      address: bytes.readUInt32LE(at),
      access: bytes.readUInt32LE(at + 4),
      bytes: Number(bytes.readBigUInt64LE(at + 8)),
      base: Number(bytes.readBigUInt64LE(at + 16)),
    };
  });
}

async function answerJobs(socket: Socket, reader: Reader, runner: JobRunner): Promise<void> {
  for (;;) {
    const head = await reader.take(REQUEST_BYTES);
    if (head === null) return;
    const stream = await reader.take(head.readUInt32LE(0) * 4);
    const list = await reader.take(head.readUInt32LE(4) * LISTED_BYTES);
    if (stream === null || list === null) return;
    const words = Uint32Array.from({ length: stream.length / 4 }, (_, i) =>
      stream.readUInt32LE(i * 4),
    );
    const fault = await runner.run(words, listedOf(list));
    const text = Buffer.from(fault ?? "");
    const answer = Buffer.alloc(8);
    answer.writeUInt32LE(fault === null ? 0 : 1, 0);
    answer.writeUInt32LE(text.length, 4);
    socket.write(Buffer.concat([answer, text]));
  }
}

/** One open file of the mock on one core: it says hello once, then sends jobs. */
async function serve(socket: Socket): Promise<void> {
  const reader = new Reader(socket);
  const hello = await reader.take(HELLO_BYTES);
  if (hello === null || hello.readUInt32LE(0) !== HELLO_MAGIC) return;
  const memory = openSync(`/proc/${hello.readInt32LE(4)}/fd/${hello.readInt32LE(8)}`, "r+");
  const id = (index: number): number => hello.readUInt32LE(12 + index * 4);
  const identity = {
    model: id(0),
    revision: id(1),
    productId: id(2),
    ecoId: id(3),
    customerId: id(4),
  };
  try {
    await answerJobs(socket, reader, new JobRunner(memory, identity));
  } finally {
    closeSync(memory);
  }
}

const path = process.argv[2];
if (path === undefined) throw new Error("usage: executor.ts SOCKET");
const server = createServer((socket) => {
  // A client that is killed cuts its connection: nothing to do but to forget it.
  socket.on("error", () => {});
  serve(socket)
    .catch((error: NodeJS.ErrnoException) => {
      // A killed client takes its memory with it, and needs no answer.
      if (!["ENOENT", "ECONNRESET", "EPIPE"].includes(error.code ?? ""))
        console.error(`mock kernel's executor: ${String(error)}`);
    })
    .finally(() => socket.destroy());
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
server.listen(path, () => console.log("ready"));
