// Joins an agent to a pool: what `tilewright serve --pool` does.
// SPDX-License-Identifier: MIT
import { UsageError } from "../../core-as/errors.ts";
import type { Agent } from "../agent.ts";
import { HELLO_BYTES, VERSIONS } from "../protocol.ts";
import { parsePoolAddress } from "./address.ts";
import { PoolMember, type BoardLoad, type PoolBoard } from "./member.ts";
import { connectNats, type ConnectOptions } from "./nats.ts";
import { ownTerms, type PoolTuning } from "./settings.ts";
import { subjectsOf } from "./subjects.ts";

export interface JoinOptions
  extends ConnectOptions, Partial<Pick<PoolTuning, "heartbeatMs" | "windowBytes">> {
  /** nats://host:4222/pool or tls://…, several servers separated by commas. */
  servers: string;
  /** Agent that serves the pool's clients. */
  agent: Agent;
  /** Name of the pool, when the address has none. Default "boards". */
  group?: string;
  /** Name of the board in listings, up to 64 characters. Default "board". */
  name?: string;
  /** Clients at a time. Default: as many as the agent takes. */
  maxConnections?: number;
  /** Takes a line for people about each event. */
  log?: (line: string) => void;
}

/** Incomplete frames of all clients of a board. */
const HELD_BYTES = 256 * 2 ** 20;

/**
 * Joins a pool; the agent serves its clients from then on, with its own limits and its own check of tokens. The connection to the queue
 * server is made again when it is lost. Leave before the agent is closed.
 * @throws UsageError for a wrong address or name
 * @throws TransportError TW_IO_CONNECT, TW_IO_AUTH
 */
export async function joinPool(options: JoinOptions): Promise<PoolMember> {
  const { agent, name = "board" } = options;
  const address = parsePoolAddress(options.servers, options.group);
  if (name.length === 0 || name.length > 64)
    throw new UsageError(`the board's name has ${name.length} characters, 1 to 64 are possible`);
  const terms = ownTerms(options);
  const most = options.maxConnections ?? agent.limits.connections;
  if (!Number.isInteger(most) || most < 1)
    throw new RangeError(`maxConnections is ${most}, it must be at least 1`);
  const bus = await connectNats(address, { clientName: `tilewright board ${name}`, ...options });
  try {
    return await PoolMember.join(bus, subjectsOf(address.group), boardOf(agent, name), {
      maxConnections: Math.min(most, agent.limits.connections),
      maxFrameBytes: agent.limits.frameBytes,
      maxFirstFrameBytes: HELLO_BYTES,
      maxHeldBytes: Math.max(HELD_BYTES, 2 * agent.limits.frameBytes),
      terms,
      log: options.log ?? ((): void => {}),
    });
  } catch (error) {
    await bus.close();
    throw error;
  }
}

function boardOf(agent: Agent, name: string): PoolBoard {
  const { device, evidence, software, patienceMs } = agent.board;
  return {
    name,
    chip: agent.transport.chip,
    device: device.slice(0, 256),
    evidence,
    version: software.slice(0, 64),
    protocol: VERSIONS.max,
    patienceMs,
    load: () => loadOf(agent),
    accept: (channel, peer) => agent.accept(channel, peer),
  };
}

function loadOf(agent: Agent): BoardLoad {
  const { waiting, running, finished, failed, lastError, latencyMs } = agent.stats();
  return { queued: waiting, running, completed: finished, failed, lastError, latencyMs };
}
