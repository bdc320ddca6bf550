// Decodes picture files in Node. Sizes are checked before a decoder sees the bytes.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  checkPictureSize,
  decodeBmp,
  pictureError,
  readPictureHeader,
  withoutAlpha,
  type Picture,
} from "../core-as/index.ts";

/** What the PNG and JPEG decoders return: red, green, blue, alpha. */
interface Decoded {
  data: Uint8ClampedArray | Uint8Array;
  width: number;
  height: number;
}

/**
 * Decodes a picture file: BMP, PNG or JPEG.
 * @throws TransportError TW_IO_PICTURE with what is wrong
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture> {
  const header = readPictureHeader(bytes);
  const { format, width, height } = header;
  checkPictureSize(header);
  if (format === "bmp") return decodeBmp(bytes);
  let decoded: Decoded;
  try {
    decoded = format === "png" ? await decodePng(bytes) : await decodeJpeg(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const name = format.toUpperCase();
    return pictureError(
      `the ${name} is damaged or cut off, its decoder says: ${why}`,
      undefined,
      cause,
    );
  }
  // The JPEG decoder turns pictures upright, so its size counts.
  if (decoded.width * decoded.height !== width * height)
    pictureError(
      `the decoded picture has ${decoded.width} x ${decoded.height} pixels, its header says ${width} x ${height}`,
    );
  return withoutAlpha(decoded.data, decoded.width, decoded.height);
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
  return decode(new Uint8Array(bytes).buffer);
}

async function decodeJpeg(bytes: Uint8Array): Promise<Decoded> {
  const { default: decode, init } = await import("@jsquash/jpeg/decode.js");
  // Its declarations forget the second parameter. Without these the C code's warnings go to the console.
  const start = init as (module: WebAssembly.Module, overrides: object) => Promise<void>;
  await start(wasmOf("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"), {
    print: () => {},
    printErr: () => {},
  });
  return decode(new Uint8Array(bytes).buffer, { preserveOrientation: true });
}
