// Tiles of an NN job as rectangles: what each writes and what it reads for that. Plain arithmetic, for page and worker.
// SPDX-License-Identifier: MIT

/** Sizes of an NN job in columns and rows (x, y); z = planes. */
export interface TileShape {
  input: { x: number; y: number; z: number };
  /** Before pooling. */
  output: { x: number; y: number; z: number };
  kernel: { x: number; y: number; z: number };
  /** At least one. */
  tile: { x: number; y: number };
  /** First input column and row that output 0 reads; negative = border. */
  offset: { x: number; y: number };
}

/** Columns x..x+width-1, rows y..y+height-1. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export const tileColumns = ({ output, tile }: TileShape): number => Math.ceil(output.x / tile.x);
export const tileRows = ({ output, tile }: TileShape): number => Math.ceil(output.y / tile.y);

/** Output pixels of a tile; the last column and row are cut at the image's border. */
export function tileAt({ output, tile }: TileShape, column: number, row: number): Rect {
  const x = column * tile.x;
  const y = row * tile.y;
  return { x, y, width: Math.min(tile.x, output.x - x), height: Math.min(tile.y, output.y - y) };
}

/** Input pixels that a tile reads, border included: its own and the halo of the kernel. */
export function inputOf({ kernel, offset }: TileShape, tile: Rect): Rect {
  return {
    x: tile.x + offset.x,
    y: tile.y + offset.y,
    width: tile.width + kernel.x - 1,
    height: tile.height + kernel.y - 1,
  };
}

/** The part of a rectangle that lies inside the input. */
export function inside({ input }: TileShape, rect: Rect): Rect {
  const x = Math.max(rect.x, 0);
  const y = Math.max(rect.y, 0);
  return {
    x,
    y,
    width: Math.max(0, Math.min(rect.x + rect.width, input.x) - x),
    height: Math.max(0, Math.min(rect.y + rect.height, input.y) - y),
  };
}
