// Which upgrade requests are refused: pages of foreign sites, and host names that were bent to this machine.
// SPDX-License-Identifier: MIT
import type { IncomingMessage } from "node:http";
import { isLoopback } from "../client/options.ts";

export interface OriginRules {
  /** Address that the server listens on. */
  host: string;
  allowOrigins: readonly string[];
}

/** Why a request is refused, with its HTTP status. */
export interface Refusal {
  status: number;
  why: string;
}

/** Why a request is refused; null when it is not. */
export function refusalOf(
  { headers, method }: Pick<IncomingMessage, "headers" | "method">,
  { host, allowOrigins }: OriginRules,
): Refusal | null {
  if (method !== "GET") return { status: 405, why: "a WebSocket is opened with GET" };
  const { origin } = headers;
  // Browsers always send it, other programs do not.
  if (origin !== undefined && !allowOrigins.includes("*") && !allowOrigins.includes(origin))
    return {
      status: 403,
      why: `pages from ${clean(origin)} may not connect; the board allows them with --allow-origin`,
    };
  const named = hostnameOf(headers.host);
  // A name in the DNS of somebody else that points here would let their pages through (DNS rebinding).
  if (isLoopback(host) && (named === null || !isLoopback(named)))
    return {
      status: 403,
      why: `this board listens on ${host}, not as ${clean(headers.host ?? "")}`,
    };
  return null;
}

/** An address as it stands in a URL. */
export const bracketed = (host: string): string =>
  host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;

function hostnameOf(header: string | undefined): string | null {
  const url = `http://${header ?? ""}/`;
  return URL.canParse(url) ? new URL(url).hostname : null;
}

/** What comes from a header is shown without control characters and not at any length. */
const clean = (text: string): string => text.replace(/[^\x21-\x7e]/g, "?").slice(0, 100);
