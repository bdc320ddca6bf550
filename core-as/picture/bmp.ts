// Decodes BMP, without a package: what pages and the command line read has to be the same to the byte.
// SPDX-License-Identifier: MIT
import { checkPictureSize, pictureError, readPictureHeader, type PictureHeader } from "./header.ts";
import type { Picture } from "./resize.ts";

/** Where pixels are, and what they mean. */
interface Layout {
  bits: 1 | 8 | 24 | 32;
  /** First byte of the pixels; bytes from one row to the next. */
  start: number;
  rowBytes: number;
  topDown: boolean;
  /** Blue, green, red, unused for each index; empty without a palette. */
  palette: Uint8Array;
}

/** Bytes of the file's own header; the one of the picture, which begins with its size, follows. */
const FILE_HEADER = 14;
const BITFIELDS = 3;
/** The only masks that are taken: blue, green, red, unused in memory, which is also what 32 bits mean without masks. */
const MASKS = [0x00ff0000, 0x0000ff00, 0x000000ff];

/**
 * Decodes a BMP file without compression: 1 or 8 bits with a palette, 24 or 32 bits.
 * @returns rows from the top, red, green, blue; alpha is dropped
 * @throws TransportError TW_IO_PICTURE with what is wrong, at which byte
 */
export function decodeBmp(bytes: Uint8Array): Picture {
  const header = readPictureHeader(bytes);
  if (header.format !== "bmp") pictureError("the bytes do not start like a BMP", 0);
  checkPictureSize(header);
  const { width, height } = header;
  const layout = layoutOf(bytes, header);
  const { start, rowBytes, topDown, bits } = layout;
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = start + (topDown ? row : height - 1 - row) * rowBytes;
    const line = bytes.subarray(from, from + rowBytes);
    const target = pixels.subarray(row * width * 3, (row + 1) * width * 3);
    if (bits <= 8) rowOfIndices(line, target, layout);
    else rowOfColours(line, target, bits / 8);
  }
  return { width, height, channels: 3, pixels };
}

function rowOfColours(line: Uint8Array, target: Uint8Array, pixelBytes: number): void {
  for (let from = 0, to = 0; to < target.length; from += pixelBytes, to += 3) {
    target[to] = line[from + 2]!;
    target[to + 1] = line[from + 1]!;
    target[to + 2] = line[from]!;
  }
}

/** Indices behind the end of the palette are black. */
function rowOfIndices(line: Uint8Array, target: Uint8Array, { bits, palette }: Layout): void {
  for (let column = 0, to = 0; to < target.length; column++, to += 3) {
    const index = bits === 8 ? line[column]! : (line[column >> 3]! >> (7 - (column & 7))) & 1;
    for (let c = 0; c < 3; c++) target[to + c] = palette[4 * index + 2 - c] ?? 0;
  }
}

function layoutOf(bytes: Uint8Array, { width, height }: PictureHeader): Layout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.getUint32(10, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  if (bits !== 1 && bits !== 8 && bits !== 24 && bits !== 32)
    return pictureError(`BMP with ${bits} bits a pixel`, 28);
  if (compression !== 0 && !(bits === 32 && compression === BITFIELDS))
    pictureError(`BMP with compression ${compression}`, 30);
  const headers = FILE_HEADER + view.getUint32(FILE_HEADER, true);
  if (start < headers)
    pictureError(
      `the BMP's pixels begin at byte ${start}, inside of its ${headers} header bytes`,
      10,
    );
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  if (start + rowBytes * height > bytes.length)
    pictureError(
      `the BMP needs ${start + rowBytes * height} bytes, the file has ${bytes.length}`,
      bytes.length,
    );
  if (compression === BITFIELDS) checkMasks(view);
  const topDown = view.getInt32(22, true) < 0;
  return { bits, start, rowBytes, topDown, palette: paletteOf(bytes, view, bits) };
}

/** Masks stand behind the smallest header, which larger ones count as their own. */
function checkMasks(view: DataView): void {
  for (const [i, wanted] of MASKS.entries()) {
    const at = 54 + 4 * i;
    const mask = at + 4 > view.byteLength ? null : view.getUint32(at, true);
    if (mask !== wanted)
      pictureError(
        `BMP with the colour mask ${mask === null ? "cut off" : `0x${mask.toString(16)}`}; ` +
          `only 0x${wanted.toString(16)} is read there`,
        at,
      );
  }
}

function paletteOf(bytes: Uint8Array, view: DataView, bits: number): Uint8Array {
  if (bits > 8) return new Uint8Array(0);
  const start = FILE_HEADER + view.getUint32(FILE_HEADER, true);
  const colours = view.getUint32(46, true) || 2 ** bits;
  if (colours > 2 ** bits || start + 4 * colours > bytes.length)
    pictureError(`the BMP palette of ${colours} colours does not fit`, 46);
  return bytes.subarray(start, start + 4 * colours);
}
