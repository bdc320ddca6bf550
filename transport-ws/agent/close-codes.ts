// WebSocket close codes (RFC 6455, 7.4.1) that the protocol uses, and which error closes with which.
// SPDX-License-Identifier: MIT
import type { NpuError } from "../../core-as/errors.ts";

export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  /** What a socket reports when it ended without a close frame. */
  abnormal: 1006,
  policy: 1008,
  internal: 1011,
  tryLater: 1013,
} as const;

export function closeCodeOf({ code }: NpuError): number {
  switch (code) {
    case "TW_IO_PROTOCOL":
    case "TW_IO_VERSION":
      return CLOSE.protocol;
    case "TW_IO_CLOSED":
      return CLOSE.goingAway;
    case "TW_IO_AUTH":
    case "TW_IO_LIMIT":
    case "TW_IO_TIMEOUT":
      return CLOSE.policy;
    default:
      return CLOSE.internal;
  }
}

/** A close frame takes 123 bytes of reason; the whole message went before it as a failed frame. */
export function shortReason({ code, message }: NpuError): string {
  const text = `${code}: ${message}`.replace(/[^\x20-\x7e]/g, "?");
  return text.length <= 123 ? text : `${text.slice(0, 120)}...`;
}
