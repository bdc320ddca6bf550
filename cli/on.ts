// What --on means: the words, without opening anything.
// SPDX-License-Identifier: MIT
import { UsageError } from "../core-as/errors.ts";

/** Where a model runs. */
export type Place =
  | { kind: "sim" }
  | { kind: "null" }
  /** The NPU of this machine; path: a render node, default: the first with an NPU. */
  | { kind: "drm"; path: string | undefined }
  | { kind: "replay"; file: string }
  | RemotePlace;

export type RemotePlace = { kind: "board"; url: string } | { kind: "pool"; url: string };

const FORMS =
  "sim, null, drm, drm:/dev/dri/renderD128, ws://HOST:PORT, wss://HOST:PORT, nats://HOST:PORT/POOL, replay:FILE";

/**
 * Reads the words of --on.
 * @throws UsageError naming all forms. Addresses are not repeated: what is wrong with one may be a secret in it.
 */
export function parsePlace(text: string): Place {
  if (text === "sim" || text === "null") return { kind: text };
  if (text === "drm") return { kind: "drm", path: undefined };
  const [, scheme = "", rest = ""] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  if (scheme === "drm" && rest.startsWith("/")) return { kind: "drm", path: rest };
  if (scheme === "replay" && rest !== "") return { kind: "replay", file: rest };
  if (scheme === "ws" || scheme === "wss") return { kind: "board", url: checkedUrl(text) };
  if (scheme === "nats" || scheme === "tls") return { kind: "pool", url: checkedUrl(text) };
  const shown = text.includes("://") ? "that address" : JSON.stringify(text);
  throw new UsageError(`nothing runs on ${shown}; possible are ${FORMS}`, "on");
}

/**
 * Reads an address of a board or of a pool.
 * @throws UsageError for anything else
 */
export function parseAddress(text: string): RemotePlace {
  const place = /^(wss?|nats|tls):/.test(text) ? parsePlace(text) : null;
  if (place?.kind === "board" || place?.kind === "pool") return place;
  throw new UsageError(
    "an address is ws://HOST:PORT, wss://HOST:PORT or nats://HOST:PORT/POOL",
    "address",
  );
}

/**
 * Reads an address of a pool.
 * @returns the address
 * @throws UsageError for anything else
 */
export function parsePool(text: string): string {
  const place = /^(nats|tls):/.test(text) ? parsePlace(text) : null;
  if (place?.kind === "pool") return place.url;
  throw new UsageError("--pool is like nats://HOST:PORT/POOL", "pool");
}

/** An address without secrets: what stands there ends up in logs and process lists. */
function checkedUrl(text: string): string {
  for (const part of text.split(",")) {
    if (!URL.canParse(part) || new URL(part).hostname === "")
      throw new UsageError(`the address cannot be read; possible are ${FORMS}`, "on");
    const { username, password, search, hash } = new URL(part);
    if (username !== "" || password !== "" || search !== "" || hash !== "")
      throw new UsageError(
        "an address holds no user, password or token, because logs and process lists show it; use --token-file or --pool-creds",
        "on",
      );
  }
  return text;
}
