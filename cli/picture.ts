// Decodes BMP, PNG and JPEG. Sizes are checked before a decoder sees the bytes.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { decode as decodeBmpBytes } from "fast-bmp";
import { pictureError, readPictureHeader, type PictureHeader } from "./picture-header.ts";
import type { Picture } from "./resize.ts";

/** Largest picture that is decoded: four bytes a pixel in memory, twice. */
export const MAX_PIXELS = 64 * 2 ** 20;

/** What the PNG and JPEG decoders return: red, green, blue, alpha. */
interface Decoded {
  data: Uint8ClampedArray | Uint8Array;
  width: number;
  height: number;
}

/**
 * Decodes a picture file.
 * @throws TransportError TW_IO_PICTURE with what is wrong
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture> {
  const header = readPictureHeader(bytes);
  const { format, width, height } = header;
  if (width < 1 || height < 1) pictureError(`a picture of ${width} x ${height} pixels is empty`);
  if (width * height > MAX_PIXELS)
    pictureError(`${width} x ${height} pixels are more than the limit of ${MAX_PIXELS}`);
  if (format === "bmp") return decodeBmp(bytes, header);
  try {
    const decoded = format === "png" ? await decodePng(bytes) : await decodeJpeg(bytes);
    return withoutAlpha(decoded, header);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return pictureError(`the ${format.toUpperCase()} decoder stopped: ${why}`, undefined, cause);
  }
}

/** Alpha is dropped, not blended, as TFLite's examples do. */
function withoutAlpha(decoded: Decoded, { width, height }: PictureHeader): Picture {
  if (decoded.data.length !== decoded.width * decoded.height * 4)
    pictureError("the decoder returned too few pixels");
  // The JPEG decoder turns pictures upright, so its size counts.
  if (decoded.width * decoded.height !== width * height)
    pictureError("the decoded size is not the one in the header");
  const pixels = new Uint8Array(decoded.width * decoded.height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    pixels[to] = decoded.data[from]!;
    pixels[to + 1] = decoded.data[from + 1]!;
    pixels[to + 2] = decoded.data[from + 2]!;
  }
  return { width: decoded.width, height: decoded.height, channels: 3, pixels };
}

const require = createRequire(import.meta.url);

/** The decoders look for their WebAssembly by URL, which only browsers fetch; here it is read from the package. */
function wasmOf(path: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(require.resolve(path)));
}

async function decodePng(bytes: Uint8Array): Promise<Decoded> {
  const { decode, init } = await import("@jsquash/png/decode.js");
  // The decoder builds a browser's ImageData.
  (globalThis as { ImageData?: unknown }).ImageData ??= class {
    constructor(
      readonly data: Uint8ClampedArray,
      readonly width: number,
      readonly height: number,
    ) {}
  };
  await init(wasmOf("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"));
  return decode(bytes.slice().buffer);
}

async function decodeJpeg(bytes: Uint8Array): Promise<Decoded> {
  const { default: decode, init } = await import("@jsquash/jpeg/decode.js");
  // Its declarations forget the second parameter. Without these the C code's warnings go to the console.
  const start = init as (module: WebAssembly.Module, overrides: object) => Promise<void>;
  await start(wasmOf("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"), {
    print: () => {},
    printErr: () => {},
  });
  return decode(bytes.slice().buffer, { preserveOrientation: true });
}

interface BmpLayout {
  pixelOffset: number;
  bits: number;
  palette: Uint8Array;
}

function checkBmp(bytes: Uint8Array, { width, height }: PictureHeader): BmpLayout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pixelOffset = view.getUint32(10, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  if (![1, 8, 24, 32].includes(bits)) pictureError(`BMP with ${bits} bits a pixel`, 28);
  if (compression !== 0 && !(bits === 32 && compression === 3))
    pictureError(`BMP with compression ${compression}`, 30);
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  if (pixelOffset + rowBytes * height > bytes.length)
    pictureError(
      `the BMP needs ${pixelOffset + rowBytes * height} bytes, the file has ${bytes.length}`,
      bytes.length,
    );
  const paletteStart = 14 + view.getUint32(14, true);
  const colours = bits > 8 ? 0 : view.getUint32(46, true) || 2 ** bits;
  if (colours > 2 ** bits || paletteStart + 4 * colours > bytes.length)
    pictureError(`the BMP palette of ${colours} colours does not fit`, 46);
  return { pixelOffset, bits, palette: bytes.subarray(paletteStart, paletteStart + 4 * colours) };
}

function decodeBmp(bytes: Uint8Array, header: PictureHeader): Picture {
  const { width, height } = header;
  const { bits, palette } = checkBmp(bytes, header);
  // The decoder knows bottom-up pictures only: it gets a positive height, and the rows are turned afterwards. It also
  // reads colour masks behind the header, which tiny pictures do not have.
  const upright = new Uint8Array(bytes.length + 16);
  upright.set(bytes);
  const view = new DataView(upright.buffer);
  const topDown = view.getInt32(22, true) < 0;
  view.setInt32(22, height, true);
  // Without masks, 32-bit pixels are blue, green, red, unused: the masks that the decoder asks for.
  if (bits === 32 && view.getUint32(30, true) === 0) return fromPixels32(upright, header, topDown);
  let decoded;
  try {
    decoded = decodeBmpBytes(upright);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return pictureError(`the BMP decoder stopped: ${why}`, undefined, cause);
  }
  const data = decoded.data as Uint8Array;
  const { channels } = decoded;
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    if (bits <= 8) {
      const colour = 4 * data[i]!;
      for (let c = 0; c < 3; c++) pixels[3 * i + c] = palette[colour + 2 - c] ?? 0;
    } else for (let c = 0; c < 3; c++) pixels[3 * i + c] = data[i * channels + c]!;
  }
  return { width, height, channels: 3, pixels: topDown ? flipRows(pixels, width * 3) : pixels };
}

function fromPixels32(bytes: Uint8Array, header: PictureHeader, topDown: boolean): Picture {
  const { width, height } = header;
  const start = new DataView(bytes.buffer).getUint32(10, true);
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = bytes[start + 4 * i + 2 - c]!;
  return { width, height, channels: 3, pixels: topDown ? pixels : flipRows(pixels, width * 3) };
}

function flipRows(pixels: Uint8Array, rowBytes: number): Uint8Array {
  const flipped = new Uint8Array(pixels.length);
  for (let from = 0, to = pixels.length - rowBytes; to >= 0; from += rowBytes, to -= rowBytes)
    flipped.set(pixels.subarray(from, from + rowBytes), to);
  return flipped;
}
