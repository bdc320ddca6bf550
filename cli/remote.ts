// Boards and pools across the network, opened with what the command line says. Loaded when an address is given, not before.
// SPDX-License-Identifier: MIT
import {
  chipByIdentity,
  type ChipIdentity,
  type Evidence,
  type Transport,
} from "../core-as/index.ts";
import type { BoardCapabilities, BoardTransport } from "../transport-ws/client.ts";
import { readTrusted } from "./certificates.ts";
import type { AccessFlags } from "./flags.ts";
import { openPoolTransport } from "./pool.ts";
import type { RemotePlace } from "./on.ts";
import { Progress } from "./terminal.ts";
import { tokenOf } from "./token.ts";

/** What an address offers. */
export interface BoardDescription {
  chip: ChipIdentity & { name: string | null };
  device: string;
  transport: string;
  evidence: Evidence;
  agentVersion: string;
  protocol: number;
  protocolVersions: { min: number; max: number };
  limits: BoardCapabilities["limits"];
  /** Round trip through the board's event loop. */
  pingMs: number;
}

/**
 * Opens a board or a pool as a transport.
 * @param chip which boards of a pool to use
 */
export async function openRemote(
  place: RemotePlace,
  access: AccessFlags,
  chip?: ChipIdentity,
): Promise<{ transport: Transport; device?: string; evidence?: Evidence }> {
  if (place.kind === "pool") return { transport: await openPoolTransport(place.url, access, chip) };
  const board = await openBoard(place.url, access);
  const { device, evidence } = board.capabilities;
  return { transport: board, device, evidence };
}

async function openBoard(url: string, access: AccessFlags): Promise<BoardTransport> {
  const { connectBoard } = await import("../transport-ws/server/index.ts");
  const progress = new Progress("uploading");
  return connectBoard(url, {
    ...tokenOf(access),
    ...(access.allowPlaintextToken === true ? { allowPlaintextToken: true } : {}),
    ...(access.ca === undefined ? {} : { ca: readTrusted(access.ca) }),
    onUploadProgress: (sent, total) => {
      progress.update("executable", sent / total);
      if (sent === total) progress.end();
    },
  });
}

/** Asks a board what it is. */
export async function describeBoard(
  place: RemotePlace,
  access: AccessFlags,
): Promise<BoardDescription> {
  const board = await openBoard(place.url, access);
  try {
    const pingMs = await board.ping();
    const { chip, chipName, ...rest } = board.capabilities;
    const { device, transport, evidence, agentVersion, protocol, protocolVersions, limits } = rest;
    const name = chipByIdentity(chip)?.name ?? (chipName === "" ? null : chipName);
    return {
      chip: { ...chip, name },
      device,
      transport,
      evidence,
      agentVersion,
      protocol,
      protocolVersions,
      limits,
      pingMs,
    };
  } finally {
    await board.close();
  }
}
