// A client of the board protocol that says exactly what a test tells it, and keeps what it hears.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import type { NpuError } from "../../core-as/errors.ts";
import type { Agent } from "../../transport-ws/agent.ts";
import type { ChannelEnd, FrameChannel } from "../../transport-ws/channel.ts";
import type { Fields } from "../../transport-ws/protocol/fields.ts";
import { createMemoryChannel } from "../../transport-ws/memory-channel.ts";
import {
  CHUNK,
  decodeFailure,
  decodeFrame,
  encodeFrame,
  FAILED,
  HELLO,
  LOAD,
  LOADED,
  MAGIC,
  RUN,
  WANTED,
  WELCOME,
  type Frame,
  type FrameInputs,
  type FrameValues,
} from "../../transport-ws/protocol.ts";
import { inputOf, TINY_BYTES, until } from "./board.ts";

export const digestOf = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

export class RawClient {
  readonly heard: Uint8Array[] = [];
  end: ChannelEnd | null = null;
  /** Of loads; above those that a test chooses itself. */
  private request = 1000;

  private constructor(readonly channel: FrameChannel) {
    channel.listen({
      frame: (bytes) => this.heard.push(bytes),
      closed: (end) => (this.end = end),
    });
  }

  /** Connected, nothing said. */
  static connect(agent: Agent, wrap = (channel: FrameChannel): FrameChannel => channel): RawClient {
    const [toAgent, toClient] = createMemoryChannel();
    agent.accept(wrap(toClient));
    return new RawClient(toAgent);
  }

  /** Connected and welcomed. */
  static async welcome(
    agent: Agent,
    hello: Partial<FrameInputs<typeof HELLO>> = {},
    wrap?: (channel: FrameChannel) => FrameChannel,
  ): Promise<RawClient> {
    const client = RawClient.connect(agent, wrap);
    client.hello(hello);
    await client.take(WELCOME);
    return client;
  }

  hello(values: Partial<FrameInputs<typeof HELLO>> = {}): void {
    this.send(HELLO, {
      magic: MAGIC,
      minVersion: 1,
      maxVersion: 1,
      client: crypto.getRandomValues(new Uint8Array(16)),
      frameBytes: 1 << 20,
      software: "test",
      token: "",
      ...values,
    });
  }

  send<F extends Fields>(layout: Frame<F>, values: FrameInputs<Frame<F>>): void {
    this.channel.send(encodeFrame(layout, values));
  }

  /** The next frame that was heard, which has to be of this kind. */
  async take<F extends Fields>(layout: Frame<F>): Promise<FrameValues<Frame<F>>> {
    const bytes = await this.next();
    if (bytes[0] === FAILED.type && layout.type !== FAILED.type) throw decodeFailure(bytes).error;
    return decodeFrame(layout, bytes) as FrameValues<Frame<F>>;
  }

  /** The next frame, which has to be a failure. */
  async failure(): Promise<{ about: string; id: number; error: NpuError }> {
    return decodeFailure(await this.next());
  }

  /** Asks for an executable, uploads it if that is wanted, and returns its handle. */
  async load(bytes = TINY_BYTES): Promise<number> {
    const request = ++this.request;
    this.send(LOAD, { request, digest: digestOf(bytes), bytes: bytes.length });
    const answer = await this.next();
    if (answer[0] === LOADED.type) return decodeFrame(LOADED, answer).session;
    if (answer[0] === FAILED.type) throw decodeFailure(answer).error;
    decodeFrame(WANTED, answer);
    for (let at = 0; at < bytes.length; at += 65536)
      this.send(CHUNK, { request, bytes: [bytes.subarray(at, at + 65536)] });
    for (;;) {
      const frame = await this.next();
      if (frame[0] === LOADED.type) return decodeFrame(LOADED, frame).session;
      if (frame[0] === FAILED.type) throw decodeFailure(frame).error;
    }
  }

  /** Sends a run of TINY whose id is also its input. */
  run(session: number, run: number, profile = false): void {
    this.send(RUN, { profile, session, run, inputs: inputOf(run) });
  }

  private async next(): Promise<Uint8Array> {
    await until("a frame or the end", () => this.heard.length > 0 || this.end !== null);
    const bytes = this.heard.shift();
    if (bytes === undefined) throw new Error(`closed: ${this.end!.code} ${this.end!.reason}`);
    return bytes;
  }
}
