// A decoded picture as the bytes of a model's input.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";
import type { TensorInfo } from "../runtime/tensor-info.ts";
import { pictureError } from "./header.ts";
import { resizeBilinear, toColour, toGrey, type Picture } from "./resize.ts";

/** An element type and a shape are all that a picture needs to know of its tensor. */
export type InputInfo = Pick<TensorInfo, "name" | "shape" | "type" | "bytes">;

/** True for inputs that a picture can fill: uint8 or int8 [1, height, width, 1 or 3]. */
export function takesPicture({ shape, type }: Pick<InputInfo, "shape" | "type">): boolean {
  const [batch = 0, , , channels = 0] = shape;
  const fits = shape.length === 4 && batch === 1 && (channels === 1 || channels === 3);
  return fits && (type === "uint8" || type === "int8");
}

/**
 * Refuses inputs that no picture fits, before anything is decoded.
 * @param index of the input, for the message
 * @throws TransportError TW_IO_INPUT
 */
export function checkTakesPicture(info: InputInfo, index: number): void {
  if (takesPicture(info)) return;
  throw new TransportError(
    "TW_IO_INPUT",
    `input ${index} "${info.name}" is ${info.type} [${info.shape.join(", ")}]; a picture fits uint8 or int8 ` +
      `[1, height, width, 1 or 3] only`,
  );
}

/**
 * A picture as the tensor's bytes: resized, grey or coloured as the tensor is, 0..255 for uint8, -128..127 for int8.
 * @throws TransportError TW_IO_INPUT when the tensor takes no picture
 */
export function pictureInput(picture: Picture, info: InputInfo, index = 0): Uint8Array {
  checkTakesPicture(info, index);
  const [, height = 0, width = 0, channels = 0] = info.shape;
  const coloured = channels === 1 ? toGrey(picture) : toColour(picture);
  const { pixels } = resizeBilinear(coloured, width, height);
  return info.type === "int8" ? pixels.map((value) => value ^ 0x80) : pixels;
}

/**
 * What decoders for PNG, JPEG and browsers return, without alpha: it is dropped, not blended, as TFLite's examples do.
 * @param rgba red, green, blue, alpha of every pixel, not premultiplied
 * @throws TransportError TW_IO_PICTURE when there are too few or too many pixels
 */
export function withoutAlpha(
  rgba: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
): Picture {
  const wanted = width * height * 4;
  if (rgba.length !== wanted)
    pictureError(
      `the decoder returned ${rgba.length} bytes for ${width} x ${height} pixels, not ${wanted}`,
    );
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    pixels[to] = rgba[from]!;
    pixels[to + 1] = rgba[from + 1]!;
    pixels[to + 2] = rgba[from + 2]!;
  }
  return { width, height, channels: 3, pixels };
}
