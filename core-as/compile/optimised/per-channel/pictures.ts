// Pictures that nobody took: shapes of all sizes in front of each other, as things in photographs are. What small windows of them look
// like is near enough to what they look like in photographs (docs/accuracy.md, Scales per channel).
// SPDX-License-Identifier: MIT
import type { Colour, Point, Scene } from "./figures.ts";

/** Radius of the smallest shapes, in pixels. */
const SMALLEST = 4;
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

/**
 * A picture of a figure, in front of a wall or of shapes.
 * @param shape rows, columns and channels
 * @param seed another one, other shapes and another grain
 */
export function scenePicture(
  [rows, columns, channels]: readonly [number, number, number],
  { figure, wall, zoom, middle }: Scene,
  seed: number,
): Uint8Array {
  const bytes = syntheticPicture([rows, columns, channels], seed);
  const random = randomNumbers(seed + 1);
  const colours = new Float64Array(bytes);
  const paint = (pixel: number, colour: Colour, light: number, share: number): void => {
    const grain = GRAIN * (random() - 0.5);
    for (let c = 0; c < channels; c++) {
      const value = (channels === 1 ? grey(colour) : colour[c]!) * light + grain;
      colours[pixel * channels + c]! += share * (value - colours[pixel * channels + c]!);
    }
  };
  if (wall !== null)
    for (let pixel = 0; pixel < rows * columns; pixel++)
      paint(pixel, wall, pixel < FLOOR * rows * columns ? 1 : FLOOR_LIGHT, 1);
  const place = ([x, y]: Point): Point => [
    columns * (0.5 + zoom * (x - middle[0])),
    rows * (0.5 + zoom * (y - middle[1])),
  ];
  const scale = zoom * Math.min(rows, columns);
  for (const { from, to, radii, colour } of figure) {
    const [[x0, y0], [x1, y1]] = [place(from), place(to)];
    const [r0, r1] = [radii[0] * scale, radii[1] * scale];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squared = Math.max(dx * dx + dy * dy, 1e-9);
    const most = Math.max(r0, r1) + 1;
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - most));
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - most));
    for (let y = top; y < Math.min(rows, Math.max(y0, y1) + most); y++)
      for (let x = left; x < Math.min(columns, Math.max(x0, x1) + most); x++) {
        const along = Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / squared, 0), 1);
        const radius = r0 + along * (r1 - r0);
        const [ox, oy] = [x - x0 - along * dx, y - y0 - along * dy];
        const share = Math.min(Math.max(radius - Math.sqrt(ox * ox + oy * oy) + 0.5, 0), 1);
        // Light comes from the upper left, and edges are darker than what faces the camera.
        const [nx, ny] = [ox / (radius + 1) + 0.15, oy / (radius + 1) + 0.15];
        if (share > 0) paint(y * columns + x, colour, 1.1 - 0.35 * (nx * nx + ny * ny), share);
      }
  }
  return Uint8Array.from(colours, (value) => Math.min(Math.max(Math.round(value), 0), 255));
}

const grey = ([red, green, blue]: Colour): number => 0.3 * red + 0.6 * green + 0.1 * blue;
/** Share of a picture above the floor, and how much light the floor gets. */
const FLOOR = 0.78;
const FLOOR_LIGHT = 0.85;
/** Steps between the darkest and the lightest grain of what is drawn. */
const GRAIN = 14;

/** Colour of a shape's pixels, by channel and place from its middle (-1..1). */
function shapeColour(
  channels: number,
  random: () => number,
): (channel: number, dx: number, dy: number) => number {
  const light = 255 * random();
  const base = Float64Array.from({ length: channels }, () => light + 80 * (random() - 0.5));
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
