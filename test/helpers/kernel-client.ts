// Drives test/mock-kernel/client.c: single calls of the kernel interface in a process of its own.
// SPDX-License-Identifier: MIT
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { buildC } from "./mock-kernel.ts";

/** Requests of spec/uapi.md 1, written down a second time: nothing here comes from the transport. */
export const REQUEST = {
  version: 0xc0406400,
  getParam: 0xc0106440,
  gemNew: 0xc0106442,
  gemInfo: 0xc0106443,
  cpuPrep: 0x40186444,
  cpuFini: 0x40086445,
  submit: 0xc0486446,
  waitFence: 0x40206447,
  gemUserptr: 0xc0186448,
  gemWait: 0x40206449,
  queryDomain: 0xc048644a,
  querySignal: 0xc04c644b,
  gemClose: 0x40086409,
} as const;

export interface Answer {
  /** Result of the call, or -1. */
  value: number;
  /** Name of the errno; "" when it went well. */
  error: string;
  /** The rest of the line: bytes of the argument, names, … */
  rest: string[];
}

/** The first name of each number: EAGAIN, not EWOULDBLOCK. */
const ERRNO_NAMES = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, value]) => [value, name]),
);

/** Fields of a structure as [bits, value]. */
export type Field = readonly [8 | 16 | 32 | 64, number | bigint];

export function pack(...fields: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [bits]) => sum + bits / 8, 0));
  let at = 0;
  for (const [bits, value] of fields) {
    const unsigned = BigInt.asUintN(bits, BigInt(value));
    if (bits === 64) bytes.writeBigUInt64LE(unsigned, at);
    else bytes.writeUIntLE(Number(unsigned), at, bits / 8);
    at += bits / 8;
  }
  return bytes;
}

/** Absolute CLOCK_MONOTONIC time `milliseconds` from now, as two fields. */
export function deadline(milliseconds: number): [Field, Field] {
  const at = process.hrtime.bigint() + BigInt(milliseconds) * 1_000_000n;
  return [
    [64, at / 1_000_000_000n],
    [64, at % 1_000_000_000n],
  ];
}

export class KernelClient {
  private readonly lines: AsyncIterator<string>;
  private stderr = "";
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(private readonly child: ChildProcess) {
    this.lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
    child.stderr!.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  /**
   * @param env of the mock kernel. MOCK_CLIENT_WRAPPER of our own environment is a command to run it by, e.g. valgrind
   */
  static start(env: Record<string, string>): KernelClient {
    const wrapper = process.env["MOCK_CLIENT_WRAPPER"]?.split(" ") ?? [];
    const program = buildC("client", ["client.c"], ["-pthread"]);
    const [command, ...args] = [...wrapper, program];
    return new KernelClient(spawn(command!, args, { env: { ...process.env, ...env } }));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Sends one command and waits for its answer; commands queue up. */
  call(...words: readonly (string | number)[]): Promise<Answer> {
    const result = this.turn.then(async () => {
      this.child.stdin!.write(`${words.join(" ")}\n`);
      const { value, done } = await this.lines.next();
      if (done === true) throw new Error(`the client ended: ${this.stderr}`);
      const [word, number, ...rest] = value.split(" ");
      if (word === "ok") return { value: Number(number), error: "", rest };
      if (word !== "errno") throw new Error(`the client said: ${value}`);
      return { value: -1, error: ERRNO_NAMES.get(Number(number)) ?? number!, rest };
    });
    this.turn = result.catch(() => {});
    return result;
  }

  /** One ioctl; `bytes` is what became of its argument. */
  async ioctl(
    fd: number,
    request: number,
    ...fields: readonly Field[]
  ): Promise<Answer & { bytes: Buffer }> {
    const argument = fields.length === 0 ? "" : pack(...fields).toString("hex");
    const answer = await this.call("ioctl", fd, request, argument);
    return { ...answer, bytes: Buffer.from(answer.rest[0] ?? "", "hex") };
  }

  /** Copies bytes to newly allocated memory of the client; returns their address. */
  async place(bytes: Uint8Array): Promise<number> {
    const { value } = await this.call("alloc", Math.max(1, bytes.length));
    if (bytes.length > 0) await this.write(value, bytes);
    return value;
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    await this.call("write", address, Buffer.from(bytes).toString("hex"));
  }

  async read(address: number, bytes: number): Promise<Buffer> {
    return Buffer.from((await this.call("read", address, bytes)).rest[0] ?? "", "hex");
  }

  /** Lets the client end and returns its exit code and what it said on standard error. */
  async end(): Promise<{ code: number | null; stderr: string }> {
    const ended = once(this.child, "close") as Promise<[number | null]>;
    this.child.stdin!.end();
    const [code] = await ended;
    return { code, stderr: this.stderr };
  }

  /** At once, whatever it does; harmless when it has ended. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "close");
    this.child.kill("SIGKILL");
    await ended;
    // A checker has already said what it found.
    if (process.env["MOCK_CLIENT_WRAPPER"] !== undefined && this.stderr !== "")
      throw new Error(this.stderr);
  }
}
