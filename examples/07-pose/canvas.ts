// Lines and discs on pixels: all that a stick figure needs.
// SPDX-License-Identifier: MIT

/** Red, green, blue, alpha of each pixel, row by row. */
export interface Canvas {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

export type Colour = readonly [red: number, green: number, blue: number];

/** Copies red, green, blue into opaque pixels. */
export function canvasOf(pixels: Uint8Array, width: number, height: number): Canvas {
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) data.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
  return { width, height, data };
}

/** A filled disc; what lies outside of the picture is left out. */
export function disc(
  { width, height, data }: Canvas,
  x: number,
  y: number,
  radius: number,
  colour: Colour,
): void {
  const [left, top] = [Math.max(0, Math.ceil(x - radius)), Math.max(0, Math.ceil(y - radius))];
  for (let row = top; row <= Math.min(height - 1, y + radius); row++)
    for (let column = left; column <= Math.min(width - 1, x + radius); column++)
      if ((column - x) ** 2 + (row - y) ** 2 <= radius * radius)
        data.set(colour, 4 * (row * width + column));
}

/** A thick line: discs close together. */
export function line(
  canvas: Canvas,
  from: readonly [number, number],
  to: readonly [number, number],
  radius: number,
  colour: Colour,
): void {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const steps = Math.max(1, Math.ceil(Math.hypot(dx, dy)));
  for (let i = 0; i <= steps; i++)
    disc(canvas, from[0] + (dx * i) / steps, from[1] + (dy * i) / steps, radius, colour);
}
