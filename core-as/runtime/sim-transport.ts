// The simulator as a transport: runs executables from the bytes that would be submitted.
// SPDX-License-Identifier: MIT
import { CoreBugError } from "../errors.ts";
import type { Core } from "../core.ts";
import type { Chip } from "../hw/chips.ts";
import type { Transport } from "./transport.ts";

export interface SimTransportOptions {
  /** Instance to simulate in, used by nobody else until the transport is closed; default: a new one. */
  core?: Core;
}

/** Creates a simulator of a chip, e.g. `chipByName("a311d")`. */
export async function createSimTransport(
  _chip: Chip,
  _options: SimTransportOptions = {},
): Promise<Transport> {
  throw new CoreBugError("not written yet");
}
