// connectBoard for Node: the same client on the `ws` package, which Node 20 needs and which can trust a certificate of its own.
// SPDX-License-Identifier: MIT
import {
  connectBoard as connectWith,
  type BoardTransport,
  type ConnectOptions,
} from "../client.ts";
import { createNodeOpener, type NodeChannelOptions } from "./ws-channel.ts";

/** As ConnectOptions of tilewright/ws, with what only Node can do. */
export interface NodeConnectOptions extends ConnectOptions, NodeChannelOptions {}

/**
 * As `connectBoard` of tilewright/ws, plus `ca`: certificates to trust instead of the system's.
 * @throws RangeError for an empty `ca`
 */
export async function connectBoard(
  url: string,
  options: NodeConnectOptions = {},
): Promise<BoardTransport> {
  return connectWith(url, {
    ...options,
    openChannel: options.openChannel ?? createNodeOpener(options),
  });
}
