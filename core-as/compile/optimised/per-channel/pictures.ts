// Pictures that nobody took: shapes of all sizes in front of each other, as things in photographs are. What small windows of them look
// like is near enough to what they look like in photographs (docs/accuracy.md, Scales per channel).
// SPDX-License-Identifier: MIT

/** Radius of the smallest shapes, in pixels. */
const SMALLEST = 2;
/** Shapes after which what is still uncovered stays grey; far more than any picture took. */
const MOST_SHAPES = 20_000;

/**
 * A picture of opaque shapes, the first in front: as many of each size as cover the same share of it ("dead leaves").
 * @param shape rows, columns and channels
 * @param seed another one, another picture; equal ones, equal pictures on every host
 * @returns bytes, channels innermost
 */
export function syntheticPicture(
  [rows, columns, channels]: readonly [number, number, number],
  seed: number,
): Uint8Array {
  const random = randomNumbers(seed);
  const bytes = new Uint8Array(rows * columns * channels).fill(128);
  const covered = new Uint8Array(rows * columns);
  const largest = Math.max(rows, columns) / 2;
  let left = covered.length;
  for (let shape = 0; left > 0 && shape < MOST_SHAPES; shape++) {
    const share = random();
    // Density falls with the third power of the radius: sizes are then scale invariant.
    const radius = 1 / Math.sqrt(share / largest ** 2 + (1 - share) / SMALLEST ** 2);
    const [middleX, middleY] = [random() * columns, random() * rows];
    const isBox = random() < 0.4;
    const width = radius * (0.4 + 1.2 * random());
    const colour = shapeColour(channels, random);
    const top = Math.max(0, Math.floor(middleY - radius));
    const first = Math.max(0, Math.floor(middleX - width));
    for (let y = top; y < Math.min(rows, middleY + radius); y++)
      for (let x = first; x < Math.min(columns, middleX + width); x++) {
        const [dx, dy] = [(x - middleX) / width, (y - middleY) / radius];
        const pixel = y * columns + x;
        if (covered[pixel] === 1 || (!isBox && dx * dx + dy * dy > 1)) continue;
        covered[pixel] = 1;
        left--;
        for (let c = 0; c < channels; c++) bytes[pixel * channels + c] = colour(c, dx, dy);
      }
  }
  return bytes;
}

/** Colour of a shape's pixels, by channel and place from its middle (-1..1). */
function shapeColour(
  channels: number,
  random: () => number,
): (channel: number, dx: number, dy: number) => number {
  const light = 255 * random();
  const base = Float64Array.from({ length: channels }, () => light + 120 * (random() - 0.5));
  // Light falls from somewhere, and few surfaces are smooth.
  const [shadeX, shadeY] = [60 * (random() - 0.5), 60 * (random() - 0.5)];
  const roughness = ROUGHNESS * random() ** 2;
  let [grain, before] = [0, NaN];
  return (channel, dx, dy) => {
    // One grain a pixel, whatever its channels.
    if (dx !== before) [grain, before] = [roughness * (random() - 0.5), dx];
    const value = base[channel]! + shadeX * dx + shadeY * dy + grain;
    return Math.min(Math.max(Math.round(value), 0), 255);
  };
}

/** Steps between the darkest and the lightest grain of the roughest surface. */
const ROUGHNESS = 24;

/** Numbers from 0 to 1, the same on every host. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence, mixed (splitmix32).
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
