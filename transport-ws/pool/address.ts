// Addresses of queue servers: nats://host:port/pool, several separated by commas; never with a user or a password in them.
// SPDX-License-Identifier: MIT
import { UsageError } from "../../core-as/errors.ts";
import { checkGroup, DEFAULT_GROUP } from "./subjects.ts";

/** A pool on one or several queue servers. */
export interface PoolAddress {
  /** host:port each. */
  servers: string[];
  /** True for tls://: a connection without encryption is refused. */
  tls: boolean;
  /** Name of the pool. */
  group: string;
  /** For texts and logs. */
  text: string;
}

const MAX_SERVERS = 32;

/**
 * Reads a pool's address.
 * @param text e.g. "nats://queue.example:4222/kitchen" or "tls://a:4222,tls://b:4222"; the default port is 4222, the default pool "boards"
 * @param group the pool's name when it is given apart from the address
 * @throws UsageError for other schemes, credentials in the address, or names that contradict each other
 */
export function parsePoolAddress(text: string, group?: string): PoolAddress {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length > MAX_SERVERS)
    throw new UsageError(`${parts.length} queue servers, at most ${MAX_SERVERS} are possible`);
  const urls = parts.map(parseServer);
  const schemes = new Set(urls.map(({ protocol }) => protocol));
  if (schemes.size > 1)
    throw new UsageError("nats:// and tls:// servers in one address; use one of the two for all");
  const groups = new Set(urls.map(({ pathname }) => pathname.replace(/^\//, "")).filter(Boolean));
  if (group !== undefined) groups.add(group);
  if (groups.size > 1)
    throw new UsageError(`several pool names, ${[...groups].join(" and ")}; one is possible`);
  const [named = DEFAULT_GROUP] = groups;
  const servers = urls.map(({ hostname, port }) => `${hostname}:${port || "4222"}`);
  const scheme = schemes.has("tls:") ? "tls" : "nats";
  return {
    servers,
    tls: scheme === "tls",
    group: checkGroup(named),
    text: `${scheme}://${servers.join(",")}/${named}`,
  };
}

function parseServer(part: string): URL {
  let url: URL;
  try {
    url = new URL(part);
  } catch {
    // What cannot be read may hold a password, so it is not repeated.
    throw new UsageError("the pool's address is not like nats://host:4222/pool");
  }
  if (url.protocol !== "nats:" && url.protocol !== "tls:")
    throw new UsageError(`a pool's address begins with nats:// or tls://, not ${url.protocol}//`);
  if (url.username !== "" || url.password !== "")
    throw new UsageError(
      "credentials do not belong into an address, where logs and process lists show them; use a token, user or credentials option",
    );
  if (url.hostname === "" || url.search !== "" || url.hash !== "")
    throw new UsageError("the pool's address is not like nats://host:4222/pool");
  return url;
}
