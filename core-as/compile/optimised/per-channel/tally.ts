// Sums over the values of one tensor, picture by picture.
// SPDX-License-Identifier: MIT
import { elementCount, type Tensor } from "../../../ir/graph.ts";
import { zp8 } from "../../lower-shared.ts";
import { addTo, dot, principalDirections, type Directions } from "./directions.ts";
import { planarOf, type PlanarValues } from "./samples.ts";
import { EVEN, type Unevenness } from "./tail.ts";

/** How closely a tensor is looked at. */
export interface Looks {
  /** Also where its channels are large together. */
  together: boolean;
  /** All values of its planes are kept, unless there are very many. */
  apart: boolean;
}

/** Values of one tensor, without their zero point, in its steps: those of the picture that has the most of it. */
export interface Observation {
  /** By channel; of all pictures. */
  mean: Float64Array;
  deviation: Float64Array;
  /** What pixels that are one or two apart have in common: 0 = nothing, 1 = they are equal. */
  correlation: Float64Array;
  /** Share that neither end of a byte's range hides. */
  inside: Float64Array;
  /** How the squares of all channels are spread over the pixels. */
  unevenness: Unevenness;
  /** Null where channels are few. */
  directions: Directions | null;
  /** The same without what lies along the directions. */
  residualUnevenness: Unevenness;
  /** Of all pictures; none unless asked for, and none of very large tensors. */
  planes: readonly PlanarValues[];
}

/** Channels from which on it is looked at where they are large together. */
const MANY = 16;
/** Pixels that are too few to tell how values are spread over them. */
const FEW_PIXELS = 16;
/** Ends of the ranges of pixels, those with the largest values first, for which squares are kept apart. */
const RANGES = [1 / 1024, 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1];
/** Of each picture, the pixels with the largest values are kept, one of so many, and some of the others. */
const KEPT_SHARE = 1 / 64;
const MOST_KEPT = 256;
const OTHERS = 256;

/** Bytes of a picture's tensor up to which all values are kept: six pictures and dozens of layers must fit a browser's memory. */
const MOST_PLANAR = 2 ** 21;

/** Pixels that are this far apart count as neighbours: those of a 3x3 kernel. */
const DISTANCES = [1, 2];

/** What one picture makes of a tensor. */
interface Picture {
  /** By channel. */
  mean: Float64Array;
  variance: Float64Array;
  inside: Float64Array;
  /** Pixels, those with the largest values first. */
  samples: readonly Sample[];
}

interface Sample {
  values: Int16Array;
  /** Share of the picture's pixels that it stands for. */
  share: number;
}

export class Tally {
  private readonly channels: number;
  private readonly pixels: number;
  private readonly pictures: Picture[] = [];
  private readonly products: Float64Array;
  private readonly planes: PlanarValues[] = [];
  private pairs = 0;

  constructor(
    private readonly tensor: Tensor,
    private readonly looks: Looks,
  ) {
    this.channels = tensor.shape.at(-1)!;
    this.pixels = elementCount(tensor.shape) / this.channels;
    this.products = new Float64Array(this.channels);
  }

  /** One picture more. */
  add(bytes: Uint8Array): void {
    const { channels, pixels, tensor } = this;
    const values = new Int16Array(bytes.length);
    const mean = new Float64Array(channels);
    const variance = new Float64Array(channels);
    const inside = new Float64Array(channels);
    const [flip, zero] = [tensor.type === "int8" ? 0x80 : 0, zp8(tensor)];
    for (let at = 0; at < bytes.length; at += channels)
      for (let c = 0; c < channels; c++) {
        const byte = bytes[at + c]! ^ flip;
        const value = byte - zero;
        values[at + c] = value;
        mean[c]! += value;
        variance[c]! += value * value;
        if (byte > 0 && byte < 255) inside[c]!++;
      }
    for (let c = 0; c < channels; c++) {
      mean[c]! /= pixels;
      inside[c]! /= pixels;
      variance[c] = Math.max(0, variance[c]! / pixels - mean[c]! ** 2);
    }
    const looksCloser = this.looks.together && channels >= MANY;
    const samples = looksCloser ? this.samplesOf(values, mean) : [];
    this.pictures.push({ mean, variance, inside, samples });
    const [, rows = 1, columns = 1] = tensor.shape.length === 4 ? tensor.shape : [];
    if (this.looks.apart && bytes.length <= MOST_PLANAR)
      this.planes.push(planarOf(bytes, { rows, columns, channels, flip, zero }));
    for (const distance of DISTANCES) {
      this.addPairs(values, rows, columns, distance * columns, rows - distance, columns);
      this.addPairs(values, rows, columns, distance, rows, columns - distance);
    }
  }

  private samplesOf(values: Int16Array, mean: Float64Array): Sample[] {
    const { channels, pixels } = this;
    // Squares with their pixels, as numbers that sort fast.
    const keys = new Float64Array(pixels);
    for (let pixel = 0, at = 0; pixel < pixels; pixel++) {
      let square = 0;
      for (let c = 0; c < channels; c++) square += (values[at++]! - mean[c]!) ** 2;
      keys[pixel] = Math.round(square) * pixels + pixel;
    }
    keys.sort();
    const largest = Math.min(Math.ceil(pixels * KEPT_SHARE), MOST_KEPT);
    const others = Math.min(pixels - largest, OTHERS);
    const sample = (place: number, share: number): Sample => {
      const at = (keys[pixels - 1 - place]! % pixels) * channels;
      return { values: values.slice(at, at + channels), share };
    };
    const found = Array.from({ length: largest }, (_, i) => sample(i, 1 / pixels));
    const each = (pixels - largest) / others;
    for (let i = 0; i < others; i++)
      found.push(sample(largest + Math.floor((i + 0.5) * each), each / pixels));
    return found;
  }

