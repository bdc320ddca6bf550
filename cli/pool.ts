// Pools of boards: joined by serve, used by run and bench, listed by boards.
// SPDX-License-Identifier: MIT
import { UsageError, type Transport } from "../core-as/index.ts";
import type { Agent } from "../transport-ws/agent.ts";

export interface PoolBoard {
  name: string;
  chipName: string | null;
  device: string;
  evidence: string;
  state: string;
  connections: number;
  maxConnections: number;
  queued: number;
  running: number;
  completed: number;
  failed: number;
  lastError: { code: string; msAgo: number } | null;
  latencyMs: { p50: number; p99: number } | null;
  uptimeMs: number;
  version: string;
}

export interface PoolAccess {
  token?: string;
  ca?: string;
}

const notYet = (): UsageError => new UsageError("pools are not part of this build", "pool");

export async function openPoolTransport(_url: string, _access: PoolAccess): Promise<Transport> {
  throw notYet();
}

export async function listPool(_url: string, _access: PoolAccess): Promise<PoolBoard[]> {
  throw notYet();
}

export async function joinPoolAs(
  _url: string,
  _agent: Agent,
  _options: PoolAccess & { name: string; log(line: string): void },
): Promise<{ leave(): Promise<void> }> {
  throw notYet();
}
