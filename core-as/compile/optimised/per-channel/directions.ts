// What large values of a tensor have in common: a few directions in the space of its planes. Weights whose errors add up to little along
// these are off by little where it matters.
// SPDX-License-Identifier: MIT

/** Values of a tensor as those along some directions, and a rest. */
export interface Directions {
  /** Of length 1, orthogonal, over the planes. */
  vectors: readonly Float64Array[];
  /** Of the values along each: their square, in the picture where that is largest, and the largest one. */
  squares: readonly number[];
  largest: readonly number[];
  /** By plane: deviation of the rest. */
  residual: Float64Array;
}

/** Directions that are looked for; further ones say little. */
const MOST = 4;
/** Share of all rows' squares that a direction has to explain. */
const LEAST_SHARE = 0.04;
const STEPS = 24;

/** The directions in which rows are large: their principal components, the largest first. */
export function principalDirections(rows: readonly Float64Array[]): Float64Array[] {
  const found: Float64Array[] = [];
  const total = rows.reduce((sum, row) => sum + dot(row, row), 0);
  if (total === 0) return found;
  const left = rows.map((row) => row.slice());
  while (found.length < MOST) {
    const largest = left.reduce((a, b) => (dot(b, b) > dot(a, a) ? b : a));
    let vector = unit(largest);
    let explained = 0;
    for (let step = 0; step < STEPS; step++) {
      const next = new Float64Array(vector.length);
      explained = 0;
      for (const row of left) {
        const along = dot(row, vector);
        explained += along * along;
        addTo(next, row, along);
      }
      vector = unit(next);
    }
    if (explained < LEAST_SHARE * total) break;
    found.push(vector);
    for (const row of left) addTo(row, vector, -dot(row, vector));
  }
  return found;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Adds a multiple of another vector. */
export function addTo(to: Float64Array, vector: ArrayLike<number>, by: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += by * vector[i]!;
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return length > 0 ? vector.map((value) => value / length) : vector.slice();
}
