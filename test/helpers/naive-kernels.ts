// Convolution and rescaling once more, in exact arithmetic and without any cleverness: what the kernels are checked against.
// SPDX-License-Identifier: MIT

/** round(a / b) with ties upwards; b > 0. */
function divideTiesUp(a: bigint, b: bigint): bigint {
  const doubled = 2n * a + b;
  const quotient = doubled / (2n * b);
  return doubled < 0n && doubled % (2n * b) !== 0n ? quotient - 1n : quotient;
}

/** round(a / b) with ties away from zero; b > 0. */
function divideTiesAway(a: bigint, b: bigint): bigint {
  const magnitude = (2n * (a < 0n ? -a : a) + b) / (2n * b);
  return a < 0n ? -magnitude : magnitude;
}

/** value * multiplier * 2^(shift - 31), rounded after the multiplication and after the right shift. */
export function naiveRequantise(value: number, multiplier: number, shift: number): number {
  const shifted = BigInt.asIntN(32, BigInt(value) << BigInt(Math.max(shift, 0)));
  const product = divideTiesUp(shifted * BigInt(multiplier), 1n << 31n);
  return Number(divideTiesAway(product, 1n << BigInt(Math.max(-shift, 0))));
}

export interface NaiveConv {
  /** n, h, w, c. */
  input: [number, number, number, number];
  output: [number, number, number, number];
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  pad: [number, number];
  /** Input channels that one output channel sees, and the first of them. */
  channelsOf(outputChannel: number): { first: number; count: number };
  /** Index into the weights. */
  weightAt(outputChannel: number, ky: number, kx: number, inputChannel: number): number;
}

/** Accumulators of a convolution in output order; x and w have their zero points removed. */
export function naiveAccumulators(
  c: NaiveConv,
  x: number[],
  w: number[],
  bias: number[],
): number[] {
  const [, inputH, inputW, inputC] = c.input;
  const [batches, outputH, outputW, outputC] = c.output;
  const sums: number[] = [];
  for (let n = 0; n < batches; n++)
    for (let oy = 0; oy < outputH; oy++)
      for (let ox = 0; ox < outputW; ox++)
        for (let o = 0; o < outputC; o++) {
          let sum = bias[o] ?? 0;
          const { first, count } = c.channelsOf(o);
          for (let ky = 0; ky < c.kernel[0]; ky++)
            for (let kx = 0; kx < c.kernel[1]; kx++) {
              const y = oy * c.stride[0] - c.pad[0] + ky * c.dilation[0];
              const xx = ox * c.stride[1] - c.pad[1] + kx * c.dilation[1];
              if (y < 0 || y >= inputH || xx < 0 || xx >= inputW) continue;
              for (let i = 0; i < count; i++)
                sum +=
                  x[((n * inputH + y) * inputW + xx) * inputC + first + i]! *
                  w[c.weightAt(o, ky, kx, i)]!;
            }
          sums.push(sum);
        }
  return sums;
}
