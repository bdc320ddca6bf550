// Output with its grid of tiles, and the input with what the current tile reads of it; both in one scale.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Chart } from "./chart.tsx";
import { AsTable, patternOf, Patterns, useSvgId, useWidth } from "./parts.tsx";
import { inputOf, inside, tileAt, type Rect, type TileShape } from "./tile-geometry.ts";
import type { NnTiles } from "./tiles-data.ts";

const GAP = 28;
const PAD = 14;
const HEAD = 22;
/** Room for a title above a narrow image. */
const LABEL = 120;
/** Small images are enlarged no further than this, in CSS pixels for a pixel. */
const MOST_SCALE = 22;
const MOST_HEIGHT = 460;
/** From this size on the pixels themselves are drawn. */
const PIXEL_GRID = 7;

interface Layout {
  scale: number;
  width: number;
  height: number;
  /** Upper left corners of the images. */
  output: { x: number; y: number };
  input: { x: number; y: number };
}

/** Rows and columns that tiles read on each side of the input. */
function borderOf({ input, output, kernel, offset }: TileShape) {
  return {
    left: Math.max(0, -offset.x),
    top: Math.max(0, -offset.y),
    right: Math.max(0, output.x + offset.x + kernel.x - 1 - input.x),
    bottom: Math.max(0, output.y + offset.y + kernel.y - 1 - input.y),
  };
}

/** Side by side where that does not cost much scale, else one above the other. */
function layoutOf(shape: TileShape, room: number): Layout {
  const { input, output } = shape;
  const border = borderOf(shape);
  const inX = border.left + input.x + border.right;
  const inY = border.top + input.y + border.bottom;
  const tallest = MOST_HEIGHT / Math.max(inY, output.y);
  const beside = Math.min((room - GAP - 2 * PAD) / (inX + output.x), tallest, MOST_SCALE);
  const above = Math.min((room - 2 * PAD) / Math.max(inX, output.x), tallest, MOST_SCALE);
  const isBeside = beside >= above * 0.62;
  const scale = isBeside ? beside : above;
  const edge = { x: border.left * scale, y: border.top * scale };
  const top = HEAD + PAD;
  if (isBeside) {
    const second = PAD + Math.max(output.x * scale, LABEL) + GAP;
    return {
      scale,
      width: room,
      height: top + Math.max(inY, output.y + border.top) * scale + PAD,
      output: { x: PAD, y: top + edge.y },
      input: { x: second + edge.x, y: top + edge.y },
    };
  }
  const second = top + output.y * scale + GAP + HEAD;
  return {
    scale,
    width: room,
    height: second + inY * scale + PAD,
    output: { x: PAD, y: top },
    input: { x: PAD + edge.x, y: second + edge.y },
  };
}

const rectText = ({ x, y, width, height }: Rect): string =>
  `columns ${x} to ${x + width - 1}, rows ${y} to ${y + height - 1}`;

/** What a tile writes and reads, in a sentence. */
function tileText({ shape, columns }: NnTiles, index: number): string {
  const tile = tileAt(shape, index % columns, Math.floor(index / columns));
  const need = inputOf(shape, tile);
  const part = inside(shape, need);
  const border = need.width * need.height - part.width * part.height;
  const outside =
    border === 0 ? "" : `, ${border} of ${need.width * need.height} pixels in the border`;
  return `tile ${index} (${tile.width}×${tile.height}): writes ${rectText(tile)}; reads ${rectText(need)} (${need.width}×${need.height})${outside}`;
}

export function TileDrawing({ tiles }: { tiles: NnTiles }): JSX.Element {
  const { shape, columns, rows } = tiles;
  const [ref, room] = useWidth<HTMLDivElement>();
  const [active, setActive] = useState(0);
  const layout = layoutOf(shape, Math.max(room, 1));
  const count = columns * rows;
  const tile = tileAt(shape, active % columns, Math.floor(active / columns));
  const itemAt = (x: number, y: number): number | undefined => {
    const column = Math.floor((x - layout.output.x) / layout.scale / shape.tile.x);
    const row = Math.floor((y - layout.output.y) / layout.scale / shape.tile.y);
    const exists = column >= 0 && column < columns && row >= 0 && row < rows;
    return exists ? row * columns + column : undefined;
  };
  const keyTarget = (key: string, at: number): number | undefined => {
    const to = key === "ArrowDown" ? at + columns : key === "ArrowUp" ? at - columns : undefined;
    return to === undefined ? undefined : to < 0 || to >= count ? at : to;
  };
  return (
    <section class="card">
      <h2>Tiles, to scale</h2>
      <p class="muted">
        Point at a tile of the output, or move with arrow keys: the input shows what it reads, with
        the halo hatched and a dashed line around, which may reach into the border.
      </p>
      <div class="chart-scroll tile-scroll" ref={ref}>
        {room > 0 && (
          <Chart
            label={`Output of ${columns} by ${rows} tiles and the input`}
            width={layout.width}
            height={layout.height}
            count={count}
            active={active}
            setActive={setActive}
            nameOf={(index) => tileText(tiles, index)}
            itemAt={itemAt}
            keyTarget={keyTarget}
            cursor={<rect class="cursor-box" {...scaled(tile, layout.output, layout.scale)} />}
          >
            <OutputImage tiles={tiles} layout={layout} />
            <InputImage shape={shape} layout={layout} tile={tile} />
          </Chart>
        )}
      </div>
      <p class="chart-line tile-line">{tileText(tiles, active)}</p>
      <TileSizes tiles={tiles} />
    </section>
  );
}

