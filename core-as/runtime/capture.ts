// A captured submit of a driver: capture.json plus raw files, checked before anything runs.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../errors.ts";
import type { BufferAccess, SimBuffer, Simulator } from "./simulator.ts";

/** A graph input or output and the place of its bytes. */
export interface CaptureTensor {
  name: string;
  /** TFLite type; INT8 tensors are uploaded + 128 and downloaded - 128. */
  type: "UINT8" | "INT8";
  dims: readonly number[];
  scale: number;
  zeroPoint: number;
  /** GPU address of the first byte, the offset in its buffer included. */
  address: number;
  bytes: number;
}

/** A captured submit of a driver: its buffers, stream and tensors. */
export interface Capture {
  /** Name of the model. */
  model: string;
  /** Target name of the chip. */
  target: string;
  /** Index among the partitions of its model. */
  partition: number;
  /** Cores of the chip that it was captured for. */
  chip: { nnCoreVersion: number; nnCores: number };
  /** All buffers with their bytes before the submit. */
  buffers: readonly (SimBuffer & { name: string; role: string })[];
  /** Words of the command stream. */
  stream: Uint32Array;
  /** The submit's buffer list. */
  listed: readonly BufferAccess[];
  /** Tensors that enter the submit. */
  inputs: readonly CaptureTensor[];
  /** Tensors that leave the submit. */
  outputs: readonly CaptureTensor[];
}

type Json = Readonly<Record<string, unknown>>;

function bad(where: string, what: string): TransportError {
  return new TransportError("TW_CAPTURE_FORMAT", `capture: ${where} ${what}`);
}

function object(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw bad(where, "is not an object");
  return value as Json;
}

function list(value: unknown, where: string): readonly Json[] {
  if (!Array.isArray(value)) throw bad(where, "is not a list");
  return value.map((item, index) => object(item, `${where}[${index}]`));
}

function text(from: Json, key: string, where: string): string {
  const value = from[key];
  if (typeof value !== "string") throw bad(`${where}.${key}`, "is not a text");
  return value;
}

function integer(from: Json, key: string, where: string, max = 0xffffffff): number {
  const value = from[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max)
    throw bad(`${where}.${key}`, `is ${String(value)}, not an integer of 0 to ${max}`);
  return value;
}

function finite(from: Json, key: string, where: string): number {
  const value = from[key];
  if (typeof value !== "number" || !Number.isFinite(value))
    throw bad(`${where}.${key}`, "is not a number");
  return value;
}

function loaded(load: (name: string) => Uint8Array, name: string, where: string): Uint8Array {
  if (!/^[\w.-]+$/.test(name)) throw bad(where, `names the file ${JSON.stringify(name)}`);
  try {
    return load(name);
  } catch (cause) {
    if (cause instanceof NpuError) throw cause;
    const text = `capture: ${where} names ${name}, which cannot be read`;
    throw new TransportError("TW_CAPTURE_FORMAT", text, {}, cause);
  }
}

function parseBuffers(
  json: Json,
  load: (name: string) => Uint8Array,
): Map<string, Capture["buffers"][number]> {
  const buffers = new Map<string, Capture["buffers"][number]>();
  for (const [index, item] of list(json["buffers"], "buffers").entries()) {
    const where = `buffers[${index}]`;
    const name = text(item, "name", where);
    const address = integer(item, "address", where);
    const bytes = integer(item, "bytes", where);
    if (buffers.has(name)) throw bad(where, `repeats the name ${name}`);
    if (bytes === 0 || address + bytes > 2 ** 32) throw bad(where, "leaves the address space");
    for (const other of buffers.values())
      if (address < other.address + other.bytes && other.address < address + bytes)
        throw bad(where, `overlaps ${other.name}`);
    const role = text(item, "role", where);
    const buffer = { name, address, bytes, role, access: 3 };
    if (item["file"] === undefined) buffers.set(name, buffer);
    else {
      const contents = loaded(load, text(item, "file", where), where);
      if (contents.length > bytes)
        throw bad(where, `has ${bytes} bytes, its file ${contents.length}`);
      buffers.set(name, { ...buffer, contents });
    }
  }
  return buffers;
}

