// Format and size of a picture file from its first bytes, so that a hostile size is refused before any decoder runs.
// SPDX-License-Identifier: MIT
import { TransportError } from "../errors.ts";

/** Largest picture that is decoded: four bytes a pixel in memory, twice. */
export const MAX_PIXELS = 64 * 2 ** 20;

export interface PictureHeader {
  format: "bmp" | "png" | "jpeg";
  width: number;
  height: number;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Refuses a picture, saying what is wrong with it and where. */
export function pictureError(message: string, byteOffset?: number, cause?: unknown): never {
  throw new TransportError(
    "TW_IO_PICTURE",
    byteOffset === undefined ? message : `${message} (at byte ${byteOffset})`,
    byteOffset === undefined ? {} : { byteOffset },
    cause,
  );
}

/**
 * Refuses empty pictures and those above MAX_PIXELS.
 * @throws TransportError TW_IO_PICTURE
 */
export function checkPictureSize({ width, height }: Pick<PictureHeader, "width" | "height">): void {
  if (width < 1 || height < 1) pictureError(`a picture of ${width} x ${height} pixels is empty`);
  if (width * height > MAX_PIXELS)
    pictureError(`${width} x ${height} pixels are more than the limit of ${MAX_PIXELS}`);
}

const startsWith = (bytes: Uint8Array, signature: readonly number[]): boolean =>
  signature.every((value, i) => bytes[i] === value);

/** Name of the format that the bytes start like, or null. */
export function pictureFormat(bytes: Uint8Array): PictureHeader["format"] | null {
  if (startsWith(bytes, [0x42, 0x4d])) return "bmp";
  if (startsWith(bytes, PNG_SIGNATURE)) return "png";
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "jpeg";
  return null;
}

/**
 * Reads format and size.
 * @throws TransportError TW_IO_PICTURE when the format is not known or the header is incomplete
 */
export function readPictureHeader(bytes: Uint8Array): PictureHeader {
  const format = pictureFormat(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case "bmp":
      return bmpSize(view);
    case "png":
      return pngSize(view);
    case "jpeg":
      return jpegSize(view);
    case null:
      return pictureError("the bytes start neither like BMP nor like PNG nor like JPEG", 0);
  }
}

function bmpSize(view: DataView): PictureHeader {
  if (view.byteLength < 54) pictureError("the BMP header is cut off", view.byteLength);
  const headerBytes = view.getUint32(14, true);
  if (headerBytes < 40) pictureError(`BMP headers of ${headerBytes} bytes are not supported`, 14);
  const width = view.getInt32(18, true);
  // A negative height means that the top row comes first.
  const height = Math.abs(view.getInt32(22, true));
  return { format: "bmp", width, height };
}

function pngSize(view: DataView): PictureHeader {
  if (view.byteLength < 33) pictureError("the PNG header is cut off", view.byteLength);
  if (view.getUint32(12) !== 0x49484452) pictureError("the first PNG chunk is not IHDR", 12);
  return { format: "png", width: view.getUint32(16), height: view.getUint32(20) };
}

/** Markers without a length: TEM, RST0..7, SOI. */
const isBare = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** Start-of-frame markers: C0..CF without DHT (C4), JPG (C8) and DAC (CC). */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function jpegSize(view: DataView): PictureHeader {
  for (let at = 2; at + 9 < view.byteLength;) {
    if (view.getUint8(at) !== 0xff) pictureError("a JPEG marker is missing", at);
    const marker = view.getUint8(at + 1);
    // Fill bytes may stand before a marker.
    if (marker === 0xff || isBare(marker)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    if (isFrame(marker)) {
      // A decoder would fill what is missing with grey.
      if (!hasEndMarker(view, at)) pictureError("the JPEG is cut off", view.byteLength);
      return { format: "jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    at += 2 + view.getUint16(at + 2);
  }
  return pictureError("the JPEG has no frame header", view.byteLength);
}

function hasEndMarker(view: DataView, from: number): boolean {
  for (let at = view.byteLength - 2; at > from; at--)
    if (view.getUint16(at) === 0xffd9) return true;
  return false;
}
