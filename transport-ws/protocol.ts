// The board protocol: frames as declarations, their codec, errors as frames. docs/protocol.md is generated from it.
// SPDX-License-Identifier: MIT
export { protocolError } from "./protocol/bytes.ts";
export { decodeFailure, encodeFailure } from "./protocol/failures.ts";
export {
  decodeFrame,
  decodeStart,
  encodeFrame,
  type Frame,
  type FrameInputs,
  type FrameValues,
} from "./protocol/frame.ts";
export {
  addressRun,
  decodeResult,
  decodeRun,
  encodeResult,
  encodeRun,
  RUN_PLACES,
} from "./protocol/hot.ts";
export {
  ABANDON,
  CANCEL,
  CHUNK,
  FAILED,
  FRAMES,
  GOODBYE,
  HELLO,
  HELLO_BYTES,
  LOAD,
  LOADED,
  MAGIC,
  MAX_RESUMED,
  MAX_TENSORS,
  PING,
  PONG,
  PROFILED,
  PROGRESS,
  RESULT,
  RESUME,
  RESUMED,
  RUN,
  SHUTDOWN,
  UNLOAD,
  UNLOADED,
  VERSION_FIELDS,
  VERSIONS,
  WANTED,
  WELCOME,
} from "./protocol/frames.ts";
