// Files to the bytes of a model's inputs.
// SPDX-License-Identifier: MIT
import { TransportError, type TensorInfo } from "../core-as/index.ts";
import { readBytes } from "./files.ts";
import { pictureFormat } from "./picture-header.ts";
import { decodePicture } from "./picture.ts";
import { resizeBilinear, toColour, toGrey } from "./resize.ts";

/** An element type and a shape are all that a picture needs to know of its tensor. */
export type InputInfo = Pick<TensorInfo, "name" | "shape" | "type" | "bytes">;

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
  if (isPicture) return pictureInput(bytes, info, index);
  if (bytes.length !== info.bytes)
    throw new TransportError(
      "TW_IO_INPUT",
      `input ${index} "${info.name}" is ${info.type} [${info.shape.join(", ")}] = ${info.bytes} bytes, ` +
        `but ${path} has ${bytes.length} and is no BMP, PNG or JPEG picture`,
    );
  return bytes;
}

/** A picture as the tensor's bytes: 0..255 for uint8, -128..127 for int8. */
async function pictureInput(
  bytes: Uint8Array,
  { name, shape, type }: InputInfo,
  index: number,
): Promise<Uint8Array> {
  const [batch = 0, height = 0, width = 0, channels = 0] = shape;
  const fits = shape.length === 4 && batch === 1 && (channels === 1 || channels === 3);
  if (!fits || (type !== "uint8" && type !== "int8"))
    throw new TransportError(
      "TW_IO_INPUT",
      `input ${index} "${name}" is ${type} [${shape.join(", ")}]; a picture fits uint8 or int8 ` +
        `[1, height, width, 1 or 3] only`,
    );
  const picture = await decodePicture(bytes);
  const coloured = channels === 1 ? toGrey(picture) : toColour(picture);
  const { pixels } = resizeBilinear(coloured, width, height);
  return type === "int8" ? pixels.map((value) => value ^ 0x80) : pixels;
}
