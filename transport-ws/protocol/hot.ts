// The two frames of every run, written and read without the general codec: that costs as much as the rest of a run's way.
// Places come from the declarations; the tests hold both codecs against each other.
// SPDX-License-Identifier: MIT
import { memberIndex } from "../../core-as/executable/member-index.ts";
import type { Evidence } from "../../core-as/runtime/transport.ts";
import { frameBytes } from "./bytes.ts";
import { decodeFrame, offsetOf, type FrameValues } from "./frame.ts";
import { EVIDENCES, RESULT, RUN } from "./frames.ts";

const PROFILE_AT = offsetOf(RUN, "profile");
const SESSION_AT = offsetOf(RUN, "session");
const RUN_AT = offsetOf(RUN, "run");
const INPUTS_AT = offsetOf(RUN, "inputs");
const EVIDENCE_AT = offsetOf(RESULT, "evidence");
const RESULT_RUN_AT = offsetOf(RESULT, "run");
const MILLISECONDS_AT = offsetOf(RESULT, "milliseconds");
const OUTPUTS_AT = offsetOf(RESULT, "outputs");

const TWO_32 = 2 ** 32;
/** Numbers at or above 2^53 have this or more in their upper half. */
const UPPER_END = 2 ** 21;

const scratch = new DataView(new ArrayBuffer(4));

function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

const getU32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

function setU53(bytes: Uint8Array, at: number, value: number): void {
  setU32(bytes, at, value >>> 0);
  setU32(bytes, at + 4, Math.floor(value / TWO_32));
}

/** A run frame whose id and session are put in when it is sent. */
export function encodeRun(
  profile: boolean,
  inputs: readonly Uint8Array[],
  inputBytes: number,
): Uint8Array {
  const bytes = frameBytes(INPUTS_AT + inputBytes);
  bytes[0] = RUN.type;
  bytes[PROFILE_AT] = profile ? 1 : 0;
  let at = INPUTS_AT;
  for (const input of inputs) {
    bytes.set(input, at);
    at += input.length;
  }
  return bytes;
}

/** Puts id and session into a run frame. */
export function addressRun(bytes: Uint8Array, session: number, run: number): void {
  bytes[SESSION_AT] = session;
  bytes[SESSION_AT + 1] = session >>> 8;
  setU53(bytes, RUN_AT, run);
}

export function encodeResult(
  evidence: Evidence,
  run: number,
  milliseconds: number,
  outputs: readonly Uint8Array[],
  outputBytes: number,
): Uint8Array {
  const bytes = frameBytes(OUTPUTS_AT + outputBytes);
  bytes[0] = RESULT.type;
  bytes[EVIDENCE_AT] = memberIndex(EVIDENCES, evidence);
  setU53(bytes, RESULT_RUN_AT, run);
  scratch.setFloat32(0, milliseconds);
  setU32(bytes, MILLISECONDS_AT, scratch.getUint32(0));
  let at = OUTPUTS_AT;
  for (const output of outputs) {
    bytes.set(output, at);
    at += output.length;
  }
  return bytes;
}

/** @throws TransportError TW_IO_PROTOCOL */
export function decodeRun(bytes: Uint8Array): FrameValues<typeof RUN> {
  const profile = bytes[PROFILE_AT]!;
  const upper = bytes.length < INPUTS_AT ? UPPER_END : getU32(bytes, RUN_AT + 4);
  // The general decoder says what is wrong.
  if (profile > 1 || upper >= UPPER_END) return decodeFrame(RUN, bytes);
  return {
    profile: profile === 1,
    session: bytes[SESSION_AT]! | (bytes[SESSION_AT + 1]! << 8),
    run: upper * TWO_32 + getU32(bytes, RUN_AT),
    inputs: bytes.subarray(INPUTS_AT),
  };
}

/** @throws TransportError TW_IO_PROTOCOL */
export function decodeResult(bytes: Uint8Array): FrameValues<typeof RESULT> {
  const evidence = EVIDENCES[bytes[EVIDENCE_AT]!];
  const upper = bytes.length < OUTPUTS_AT ? UPPER_END : getU32(bytes, RESULT_RUN_AT + 4);
  scratch.setUint32(0, getU32(bytes, MILLISECONDS_AT));
  const milliseconds = scratch.getFloat32(0);
  if (evidence === undefined || upper >= UPPER_END || !Number.isFinite(milliseconds))
    return decodeFrame(RESULT, bytes);
  return {
    evidence,
    run: upper * TWO_32 + getU32(bytes, RESULT_RUN_AT),
    milliseconds,
    outputs: bytes.subarray(OUTPUTS_AT),
  };
}

/** Byte of a run frame at which its parts begin, for errors about them. */
export const RUN_PLACES = { session: SESSION_AT, run: RUN_AT, inputs: INPUTS_AT } as const;