const scaled = (
  { x, y, width, height }: Rect,
  at: { x: number; y: number },
  scale: number,
): Rect => ({
  x: at.x + x * scale,
  y: at.y + y * scale,
  width: Math.max(width * scale, 1),
  height: Math.max(height * scale, 1),
});

/** Lines every `step` pixels inside an image. */
function gridPath(image: Rect, stepX: number, stepY: number): string {
  const lines: string[] = [];
  for (let x = stepX; x < image.width - 1e-6; x += stepX)
    lines.push(`M${image.x + x} ${image.y}v${image.height}`);
  for (let y = stepY; y < image.height - 1e-6; y += stepY)
    lines.push(`M${image.x} ${image.y + y}h${image.width}`);
  return lines.join("");
}

function OutputImage({ tiles, layout }: { tiles: NnTiles; layout: Layout }): JSX.Element {
  const { shape } = tiles;
  const { scale, output } = layout;
  const image = scaled(
    { x: 0, y: 0, width: shape.output.x, height: shape.output.y },
    output,
    scale,
  );
  return (
    <>
      <text class="axis strong" x={output.x} y={output.y - 8}>
        output {shape.output.x}×{shape.output.y}
      </text>
      <rect class="image" {...image} />
      {scale >= PIXEL_GRID && <path class="pixel-grid" d={gridPath(image, scale, scale)} />}
      {tiles.pooled && scale >= PIXEL_GRID && <path class="kept" d={keptPath(shape, layout)} />}
      <path class="tile-grid" d={gridPath(image, shape.tile.x * scale, shape.tile.y * scale)} />
    </>
  );
}

/** The pixels that first-pixel pooling keeps. */
function keptPath({ output: { x, y } }: TileShape, { scale, output }: Layout): string {
  const side = scale - 2;
  const marks: string[] = [];
  for (let row = 0; row < y - 1; row += 2)
    for (let column = 0; column < x - 1; column += 2) {
      const corner = { x: output.x + column * scale + 1, y: output.y + row * scale + 1 };
      marks.push(rectPath({ ...corner, width: side, height: side }));
    }
  return marks.join("");
}

function InputImage({
  shape,
  layout,
  tile,
}: {
  shape: TileShape;
  layout: Layout;
  tile: Rect;
}): JSX.Element {
  const id = useSvgId();
  const { scale, input } = layout;
  const image = scaled({ x: 0, y: 0, width: shape.input.x, height: shape.input.y }, input, scale);
  const need = inputOf(shape, tile);
  const part = scaled(inside(shape, need), input, scale);
  // The pixels below the tile itself; the rest of what is read is its halo.
  const own = scaled(inside(shape, tile), input, scale);
  const halo = { "fill-rule": "evenodd" as const, d: `${rectPath(part)}${rectPath(own)}` };
  return (
    <>
      <Patterns id={id} />
      <text class="axis strong" x={input.x} y={input.y - 8 - borderOf(shape).top * scale}>
        input {shape.input.x}×{shape.input.y}
      </text>
      <rect class="image" {...image} />
      <rect class="reads-own" {...own} />
      <path class="reads" {...halo} />
      <path fill={patternOf("memory", id)} {...halo} />
      {scale >= PIXEL_GRID && <path class="pixel-grid" d={gridPath(image, scale, scale)} />}
      <rect class="reads-border" {...scaled(need, input, scale)} />
    </>
  );
}

const rectPath = ({ x, y, width, height }: Rect): string =>
  `M${x} ${y}h${width}v${height}h${-width}z`;

/** Tiles of the same size in one row: the last column and row are smaller. */
function TileSizes({ tiles }: { tiles: NnTiles }): JSX.Element {
  const { shape, columns, rows } = tiles;
  const sizes = new Map<string, { tile: Rect; read: Rect; count: number }>();
  for (const [column, columnCount] of ends(columns))
    for (const [row, rowCount] of ends(rows)) {
      const tile = tileAt(shape, column, row);
      const key = `${tile.width}×${tile.height}`;
      const known = sizes.get(key) ?? { tile, read: inputOf(shape, tile), count: 0 };
      known.count += columnCount * rowCount;
      sizes.set(key, known);
    }
  return (
    <AsTable
      caption="Sizes of tiles"
      head={["Tile", ">Tiles", "Reads", ">Pixels read"]}
      rows={() =>
        [...sizes].map(([key, { read, count }]) => [
          key,
          count,
          `${read.width}×${read.height}`,
          read.width * read.height,
        ])
      }
    />
  );
}

/** A whole one, how many there are, and the last one. */
const ends = (count: number): [number, number][] =>
  count === 1
    ? [[0, 1]]
    : [
        [0, count - 1],
        [count - 1, 1],
      ];
