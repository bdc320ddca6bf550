// "tilewright/ws" for Node: the same names as in browsers, with a connectBoard that needs no global WebSocket.
// SPDX-License-Identifier: MIT
export {
  Agent,
  createMemoryCache,
  createMemoryChannel,
  DEFAULT_LIMITS,
  openWebChannel,
  type AgentLimits,
  type AgentOptions,
  type AgentStats,
  type BoardCapabilities,
  type BoardClientStats,
  type BoardTransport,
  type ChannelEnd,
  type ChannelOpener,
  type ConnectOptions,
  type ExecutableCache,
  type FrameChannel,
  type FrameHandlers,
  type ReconnectOptions,
} from "../index.ts";
export { connectBoard, type NodeConnectOptions } from "./connect.ts";
export { createNodeOpener, type NodeChannelOptions } from "./ws-channel.ts";
