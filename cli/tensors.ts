// Files to the bytes of a model's inputs, and output bytes to numbers.
// SPDX-License-Identifier: MIT
import {
  checkTakesPicture,
  pictureFormat,
  pictureInput,
  TransportError,
  type ElementType,
  type InputInfo,
  type TensorInfo,
} from "../core-as/index.ts";
import { readBytes } from "./files.ts";
import { decodePicture } from "./picture.ts";

/**
 * Reads one file for each input: a picture is decoded and resized, anything else is taken as it is.
 * @throws TransportError TW_IO_INPUT for a wrong count or size, TW_IO_PICTURE
 */
export async function readInputs(
  paths: readonly string[],
  infos: readonly InputInfo[],
): Promise<Uint8Array[]> {
  if (paths.length !== infos.length)
    throw new TransportError(
      "TW_IO_INPUT",
      `the model has ${infos.length} ${infos.length === 1 ? "input" : "inputs"}, ` +
        `but ${paths.length} ${paths.length === 1 ? "file is" : "files are"} given with --input`,
    );
  const inputs: Uint8Array[] = [];
  for (const [i, path] of paths.entries()) inputs.push(await readInput(path, infos[i]!, i));
  return inputs;
}

async function readInput(path: string, info: InputInfo, index: number): Promise<Uint8Array> {
  const bytes = readBytes(path);
  // A raw file may start like a picture by accident, so its name decides first.
  const isPicture =
    !/\.(bin|raw)$/i.test(path) &&
    (pictureFormat(bytes) !== null || /\.(bmp|png|jpe?g)$/i.test(path));
  if (isPicture) {
    checkTakesPicture(info, index);
    return pictureInput(await decodePicture(bytes), info, index);
  }
  if (bytes.length !== info.bytes)
    throw new TransportError(
      "TW_IO_INPUT",
      `input ${index} "${info.name}" is ${info.type} [${info.shape.join(", ")}] = ${info.bytes} bytes, ` +
        `but ${path} has ${bytes.length} and is no BMP, PNG or JPEG picture`,
    );
  return bytes;
}

const READERS: Partial<Record<ElementType, (view: DataView, at: number) => number>> = {
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  bool: (view, at) => view.getUint8(at),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int32: (view, at) => view.getInt32(at, true),
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  uint64: (view, at) => Number(view.getBigUint64(at, true)),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/** Elements as numbers, as they are stored; null for types that have no number form here. */
export function elementsOf(type: ElementType, bytes: Uint8Array): Float64Array | null {
  const read = READERS[type];
  if (read === undefined) return null;
  const width = /64/.test(type) ? 8 : /32/.test(type) ? 4 : /16/.test(type) ? 2 : 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, i) =>
    read(view, i * width),
  );
}

/** Elements as the real numbers they stand for. */
export function realValuesOf(
  { type, quantisation }: Pick<TensorInfo, "type" | "quantisation">,
  bytes: Uint8Array,
): Float64Array | null {
  const elements = elementsOf(type, bytes);
  if (elements === null || quantisation === null || quantisation.scales.length !== 1)
    return elements;
  const scale = quantisation.scales[0]!;
  const zeroPoint = quantisation.zeroPoints[0]!;
  return elements.map((value) => scale * (value - zeroPoint));
}
