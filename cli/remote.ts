// Boards and pools across the network, opened with what the command line says.
// SPDX-License-Identifier: MIT
import type { Transport } from "../core-as/index.ts";
import type { RemotePlace } from "./on.ts";

export async function openRemote(
  _place: RemotePlace,
  _flags: { tokenFile?: string; ca?: string },
): Promise<{ transport: Transport; device?: string }> {
  throw new RangeError("not yet");
}
