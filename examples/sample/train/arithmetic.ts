// Numbers that come out the same everywhere: a seeded generator, exp by plain arithmetic, the matrix product.
// SPDX-License-Identifier: MIT

/** xorshift32: every draw steps first, then uses the new state. */
export class Random {
  #state: number;

  /** @param seed any integer; 0 would never leave 0 and is replaced */
  constructor(seed: number) {
    this.#state = seed >>> 0 || 0x9e3779b9;
  }

  /** The next 32 bits. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.next() / 4294967296;
  }

  /** Uniform in [-limit, limit). */
  symmetric(limit: number): number {
    return (2 * this.uniform() - 1) * limit;
  }

  /** Nearly normal, variance 1: the sum of twelve uniforms, because log and cos differ between platforms. */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }

  /** Shuffles in place (Fisher-Yates). */
  shuffle(items: Int32Array): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = Math.floor(this.uniform() * (i + 1));
      const item = items[i]!;
      items[i] = items[j]!;
      items[j] = item;
    }
  }
}

const LN2_HIGH = 0.69314718036912381649;
const LN2_LOW = 1.90821492927058770002e-10;

/**
 * e^x from additions and multiplications only. Math.exp may differ in the last bit between engines, which training
 * would amplify to different weights.
 */
export function portableExp(x: number): number {
  const k = Math.round(x / Math.LN2);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  for (let i = 14; i > 0; i--) sum = 1 + (sum * r) / i; // Taylor series by Horner, |r| < 0.35
  for (let i = 0; i < k; i++) sum *= 2;
  for (let i = 0; i > k; i--) sum *= 0.5;
  return sum;
}

/**
 * c[m][n] = sum over k of a[m][k] * b[n][k]: both operands are read along their rows. `c` is overwritten.
 * Two rows by four columns at a time keep eight sums in registers.
 */
export function multiplyTransposed(
  a: Float64Array,
  b: Float64Array,
  c: Float64Array,
  m: number,
  n: number,
  k: number,
): void {
  const m2 = m - (m % 2);
  const n4 = n - (n % 4);
  for (let i = 0; i < m2; i += 2) {
    for (let j = 0; j < n4; j += 4) {
      let a0 = i * k;
      let a1 = a0 + k;
      let b0 = j * k;
      let b1 = b0 + k;
      let b2 = b1 + k;
      let b3 = b2 + k;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0; // prettier-ignore
      let s10 = 0, s11 = 0, s12 = 0, s13 = 0; // prettier-ignore
      for (const end = a0 + k; a0 < end; a0++, a1++, b0++, b1++, b2++, b3++) {
        const x0 = a[a0]!;
        const x1 = a[a1]!;
        const y0 = b[b0]!;
        const y1 = b[b1]!;
        const y2 = b[b2]!;
        const y3 = b[b3]!;
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s03 += x0 * y3;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s13 += x1 * y3;
      }
      const top = i * n + j;
      const bottom = top + n;
      c[top] = s00;
      c[top + 1] = s01;
      c[top + 2] = s02;
      c[top + 3] = s03;
      c[bottom] = s10;
      c[bottom + 1] = s11;
      c[bottom + 2] = s12;
      c[bottom + 3] = s13;
    }
  }
  for (let i = 0; i < m; i++)
    for (let j = i < m2 ? n4 : 0; j < n; j++) c[i * n + j] = dot(a, i * k, b, j * k, k);
}

function dot(a: Float64Array, aAt: number, b: Float64Array, bAt: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aAt + i]! * b[bAt + i]!;
  return sum;
}

/** to[column][row] = from[row][column]. */
export function transpose(
  from: Float64Array,
  to: Float64Array,
  rows: number,
  columns: number,
): void {
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c]!;
}
