// What a board says of itself, for applications.
// SPDX-License-Identifier: MIT
import { hexOf } from "../../core-as/executable/bytes.ts";
import type { ChipIdentity } from "../../core-as/hw/chips.ts";
import type { Evidence } from "../../core-as/runtime/transport.ts";
import type { Welcome } from "./link.ts";

/** What a board says of itself. */
export interface BoardCapabilities {
  /** Version of the protocol that both speak. */
  protocol: number;
  /** Versions of the protocol that the board speaks. */
  protocolVersions: { min: number; max: number };
  /** Version of the agent's software. */
  agentVersion: string;
  /** Random, in hexadecimal; another one = the agent was started anew. */
  boot: string;
  /** Ids of its NPU. */
  chip: ChipIdentity;
  /** Target name for compilation; empty when the chip is in no table of the board. */
  chipName: string;
  /** Transport behind the agent, e.g. "sim", "drm". */
  transport: string;
  /** "sim", or the path of the device node. */
  device: string;
  /** What results are worth. */
  evidence: Evidence;
  /** What it takes from one connection. */
  limits: {
    frameBytes: number;
    executableBytes: number;
    sessions: number;
    /** Runs, and bytes of their inputs and outputs, that may be unanswered at a time. */
    runs: number;
    runBytes: number;
    /** 0 = not held back. */
    uploadBytesPerSecond: number;
    idleMs: number;
  };
}

export function capabilitiesOf(welcome: Welcome): BoardCapabilities {
  const { model, revision, productId, ecoId, customerId } = welcome;
  const { frameBytes, executableBytes, sessions, runs, runBytes } = welcome;
  const { uploadBytesPerSecond, idleMs } = welcome;
  return {
    protocol: welcome.version,
    protocolVersions: { min: welcome.minVersion, max: welcome.maxVersion },
    agentVersion: welcome.software,
    boot: hexOf(welcome.boot),
    chip: { model, revision, productId, ecoId, customerId },
    chipName: welcome.chip,
    transport: welcome.transport,
    device: welcome.device,
    evidence: welcome.evidence,
    limits: {
      frameBytes,
      executableBytes,
      sessions,
      runs,
      runBytes,
      uploadBytesPerSecond,
      idleMs,
    },
  };
}
