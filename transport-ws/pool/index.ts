// "tilewright/ws/pool": many boards behind a NATS server. For Node.
// SPDX-License-Identifier: MIT
export {
  listPoolBoards,
  openPool,
  type BoardUse,
  type PoolOptions,
  type PoolStats,
  type PoolTransport,
} from "./client.ts";
export { joinPool, type JoinOptions } from "./join.ts";
export type { BoardHealth, BoardState } from "./messages.ts";
export type { PoolMember } from "./member.ts";
export type { ConnectOptions, PoolCredentials } from "./nats.ts";
export type { PoolTuning } from "./settings.ts";
export { parsePoolAddress, type PoolAddress } from "./address.ts";
