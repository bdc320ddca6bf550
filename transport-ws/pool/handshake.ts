// A client asks for a channel: any board of the queue group, or a certain one.
// SPDX-License-Identifier: MIT
import { NpuError } from "../../core-as/errors.ts";
import type { ChipIdentity } from "../../core-as/hw/chips.ts";
import type { Bus } from "./bus.ts";
import {
  agree,
  encodeOpenRequest,
  MAX_HAVE,
  parseOpenAnswer,
  type BoardHealth,
  type OpenAnswer,
} from "./messages.ts";
import { NatsChannel, type Terms } from "./nats-channel.ts";
import { ask } from "./requests.ts";
import { newToken, type Subjects } from "./subjects.ts";

export interface OpenOptions {
  bus: Bus;
  subjects: Subjects;
  /** Any board of the queue group with this chip, or one board. */
  target: { chip: ChipIdentity } | { board: string };
  /** Boards that shall not answer with a channel. */
  have: readonly string[];
  /** What this side can. */
  terms: Terms;
  /** This client in texts for people. */
  client: string;
  maxFrameBytes: number;
  timeoutMs: number;
}

export type Opened =
  | { kind: "open"; channel: NatsChannel; board: BoardHealth }
  | { kind: "refused"; answer: OpenAnswer & { ok: false } }
  /** No board listens. */
  | { kind: "nobody" }
  /** No answer in time. */
  | { kind: "silent" }
  /** The answer breaks the protocol. */
  | { kind: "broken"; error: NpuError };

/** Asks once. Never rejects; the channel is started and has to be listened to. */
export async function openChannel(options: OpenOptions): Promise<Opened> {
  const { bus, subjects, target, terms, client, timeoutMs } = options;
  const token = newToken();
  const channel = new NatsChannel(bus, {
    receiveOn: subjects.toClient(token),
    sendTo: subjects.toBoard(token),
    peer: `a board of ${bus.address}`,
    maxFrameBytes: options.maxFrameBytes,
  });
  const have = options.have.slice(0, MAX_HAVE);
  const request = encodeOpenRequest({ channel: token, client, have, ...terms });
  const subject = "board" in target ? subjects.openBoard(target.board) : subjects.open(target.chip);
  const answer = await ask(bus, subject, request, timeoutMs);
  if (answer.kind !== "answer") {
    channel.abandon();
    return answer;
  }
  try {
    const parsed = parseOpenAnswer(answer.data);
    if (parsed.ok) {
      channel.start(agree(parsed.terms, terms), parsed.board.patienceMs);
      return { kind: "open", channel, board: parsed.board };
    }
    channel.abandon();
    return { kind: "refused", answer: parsed };
  } catch (error) {
    channel.abandon();
    if (error instanceof NpuError) return { kind: "broken", error };
    throw error;
  }
}