function parseStream(json: Json, load: (name: string) => Uint8Array): Uint32Array {
  const stream = object(json["stream"], "stream");
  const words = integer(stream, "words", "stream", 0x1000000);
  const bytes = loaded(load, text(stream, "file", "stream"), "stream");
  if (bytes.length !== words * 4)
    throw bad("stream", `has ${words} words, its file ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: words }, (_, index) => view.getUint32(index * 4, true));
}

function parseTensors(
  json: Json,
  key: "inputs" | "outputs",
  buffers: ReadonlyMap<string, SimBuffer>,
): CaptureTensor[] {
  return list(json[key], key).map((item, index) => {
    const where = `${key}[${index}]`;
    const type = text(item, "type", where);
    if (type !== "UINT8" && type !== "INT8") throw bad(`${where}.type`, `is ${type}`);
    const dims = item["dims"];
    if (!Array.isArray(dims) || !dims.every((n) => Number.isInteger(n) && n > 0))
      throw bad(`${where}.dims`, "is not a list of sizes");
    const bytes = integer(item, "bytes", where);
    if (dims.reduce((a: number, b: number) => a * b, 1) !== bytes)
      throw bad(`${where}.bytes`, `is ${bytes}, not the product of its dims`);
    const buffer = buffers.get(text(item, "buffer", where));
    if (buffer === undefined) throw bad(`${where}.buffer`, "is not one of the buffers");
    const address = integer(item, "address", where);
    const offset = integer(item, "offset", where);
    if (address !== buffer.address) throw bad(`${where}.address`, "is not its buffer's address");
    if (offset + bytes > buffer.bytes) throw bad(where, "leaves its buffer");
    const zeroPoint = finite(item, "zeroPoint", where);
    const scale = finite(item, "scale", where);
    return {
      name: text(item, "name", where),
      type,
      dims,
      scale,
      zeroPoint,
      address: address + offset,
      bytes,
    };
  });
}

/**
 * Parses a capture directory (format 1: golden/README.md, Captures).
 * @param json the parsed capture.json
 * @param load returns a file of the directory by name
 * @throws TransportError TW_CAPTURE_FORMAT when it is incomplete or contradicts itself
 */
export function parseCapture(json: unknown, load: (name: string) => Uint8Array): Capture {
  const root = object(json, "capture.json");
  if (root["format"] !== 1) throw bad("format", `is ${String(root["format"])}, not 1`);
  const chip = object(root["chip"], "chip");
  const buffers = parseBuffers(root, load);
  const stream = object(root["stream"], "stream");
  const listed = list(stream["buffers"], "stream.buffers").map((item, index) => {
    const where = `stream.buffers[${index}]`;
    const buffer = buffers.get(text(item, "name", where));
    if (buffer === undefined) throw bad(where, "is not one of the buffers");
    return { address: buffer.address, access: integer(item, "access", where, 3) };
  });
  return {
    model: text(root, "model", "capture.json"),
    target: text(root, "target", "capture.json"),
    partition: integer(root, "partition", "capture.json"),
    chip: {
      nnCoreVersion: integer(chip, "nn_core_version", "chip", 255),
      nnCores: integer(chip, "nn_core_count", "chip", 16),
    },
    buffers: [...buffers.values()],
    stream: parseStream(root, load),
    listed,
    inputs: parseTensors(root, "inputs", buffers),
    outputs: parseTensors(root, "outputs", buffers),
  };
}

/**
 * Bytes of a tensor as the NPU holds them, from TFLite's, or the other way round: signed types move
 * by 128.
 */
function converted(tensor: CaptureTensor, bytes: Uint8Array): Uint8Array {
  return tensor.type === "INT8" ? bytes.map((byte) => byte ^ 0x80) : bytes;
}

/** Maps a capture's buffers into a simulator. */
export function mapCapture(capture: Capture, simulator: Simulator): void {
  for (const buffer of capture.buffers) simulator.mapBuffer(buffer);
}

/**
 * Uploads the inputs, runs the submit and downloads the outputs of a capture that mapCapture mapped
 * before.
 * @param inputs TFLite's bytes, one array for each of capture.inputs
 * @throws RangeError when the inputs do not fit
 * @throws SimFault when the submit faults
 */
export function runCapture(
  capture: Capture,
  simulator: Simulator,
  inputs: readonly Uint8Array[],
): Uint8Array[] {
  if (inputs.length !== capture.inputs.length)
    throw new RangeError(`${inputs.length} inputs for ${capture.inputs.length}`);
  for (const [index, tensor] of capture.inputs.entries()) {
    const bytes = inputs[index]!;
    if (bytes.length !== tensor.bytes)
      throw new RangeError(`input ${index} has ${bytes.length} bytes, not ${tensor.bytes}`);
    simulator.write(tensor.address, converted(tensor, bytes));
  }
  simulator.submit(capture.stream, capture.listed);
  return capture.outputs.map((tensor) =>
    converted(tensor, simulator.read(tensor.address, tensor.bytes)),
  );
}
