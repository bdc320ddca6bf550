// Boards in this process and in others, and a model with known answers, for tests of pools.
// SPDX-License-Identifier: MIT
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { compile } from "../../core-as/compile/compile.ts";
import { NpuError } from "../../core-as/errors.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import type { SubmitResult, Transport } from "../../core-as/runtime/transport.ts";
import { Agent, type AgentOptions } from "../../transport-ws/agent.ts";
import { joinPool, type JoinOptions } from "../../transport-ws/pool/join.ts";
import type { PoolMember } from "../../transport-ws/pool/member.ts";
import { inputBytes, synthModel } from "./synth-model.mjs";

const SMALL = "chain-tap-i10x10x8-o16-k3-u8";

export interface KnownModel {
  executable: Executable;
  /** Inputs number i. */
  inputs(i: number): Uint8Array[];
  /** Throws unless a result is what the simulator of this process answered to inputs number i. */
  check(i: number, result: SubmitResult): void;
}

/** Compiles a case for a chip and computes `count` answers on the simulator of this process. */
export async function knownModel(name = SMALL, count = 8, target = "a311d"): Promise<KnownModel> {
  const { executable } = await compile(synthModel(name), { target });
  const sim = createSimTransport(chipByName(target)!);
  const session = await createSession(executable, sim);
  const inputs = (i: number): Uint8Array[] =>
    session.inputs.map(({ bytes }, input) =>
      inputBytes(name, input, bytes).map((byte) => byte ^ (i % count)),
    );
  const answers: Uint8Array[][] = [];
  for (let i = 0; i < count; i++) answers.push((await session.run(inputs(i))).outputs);
  await sim.close();
  const check = (i: number, { outputs }: SubmitResult): void => {
    const right = answers[i % count]!;
    const same =
      outputs.length === right.length && outputs.every((bytes, o) => equal(bytes, right[o]!));
    if (!same) throw new Error(`the answer to inputs ${i} is wrong`);
  };
  return { executable, inputs, check };
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.constructor === Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);

export interface LocalBoard {
  agent: Agent;
  member: PoolMember;
  /** Leaves the pool, then ends. */
  stop(): Promise<void>;
}

export async function localBoard(
  servers: string,
  name: string,
  options: {
    transport?: Transport;
    agent?: AgentOptions;
    join?: Partial<JoinOptions>;
  } = {},
): Promise<LocalBoard> {
  const transport = options.transport ?? createSimTransport(chipByName("a311d")!);
  const agent = new Agent(transport, options.agent);
  const member = await joinPool({ servers, agent, name, ...options.join });
  const stop = async (): Promise<void> => {
    await member.leave();
    await agent.close();
    await transport.close();
  };
  return { agent, member, stop };
}

export interface ProcessBoard {
  child: ChildProcess;
  /** Resolves when so many runs have begun there. */
  started(runs: number): Promise<void>;
  kill(): Promise<void>;
}

/** A board in a process of its own, which has joined when this resolves. */
export async function processBoard(
  servers: string,
  name: string,
  delayMs: number,
): Promise<ProcessBoard> {
  const child = fork("test/helpers/pool-board.ts", [servers, name, String(delayMs)], {
    execArgv: ["--import", "tsx"],
  });
  let runs = 0;
  child.on("message", (message) => {
    if (message === "run") runs++;
  });
  const exited = once(child, "exit");
  const [first] = (await Promise.race([once(child, "message"), exited])) as unknown[];
  if (first !== "joined") throw new Error(`board ${name} did not start`);
  return {
    child,
    async started(count) {
      while (runs < count) await once(child, "message");
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** The code that a promise is rejected with, "none" when it is not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await errorOf(promise))?.code ?? "none";
}

export async function errorOf(promise: Promise<unknown>): Promise<NpuError | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error instanceof NpuError) return error;
    throw error;
  }
}

/** Waits until a condition holds that no event tells of, e.g. a count on the other side; fails after 10 s. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
