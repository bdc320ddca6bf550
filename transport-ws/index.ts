// "tilewright/ws" for browsers: the client, and the agent, which needs no more than something that carries frames.
// SPDX-License-Identifier: MIT
export {
  connectBoard,
  type BoardCapabilities,
  type BoardClientStats,
  type BoardTransport,
  type ConnectOptions,
  type ReconnectOptions,
} from "./client.ts";
export { Agent, type AgentOptions, type AgentStats } from "./agent.ts";
export { createMemoryCache, type ExecutableCache } from "./agent/cache.ts";
export { DEFAULT_LIMITS, type AgentLimits } from "./agent/limits.ts";
export type { ChannelEnd, ChannelOpener, FrameChannel, FrameHandlers } from "./channel.ts";
export { createMemoryChannel } from "./memory-channel.ts";
export { openWebChannel } from "./web-channel.ts";
