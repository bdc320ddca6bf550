// Errors as frames and back: what fails on the board arrives with its class, code and place.
// SPDX-License-Identifier: MIT
import {
  isErrorCode,
  NpuError,
  reviveError,
  TransportError,
  type ErrorLocation,
} from "../../core-as/errors.ts";
import { decodeFrame, encodeFrame, type FrameInputs, type FrameValues } from "./frame.ts";
import { FAILED } from "./frames.ts";

type About = FrameInputs<typeof FAILED>["about"];

/** The frame that reports an error; whatever is not an NpuError counts as a bug and is reported by its message. */
export function encodeFailure(about: About, id: number, error: unknown): Uint8Array {
  const known = error instanceof NpuError ? error : null;
  const where = known?.where ?? {};
  const place = (value: number | undefined): number | null =>
    value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : null;
  return encodeFrame(FAILED, {
    about,
    id,
    code: known?.code ?? "TW_BUG",
    stage: known?.stage ?? "",
    op: place(where.op),
    tensor: place(where.tensor),
    job: place(where.job),
    byteOffset: place(where.byteOffset),
    wordIndex: place(where.wordIndex),
    addrGpu: place(where.addrGpu),
    field: where.field ?? "",
    message: known?.message ?? `on the board: ${String(error)}`,
  });
}

/** The error that a failed frame reports. A code that this build does not know becomes TW_IO_DEVICE with the code in its text. */
function reviveFailure(values: FrameValues<typeof FAILED>): NpuError {
  const { op, tensor, job, byteOffset, wordIndex, addrGpu, field, stage, message } = values;
  const numbers = { op, tensor, job, byteOffset, wordIndex, addrGpu };
  const present = Object.entries(numbers).filter(([, value]) => value !== null);
  const where: ErrorLocation = Object.fromEntries(present) as ErrorLocation;
  if (field !== "") where.field = field;
  const { code } = values;
  if (!isErrorCode(code))
    return new TransportError("TW_IO_DEVICE", `the board reports ${code}: ${message}`, where);
  return reviveError(message, stage === "" ? { code, where } : { code, where, stage });
}

/** @throws TransportError TW_IO_PROTOCOL when the frame is no failed frame */
export function decodeFailure(bytes: Uint8Array): {
  about: About;
  id: number;
  error: NpuError;
} {
  const values = decodeFrame(FAILED, bytes);
  return { about: values.about, id: values.id, error: reviveFailure(values) };
}
