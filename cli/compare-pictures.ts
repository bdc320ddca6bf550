// What "tilewright compare" feeds a model with: files for its inputs, or every picture of a folder.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { inputInfos, readModel, TransportError, type Sample } from "../core-as/index.ts";
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
function pictureNames(directory: string): string[] {
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
  const infos = inputInfos(readModel(model).graph);
  return async () => ({
    name: paths.map((path) => basename(path)).join(" "),
    inputs: await readInputs(paths, infos),
  });
}

/**
 * A sample for each picture of a folder; pictures are read when their turn comes.
 * @throws TransportError as pictureNames, and TW_IO_INPUT for a model with several inputs
 */
export function samplesOfFolder(model: Uint8Array, directory: string): (() => Promise<Sample>)[] {
  const infos = inputInfos(readModel(model).graph);
  if (infos.length !== 1)
    throw new TransportError(
      "TW_IO_INPUT",
      `the model has ${infos.length} inputs, a folder of pictures feeds one; give files with --input`,
    );
  return pictureNames(directory).map((name) => async () => ({
    name,
    inputs: await readInputs([join(directory, name)], infos),
  }));
}
