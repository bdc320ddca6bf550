// Pictures to the size and colours of a model's input, the way the TFLite references of the corpus were made.
// SPDX-License-Identifier: MIT

/** Pixels, row by row, channels interleaved. */
export interface Picture {
  width: number;
  height: number;
  /** 1 = grey, 3 = red, green, blue. */
  channels: 1 | 3;
  pixels: Uint8Array;
}

/** What one output coordinate reads: two source positions and the weight of the second. */
interface Tap {
  first: number;
  second: number;
  weight: number;
}

/** Half-pixel centres: the middles of both pictures' pixels coincide; positions outside are clamped. */
function tapsOf(source: number, target: number): Tap[] {
  return Array.from({ length: target }, (_, i) => {
    const at = ((i + 0.5) * source) / target - 0.5;
    const below = Math.floor(at);
    return {
      first: Math.max(below, 0),
      second: Math.min(below + 1, source - 1),
      weight: at - below,
    };
  });
}

/**
 * Bilinear resizing with half-pixel centres, edges clamped, rounded to nearest (halves up). Reproduces the inputs of the
 * corpus' reference pictures byte for byte. Does not smooth when it shrinks.
 */
export function resizeBilinear(picture: Picture, width: number, height: number): Picture {
  const { pixels, channels } = picture;
  const columns = tapsOf(picture.width, width);
  const rows = tapsOf(picture.height, height);
  const result = new Uint8Array(width * height * channels);
  let at = 0;
  for (const row of rows) {
    const above = row.first * picture.width;
    const below = row.second * picture.width;
    for (const { first, second, weight } of columns)
      for (let channel = 0; channel < channels; channel++) {
        const value = (start: number, column: number): number =>
          pixels[(start + column) * channels + channel]!;
        const upper = value(above, first) * (1 - weight) + value(above, second) * weight;
        const lower = value(below, first) * (1 - weight) + value(below, second) * weight;
        result[at++] = Math.floor(upper * (1 - row.weight) + lower * row.weight + 0.5);
      }
  }
  return { width, height, channels, pixels: result };
}

/** Luma with the usual weights 0.299, 0.587, 0.114 in 16-bit fixed point; a grey picture keeps its values. */
export function toGrey(picture: Picture): Picture {
  if (picture.channels === 1) return picture;
  const { width, height, pixels } = picture;
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++)
    grey[i] =
      (pixels[3 * i]! * 19595 + pixels[3 * i + 1]! * 38470 + pixels[3 * i + 2]! * 7471 + 0x8000) >>
      16;
  return { width, height, channels: 1, pixels: grey };
}

/** Every grey value three times. */
export function toColour(picture: Picture): Picture {
  if (picture.channels === 3) return picture;
  const pixels = new Uint8Array(picture.pixels.length * 3);
  picture.pixels.forEach((value, i) => pixels.fill(value, 3 * i, 3 * i + 3));
  return { ...picture, channels: 3, pixels };
}
