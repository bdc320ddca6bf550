// A client and an agent in one process, with what most tests of the client ask of them.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { NpuError } from "../../core-as/errors.ts";
import { Agent, type AgentOptions } from "../../transport-ws/agent.ts";
import {
  connectBoard,
  type BoardTransport,
  type ConnectOptions,
} from "../../transport-ws/client.ts";
import { CountingTransport, tappedNetwork, until, type Direction, type Fate } from "./board.ts";

/** `sent`: types of the frames that the client has sent. */
export interface SetUp {
  board: BoardTransport;
  agent: Agent;
  transport: CountingTransport;
  sent: number[];
}

export async function setUp(
  options: {
    agent?: AgentOptions;
    client?: ConnectOptions;
    manual?: boolean;
    fate?: (frame: Uint8Array, direction: Direction) => Fate;
  } = {},
): Promise<SetUp> {
  const transport = new CountingTransport(options.manual ?? false);
  const agent = new Agent(transport, { check: false, concurrentRuns: 1, ...options.agent });
  const sent: number[] = [];
  const network = tappedNetwork(
    () => agent,
    (frame, direction) => {
      if (direction === "to agent") sent.push(frame[0]!);
      return options.fate?.(frame, direction) ?? frame;
    },
  );
  const board = await connectBoard("test://board", {
    openChannel: network.open,
    reconnect: { baseMs: 1, maxMs: 2, attempts: 3 },
    ...options.client,
  });
  return { board, agent, transport, sent };
}

/** Ends both; nothing may be left. */
export async function tearDown({ board, agent }: SetUp): Promise<void> {
  await board.close();
  await until("nothing is left", () => agent.stats().connections === 0);
  await agent.close(0);
  assert.equal([agent.stats().sessions, agent.stats().memory], [0, 0]);
}

export async function errorOf(promise: Promise<unknown>): Promise<NpuError> {
  const error: unknown = await promise.then(
    () => assert.unreachable("an error was expected"),
    (reason: unknown) => reason,
  );
  assert.instance(error, NpuError, String(error));
  return error as NpuError;
}

export const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  (await errorOf(promise)).code;
