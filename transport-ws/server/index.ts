// What a board or a Node client imports as "tilewright/ws/server": the listener, the disk cache, the client on the `ws` package.
// SPDX-License-Identifier: MIT
export { openDiskCache, type DiskCacheOptions } from "./disk-cache.ts";
export { startServer, type BoardServer, type ServerOptions } from "./listener.ts";
export { createNodeOpener, type NodeChannelOptions } from "./ws-channel.ts";
export { connectBoard, type NodeConnectOptions } from "./connect.ts";
