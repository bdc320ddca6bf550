// Files to the bytes of a model's inputs.
// SPDX-License-Identifier: MIT
import {
  checkTakesPicture,
  NpuError,
  pictureFormat,
  pictureInput,
  TransportError,
  type InputInfo,
} from "../core-as/index.ts";
import { addPlace } from "../core-as/errors.ts";
import { pathText, readBytes } from "./files.ts";
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
  if (isPicture)
    try {
      checkTakesPicture(info, index);
      return pictureInput(await decodePicture(bytes), info, index);
    } catch (error) {
      if (error instanceof NpuError) addPlace(error, `${pathText(path)}: `, {});
      throw error;
    }
  if (bytes.length !== info.bytes)
    throw new TransportError(
      "TW_IO_INPUT",
      `input ${index} "${info.name}" is ${info.type} [${info.shape.join(", ")}] = ${info.bytes} bytes, ` +
        `but ${pathText(path)} has ${bytes.length} and is no BMP, PNG or JPEG picture`,
    );
  return bytes;
}