  /** Products of each pixel of the first rows and columns with the one `step` pixels further on. */
  private addPairs(
    values: Int16Array,
    allRows: number,
    allColumns: number,
    step: number,
    rows: number,
    columns: number,
  ): void {
    if (rows <= 0 || columns <= 0 || allRows * allColumns < 2) return;
    const { channels, products } = this;
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        const at = (y * allColumns + x) * channels;
        for (let c = 0; c < channels; c++)
          products[c]! += values[at + c]! * values[at + c + step * channels]!;
      }
    this.pairs += rows * columns;
  }

  /** Of the picture in which a channel is most different from what it is in all of them. */
  result(): Observation {
    const { pictures, channels, pairs } = this;
    const over = (of: (picture: Picture, c: number) => number): Float64Array =>
      Float64Array.from({ length: channels }, (_, c) =>
        pictures.reduce((most, picture) => Math.max(most, of(picture, c)), 0),
      );
    const mean = new Float64Array(channels);
    for (const picture of pictures) addTo(mean, picture.mean, 1 / pictures.length);
    const about = (picture: Picture, c: number): number =>
      picture.variance[c]! + (picture.mean[c]! - mean[c]!) ** 2;
    const variance = over(about);
    const all = Float64Array.from(mean, (_, c) =>
      pictures.reduce((sum, picture) => sum + about(picture, c) / pictures.length, 0),
    );
    const deviation = variance.map(Math.sqrt);
    return {
      mean,
      deviation,
      correlation: all.map((own, c) => {
        const common = this.products[c]! / Math.max(pairs, 1) - mean[c]! ** 2;
        return own > 0 ? Math.min(Math.max(common / own, 0), 1) : 0;
      }),
      inside: over(({ inside }, c) => inside[c]!),
      ...this.spread(mean, deviation),
      planes: this.planes,
    };
  }

  private spread(
    mean: Float64Array,
    deviation: Float64Array,
  ): Pick<Observation, "unevenness" | "directions" | "residualUnevenness"> {
    const { pictures, channels, pixels } = this;
    const even = { unevenness: EVEN, directions: null, residualUnevenness: EVEN };
    const isSeen = this.looks.together && channels >= MANY && dot(deviation, deviation) > 0;
    if (!isSeen) return even;
    const rows = pictures.map(({ samples }) =>
      samples.map(({ values, share }) => {
        const row = new Float64Array(values);
        addTo(row, mean, -1);
        return { row, share };
      }),
    );
    const isSmall = pixels < FEW_PIXELS;
    const unevenness = isSmall ? EVEN : unevennessOf(rows, deviation);
    const largest = Math.ceil(pixels * KEPT_SHARE);
    const vectors = principalDirections(
      rows.flatMap((some) => some.slice(0, Math.min(largest, MOST_KEPT)).map(({ row }) => row)),
    );
    const squares = vectors.map(() => 0);
    const peaks = vectors.map(() => 0);
    const residual = new Float64Array(channels);
    for (const some of rows) {
      const own = vectors.map(() => 0);
      const left = new Float64Array(channels);
      for (const { row, share } of some) {
        for (const [k, vector] of vectors.entries()) {
          const along = dot(row, vector);
          own[k]! += share * along * along;
          peaks[k] = Math.max(peaks[k]!, Math.abs(along));
          addTo(row, vector, -along);
        }
        for (let c = 0; c < channels; c++) left[c]! += share * row[c]! ** 2;
      }
      own.forEach((square, k) => (squares[k] = Math.max(squares[k]!, square)));
      for (let c = 0; c < channels; c++) residual[c] = Math.max(residual[c]!, Math.sqrt(left[c]!));
    }
    return {
      unevenness,
      directions: { vectors, squares, largest: peaks, residual },
      residualUnevenness: isSmall ? EVEN : unevennessOf(rows, residual),
    };
  }
}

/** Squares by range of pixels, those with the largest first, of the picture where they are largest. */
function unevennessOf(
  pictures: readonly (readonly { row: Float64Array; share: number }[])[],
  deviation: Float64Array,
): Unevenness {
  const shares = RANGES.map((end, i) => end - (RANGES[i - 1] ?? 0));
  const variances = shares.map(() => 0);
  const all = Math.max(dot(deviation, deviation), 1e-9);
  for (const samples of pictures) {
    const squares = samples
      .map(({ row, share }) => ({ square: dot(row, row) / all, share }))
      .sort((a, b) => b.square - a.square);
    let at = 0;
    let left = squares[0]?.share ?? 0;
    for (const [i, share] of shares.entries()) {
      let [wanted, sum] = [share, 0];
      while (wanted > 1e-12 && at < squares.length) {
        const taken = Math.min(wanted, left);
        sum += taken * squares[at]!.square;
        wanted -= taken;
        left -= taken;
        if (left <= 1e-12) left = squares[++at]?.share ?? 0;
      }
      variances[i] = Math.max(variances[i]!, sum / share);
    }
  }
  return { shares, variances };
}
