// Picture files and camera frames as bytes of a model's input: the same bytes as on the command line. Runs in the worker.
// SPDX-License-Identifier: MIT
import {
  checkPictureSize,
  checkTakesPicture,
  decodeBmp,
  inputInfos,
  pictureError,
  pictureFormat,
  pictureInput,
  readPictureHeader,
  TransportError,
  withoutAlpha,
  type Picture,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

export interface PictureArguments {
  key: string;
  /** Index of the model's input. */
  input: number;
  /** A file, or a frame of a camera. */
  source: Blob | ImageBitmap;
}

/** Pixels for a canvas. */
export interface Shown {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

export interface PictureView {
  /** The input as the model gets it. */
  bytes: Uint8Array;
  /** The picture as it was chosen, made smaller for the page. */
  shown: Shown;
}

/** Longer side of what is shown, pixels. */
const MOST_SHOWN = 960;

/**
 * Decodes a picture and makes it the input's size and colours.
 * @throws TransportError TW_IO_PICTURE with what is wrong with it, TW_IO_INPUT when the input takes no picture
 */
export async function viewPicture(
  { executable }: Held,
  { input, source }: PictureArguments,
): Promise<PictureView> {
  try {
    const info = inputInfos(executable.graph)[input];
    if (info === undefined) throw new RangeError(`there is no input ${input}`);
    checkTakesPicture(info, input);
    const picture = source instanceof Blob ? await decodeFile(source) : pixelsOf(source);
    return { bytes: pictureInput(picture, info, input), shown: shownOf(picture) };
  } finally {
    if (!(source instanceof Blob)) source.close();
  }
}

/** BMP is decoded as on the command line; the browser's own decoder takes liberties with palettes and alpha. */
async function decodeFile(file: Blob): Promise<Picture> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const format = pictureFormat(bytes);
  if (format === "bmp") return decodeBmp(bytes);
  if (format !== null) checkPictureSize(readPictureHeader(bytes));
  else if (!isWebp(bytes)) readPictureHeader(bytes);
  const bitmap = await decodeInBrowser(bytes, format ?? "webp");
  checkPictureSize(bitmap);
  try {
    return pixelsOf(bitmap);
  } finally {
    bitmap.close();
  }
}

/** RIFF....WEBP */
function isWebp(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes.subarray(0, 12));
  return text.startsWith("RIFF") && text.endsWith("WEBP");
}

/** Without colour management and without multiplying by alpha: values as they are in the file. */
async function decodeInBrowser(
  bytes: Uint8Array<ArrayBuffer>,
  format: string,
): Promise<ImageBitmap> {
  try {
    const blob = new Blob([bytes], { type: `image/${format}` });
    return await createImageBitmap(blob, {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return pictureError(
      `the browser's ${format.toUpperCase()} decoder stopped: ${why}`,
      undefined,
      cause,
    );
  }
}

function pixelsOf(bitmap: ImageBitmap): Picture {
  const { width, height } = bitmap;
  if (typeof OffscreenCanvas === "undefined")
    throw new TransportError(
      "TW_IO_PICTURE",
      "this browser cannot read pixels in a worker; a BMP picture or a raw file works here too",
    );
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  for (let i = 3; i < data.length; i += 4)
    if (data[i] !== 255) return withoutAlpha(exactPixels(bitmap) ?? data, width, height);
  return withoutAlpha(data, width, height);
}

/**
 * Pixels of a picture with transparent parts. A 2D canvas keeps colours multiplied by alpha, which cannot be undone where alpha is
 * small; a texture takes them as they are.
 * @returns null without WebGL, or above its limits
 */
function exactPixels(bitmap: ImageBitmap): Uint8Array | null {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (gl === null || Math.max(width, height) > (gl.getParameter(gl.MAX_TEXTURE_SIZE) as number))
    return null;
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER,
    gl.COLOR_ATTACHMENT0,
    gl.TEXTURE_2D,
    gl.getParameter(gl.TEXTURE_BINDING_2D) as WebGLTexture,
    0,
  );
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return null;
  const pixels = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return gl.getError() === gl.NO_ERROR ? pixels : null;
}

/** Every n-th pixel of every n-th row: it is only looked at. */
function shownOf({ width, height, pixels }: Picture): Shown {
  const step = Math.max(1, Math.ceil(Math.max(width, height) / MOST_SHOWN));
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
  const rgba = new Uint8ClampedArray(columns * rows * 4).fill(255);
  for (let row = 0, to = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, to += 4) {
      const from = (row * step * width + column * step) * 3;
      for (let c = 0; c < 3; c++) rgba[to + c] = pixels[from + c]!;
    }
  return { width: columns, height: rows, rgba };
}
