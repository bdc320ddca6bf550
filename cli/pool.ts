// Pools of boards: joined by serve, used by run and bench, listed by boards. The NATS client is loaded only when a pool is named.
// SPDX-License-Identifier: MIT
import type { ChipIdentity } from "../core-as/index.ts";
import type { Agent } from "../transport-ws/agent.ts";
import type {
  BoardHealth,
  ConnectOptions,
  PoolMember,
  PoolTransport,
} from "../transport-ws/pool/index.ts";
import { readTrusted } from "./certificates.ts";
import { readText } from "./files.ts";
import type { AccessFlags, PoolFlags } from "./flags.ts";
import { Progress } from "./terminal.ts";
import { readToken, tokenOf } from "./token.ts";

const loadPools = () => import("../transport-ws/pool/index.ts");

/** How to be let in by the queue server. */
function serverAccess({ poolTokenFile, poolCreds, ca }: PoolFlags): ConnectOptions {
  return {
    ...(poolTokenFile === undefined ? {} : { serverToken: readToken(poolTokenFile, 1) }),
    ...(poolCreds === undefined ? {} : { creds: readText(poolCreds) }),
    ...(ca === undefined ? {} : { tls: { ca: readTrusted(ca) } }),
  };
}

/** @param chip the only one to use; undefined: that of all boards */
export async function openPoolTransport(
  url: string,
  access: AccessFlags,
  chip: ChipIdentity | undefined,
): Promise<PoolTransport> {
  const { openPool } = await loadPools();
  const progress = new Progress("uploading");
  return openPool(url, {
    ...serverAccess(access),
    ...tokenOf(access),
    ...(chip === undefined ? {} : { chip }),
    onUploadProgress: (sent, total) => {
      progress.update("executable", sent / total);
      if (sent === total) progress.end();
    },
  });
}

/** Every board of a pool and how it is. */
export async function listPool(url: string, access: PoolFlags): Promise<BoardHealth[]> {
  const { listPoolBoards } = await loadPools();
  return listPoolBoards(url, serverAccess(access));
}

export async function joinPoolAs(
  url: string,
  agent: Agent,
  flags: PoolFlags,
  options: { name: string; log(line: string): void },
): Promise<PoolMember> {
  const { joinPool } = await loadPools();
  return joinPool({ servers: url, agent, ...serverAccess(flags), ...options });
}
