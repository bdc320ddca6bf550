// What the errors of convolutions of few planes are on pictures, against sums taken one by one.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { planarOf, WindowSamples } from "../../../core-as/compile/optimised/per-channel/samples.ts";
import type { Op } from "../../../core-as/ir/graph.ts";
import { graph, op, PLAIN_CONV, tensor } from "../../helpers/make-graph.ts";
import { rng } from "../../helpers/prng.mjs";

const CHANNELS = 3;
const ZERO = 40;

interface Window {
  rows: number;
  columns: number;
  options: Op["options"];
  /** Rows and columns before the image. */
  before: [number, number];
  out: [number, number];
  stride: number;
  dilation: number;
}

const WINDOWS: Record<string, Window> = {
  "stride 1, same": {
    ...{ rows: 5, columns: 7, options: PLAIN_CONV, before: [1, 1] },
    ...{ out: [5, 7], stride: 1, dilation: 1 },
  },
  "stride 2, same, even sides": {
    ...{ rows: 6, columns: 8, options: { ...PLAIN_CONV, strideW: 2, strideH: 2 }, before: [0, 0] },
    ...{ out: [3, 4], stride: 2, dilation: 1 },
  },
  "stride 2, valid": {
    ...{ rows: 7, columns: 9, before: [0, 0], out: [3, 4], stride: 2, dilation: 1 },
    options: { ...PLAIN_CONV, padding: "valid", strideW: 2, strideH: 2 },
  },
  "dilation 2, same": {
    ...{ rows: 6, columns: 5, before: [2, 2], out: [6, 5], stride: 1, dilation: 2 },
    options: { ...PLAIN_CONV, dilationW: 2, dilationH: 2 },
  },
};

/** By kind: planes of a kernel. */
const KINDS = { DEPTHWISE_CONV_2D: 1, CONV_2D: CHANNELS } as const;

const cases = Object.entries(WINDOWS).flatMap(([name, window]) =>
  (Object.keys(KINDS) as (keyof typeof KINDS)[]).map((kind) => ({ name, window, kind })),
);
for (const { name, window, kind } of cases)
  test(`${kind}, ${name}: the largest error and the share beyond one step`, () => {
    const { rows, columns, options, before, out, stride, dilation } = window;
    const planes = KINDS[kind];
    const random = rng(`samples/${name}`);
    const shape = [1, rows, columns, CHANNELS];
    const images = [0, 1].map(() =>
      Uint8Array.from({ length: rows * columns * CHANNELS }, () => random.byte()),
    );
    const convolution = op(kind, [0, 1], [2], options);
    const made = graph(
      [tensor(shape), tensor([1, 3, 3, CHANNELS]), tensor([1, ...out, CHANNELS])],
      [convolution],
      [0],
      [2],
    );
    // Stored as int8: the highest bit is the other one.
    const samples = new WindowSamples(
      made,
      convolution,
      images.map((bytes) =>
        planarOf(
          bytes.map((byte) => byte ^ 0x80),
          { rows, columns, channels: CHANNELS, flip: 0x80, zero: ZERO },
        ),
      ),
    );
    const [centre, multiplier] = [3.5, 0.01];
    for (let plane = 0; plane < CHANNELS; plane += planes) {
      const errors = Float64Array.from({ length: 9 * planes }, () => random.u() - 0.5);
      let [largest, beyond] = [0, 0];
      for (const bytes of images) {
        let sum = 0;
        for (let y = 0; y < out[0]; y++)
          for (let x = 0; x < out[1]; x++) {
            let error = -centre;
            for (let tap = 0; tap < 9; tap++) {
              const row = y * stride - before[0] + Math.floor(tap / 3) * dilation;
              const column = x * stride - before[1] + (tap % 3) * dilation;
              if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
              const pixel = (row * columns + column) * CHANNELS + plane;
              for (let z = 0; z < planes; z++)
                error += errors[tap * planes + z]! * (bytes[pixel + z]! - ZERO);
            }
            const steps = Math.abs(error) * multiplier;
            largest = Math.max(largest, steps);
            sum += Math.min(Math.max(steps - 1, 0), 1);
          }
        beyond = Math.max(beyond, sum / (out[0] * out[1]));
      }
      const found = samples.errorOf(plane, errors, centre, multiplier);
      assert.ok(largest > 0.5, "errors are seen");
      assert.ok(Math.abs(found.largest - largest) < 1e-5, `plane ${plane}`);
      assert.ok(Math.abs(found.beyond - beyond) < 1e-5, `plane ${plane}, beyond`);
    }
  });

test.run();
