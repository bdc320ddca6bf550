// What the examples share: a picture file as the bytes of a model's input. The library reads BMP; for other formats an
// application brings its decoder, here @jsquash/png, whose WebAssembly Node has to load itself.
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { decodeBmp, pictureFormat, pictureInput, withoutAlpha } from "tilewright";

/** Path of a file of the sample model: a classifier of handwritten digits. */
export const sample = (name) => fileURLToPath(new URL(`sample/${name}`, import.meta.url));

/**
 * @param path of a BMP or PNG file
 * @param info one of `session.inputs`: size, colours and type that the picture gets
 * @returns bytes for `session.run`
 */
export async function readPicture(path, info) {
  const bytes = new Uint8Array(await readFile(path));
  const picture = pictureFormat(bytes) === "bmp" ? decodeBmp(bytes) : await decodePng(bytes);
  return pictureInput(picture, info);
}

async function decodePng(bytes) {
  const { decode, init } = await import("@jsquash/png/decode.js");
  // It answers with the ImageData of browsers.
  globalThis.ImageData ??= class {
    constructor(data, width, height) {
      Object.assign(this, { data, width, height });
    }
  };
  const wasm = createRequire(import.meta.url).resolve("@jsquash/png/codec/pkg/squoosh_png_bg.wasm");
  await init(new WebAssembly.Module(await readFile(wasm)));
  const { data, width, height } = await decode(bytes.buffer);
  return withoutAlpha(data, width, height);
}
