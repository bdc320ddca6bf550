// The agent's half of the handshake: versions first, then who the board is.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../core-as/errors.ts";
import { chipByIdentity } from "../../core-as/hw/chips.ts";
import {
  decodeStart,
  HELLO,
  MAGIC,
  protocolError,
  VERSION_FIELDS,
  VERSIONS,
  WELCOME,
  type FrameInputs,
} from "../protocol.ts";
import type { AgentContext } from "./context.ts";
import { CHUNK_BYTES, UPLOAD_WINDOW } from "./upload.ts";

/**
 * The highest version that both speak. Reads no more of the frame than what all versions have in common.
 * @throws TransportError TW_IO_PROTOCOL, TW_IO_VERSION
 */
export function checkVersions(bytes: Uint8Array): number {
  const { magic, minVersion, maxVersion } = decodeStart(HELLO, VERSION_FIELDS, bytes);
  if (magic !== MAGIC) throw protocolError("the first frame is no hello of a Tilewright client", 1);
  if (minVersion > maxVersion)
    throw protocolError(`the client speaks versions ${minVersion} to ${maxVersion}`, 5);
  const version = Math.min(maxVersion, VERSIONS.max);
  if (version >= Math.max(minVersion, VERSIONS.min)) return version;
  throw new TransportError(
    "TW_IO_VERSION",
    `the board speaks versions ${VERSIONS.min} to ${VERSIONS.max} of the protocol, ` +
      `this client speaks ${minVersion} to ${maxVersion}; bring the older of them up to date`,
  );
}

export function welcomeOf(
  { transport, board, boot, limits }: AgentContext,
  version: number,
  known: boolean,
  runs: number,
): FrameInputs<typeof WELCOME> {
  const { model, revision, productId, ecoId, customerId } = transport.chip;
  const rates = [limits.uploadBytesPerSecond, limits.uploadBytesPerSecondPerConnection];
  const rate = Math.min(...rates.filter((bytes) => bytes > 0));
  return {
    magic: MAGIC,
    minVersion: VERSIONS.min,
    maxVersion: VERSIONS.max,
    version,
    boot,
    known,
    software: board.software,
    transport: transport.name,
    device: board.device,
    evidence: board.evidence,
    model,
    revision,
    productId,
    ecoId,
    customerId,
    chip: chipByIdentity(transport.chip)?.name ?? "",
    frameBytes: limits.frameBytes,
    executableBytes: limits.executableBytes,
    sessions: limits.sessionsPerConnection,
    runs,
    runBytes: limits.runBytesPerConnection,
    chunkBytes: Math.min(CHUNK_BYTES, limits.frameBytes - 16),
    uploadWindow: UPLOAD_WINDOW,
    uploadBytesPerSecond: Number.isFinite(rate) ? rate : 0,
    idleMs: limits.idleMs,
    patienceMs: board.patienceMs,
  };
}
