// What "tilewright compare" feeds a model with: files for its inputs, or every picture of a folder.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { basename, extname, join } from "node:path";
import {
  inputInfos,
  NpuError,
  readModel,
  TransportError,
  type Sample,
  type TensorInfo,
} from "../core-as/index.ts";
import { addPlace } from "../core-as/errors.ts";
import { fileError } from "./files.ts";
import { readInputs } from "./tensors.ts";

/** Decoded, or taken as they are. */
const READ = /\.(bmp|png|jpe?g|bin|raw)$/i;
/** Pictures that nothing here decodes: leaving them out silently would change what is measured. */
const OTHER_PICTURES =
  /\.(gif|webp|tiff?|avif|hei[cf]|p[bgpn]m|svg|ico|jp2|jxl|tga|psd|dng|nef|cr2)$/i;

/**
 * Names of the pictures of a folder, in the order of their names; 2.png comes before 10.png.
 * @throws TransportError TW_IO_NOT_FOUND, TW_IO_INPUT without any, TW_IO_PICTURE for one of a kind that is not read
 */
export function pictureNames(directory: string): string[] {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    throw fileError("cannot read", directory, cause);
  }
  const files = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name);
  const other = files.find((name) => OTHER_PICTURES.test(name));
  if (other !== undefined)
    throw new TransportError(
      "TW_IO_PICTURE",
      `${join(directory, other)}: ${extname(other).slice(1).toUpperCase()} pictures are not read, only BMP, PNG and JPEG`,
    );
  const names = files.filter((name) => READ.test(name));
  if (names.length === 0)
    throw new TransportError(
      "TW_IO_INPUT",
      `${directory} holds no BMP, PNG or JPEG picture, and no .bin or .raw file`,
    );
  return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** One sample from a file for each input. */
export function sampleOfFiles(model: Uint8Array, paths: readonly string[]): () => Promise<Sample> {
  return async () => ({
    name: paths.map((path) => basename(path)).join(" "),
    inputs: await readInputs(paths, inputInfos(readModel(model).graph)),
  });
}

/** A sample for each picture of a folder; pictures are read when their turn comes. */
export function samplesOfFolder(model: Uint8Array, directory: string): (() => Promise<Sample>)[] {
  return pictureNames(directory).map((name) => async () => {
    const infos = inputInfos(readModel(model).graph);
    return { name, inputs: [await onlyInput(join(directory, name), infos)] };
  });
}

async function onlyInput(path: string, infos: readonly TensorInfo[]): Promise<Uint8Array> {
  if (infos.length !== 1)
    throw new TransportError(
      "TW_IO_INPUT",
      `the model has ${infos.length} inputs, a folder of pictures feeds one; give files with --input`,
    );
  try {
    return (await readInputs([path], infos))[0]!;
  } catch (error) {
    // Sizes are refused with the path already.
    if (error instanceof NpuError && !error.message.includes(path))
      addPlace(error, `${path}: `, {});
    throw error;
  }
}
