// The rules of single operators: shapes, types and scales.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ElementType, Tensor } from "../../../core-as/ir/graph.ts";
import { windowOutputSize } from "../../../core-as/ir/shapes-window.ts";
import { checkOperatorShapes } from "../../../core-as/ir/shapes.ts";
import { verifyGraph } from "../../../core-as/ir/verify.ts";
import {
  PLAIN_CONV,
  accepts,
  refuses,
  single,
  tensor,
  x,
  type TensorParts,
} from "../../helpers/make-graph.ts";

const weights = (shape: number[], parts: TensorParts = {}) =>
  tensor(shape, { value: "zeros", ...parts });
const bias = (count: number) => tensor([count], { type: "int32", value: "zeros" });

test("CONV_2D", () => {
  const conv = (w: Tensor, b: Tensor | null, out: number[], options = {}, input = x()) =>
    single("CONV_2D", [input, w, b], [tensor(out, { type: input.type })], {
      ...PLAIN_CONV,
      ...options,
    });
  const w = () => weights([16, 3, 3, 8]);
  accepts(conv(w(), bias(16), [1, 4, 4, 16]));
  accepts(conv(w(), null, [1, 2, 2, 16], { padding: "valid" }));
  accepts(conv(w(), bias(16), [1, 2, 4, 16], { strideH: 2 }));
  accepts(conv(w(), bias(16), [1, 2, 2, 16], { strideH: 3, strideW: 3, dilationH: 9 }));
  accepts(conv(weights([16, 3, 3, 4]), bias(16), [1, 4, 4, 16]));
  accepts(
    conv(weights([16, 2, 2, 8]), null, [1, 2, 2, 16], {
      padding: "valid",
      dilationW: 2,
      dilationH: 2,
    }),
  );

  refuses(
    conv(w(), bias(16), [1, 4, 3, 16]),
    /output is \[1, 4, 3, 16\], the options give \[1, 4, 4, 16\]/,
  );
  refuses(conv(w(), bias(16), [2, 4, 4, 16]), /output is/);
  refuses(conv(w(), bias(15), [1, 4, 4, 16]), /bias is \[15\] for 16/);
  refuses(conv(weights([16, 3, 3, 3]), bias(16), [1, 4, 4, 16]), /8 input channels/);
  refuses(conv(weights([15, 3, 3, 4]), null, [1, 4, 4, 15]), /8 input channels/);
  refuses(
    conv(weights([16, 3, 8]), null, [1, 4, 4, 16]),
    /weights is \[16, 3, 8\], CONV_2D needs four/,
  );
  refuses(conv(w(), null, [1, 4, 64]), /output is \[1, 4, 64\]/);
  refuses(conv(w(), null, [1, 4, 4, 16], { strideW: 0 }), /strideW is 0/);
  refuses(conv(w(), null, [1, 4, 4, 16], { dilationH: -1 }), /dilationH is -1/);
  refuses(conv(weights([16, 5, 5, 8]), null, [1, 0, 0, 16], { padding: "valid" }), /empty/);
  refuses(conv(weights([16, 5, 5, 8]), null, [1, 1, 1, 16], { padding: "valid" }), /does not fit/);
  refuses(single("CONV_2D", [x()], [x()], PLAIN_CONV), /1 inputs, not 2 to 3/);
  refuses(single("CONV_2D", [x(), null], [x()], PLAIN_CONV), /input 1 is left out/);
  refuses(
    single("CONV_2D", [x(), weights([8, 1, 1, 8])], [x(), x()], PLAIN_CONV),
    /2 outputs, not 1/,
  );
});

test("types and scales of weights", () => {
  const conv = (
    w: Tensor,
    input: TensorParts = {},
    output: TensorParts = {},
    b: Tensor | null = null,
  ) =>
    single(
      "CONV_2D",
      [tensor([1, 4, 4, 8], input), w, b],
      [tensor([1, 4, 4, 2], { ...input, ...output })],
      PLAIN_CONV,
    );
  const shape = [2, 1, 1, 8];
  accepts(conv(weights(shape, { type: "int8", scales: [1, 2] }), { type: "int8" }));
  accepts(
    conv(
      weights(shape, { type: "float32" }),
      { type: "float32" },
      {},
      tensor([2], { type: "float32" }),
    ),
  );
  refuses(conv(weights(shape, { type: "int8" })), /input is uint8, weights int8/);
  refuses(conv(weights(shape), {}, { type: "int8" }), /output int8/);
  refuses(conv(weights(shape, { type: "int32" }), { type: "int32" }), /input is int32/);
  refuses(conv(weights(shape), {}, {}, tensor([2], { type: "float32" })), /bias is float32/);
  refuses(
    conv(weights(shape, { scales: Array(8).fill(1) as number[], axis: 3 })),
    /along dimension 3, not 0/,
  );
  refuses(conv(weights(shape, { scales: [1, 0] })), /scale of 0 in channel 1/);
  refuses(conv(weights(shape), { scales: [0] }), /input has a scale of 0/);
  refuses(conv(weights(shape), { scales: [1, 1, 1, 1], axis: 1 }), /input has 4 scales/);
});

test("DEPTHWISE_CONV_2D", () => {
  const dw = (w: Tensor, channels: number, depthMultiplier = 1, options = {}) =>
    single("DEPTHWISE_CONV_2D", [x(), w, bias(channels)], [tensor([1, 4, 4, channels])], {
      ...PLAIN_CONV,
      depthMultiplier,
      ...options,
    });
  accepts(dw(weights([1, 3, 3, 8]), 8));
  accepts(dw(weights([1, 3, 3, 16]), 16, 2));
  accepts(dw(weights([1, 3, 3, 16]), 16, 0));
  accepts(dw(weights([1, 3, 3, 8], { scales: Array(8).fill(1) as number[], axis: 3 }), 8));
  refuses(dw(weights([1, 3, 3, 16]), 16, 1), /depthMultiplier is 1, the shapes give 2/);
  refuses(dw(weights([1, 3, 3, 12]), 12), /8 input channels/);
  refuses(dw(weights([8, 3, 3, 8]), 8), /8 input channels/);
});

test("FULLY_CONNECTED", () => {
  const fc = (input: number[], w: number[], out: number[], keepNumDims = false) =>
    single("FULLY_CONNECTED", [tensor(input), weights(w), bias(w[0]!)], [tensor(out)], {
      activation: "none",
      weightsFormat: 0,
      keepNumDims,
    });
  accepts(fc([2, 64], [10, 64], [2, 10]));
  accepts(fc([1, 4, 4, 4], [10, 64], [1, 10]));
  accepts(fc([2, 3, 64], [10, 64], [2, 3, 10], true));
  refuses(fc([2, 63], [10, 64], [2, 10]), /does not fit/);
  refuses(fc([2, 64], [10, 64], [1, 10]), /\[2, 10\]/);
  refuses(fc([2, 64], [10, 64], [10, 2]), /\[2, 10\]/);
  refuses(fc([2, 3, 64], [10, 64], [6, 10], true), /\[2, 3, 10\]/);
  refuses(fc([2, 64], [10, 8, 8], [2, 10]), /not \[units, depth\]/);
});

test("ADD, and the malformed ADD that the reference driver takes", () => {
  const add = (a: number[], b: number[], out: number[], type: ElementType = "uint8") =>
    single("ADD", [tensor(a), tensor(b, { type })], [tensor(out)], { activation: "none" });
  accepts(add([1, 4, 4, 8], [1, 4, 4, 8], [1, 4, 4, 8]));
  accepts(add([1, 4, 4, 8], [8], [1, 4, 4, 8]));
  accepts(add([], [1, 4, 1, 8], [1, 4, 1, 8]));

  for (const [malformed, message] of [
    [add([1, 4, 4, 8], [1, 4, 4, 4], [1, 4, 4, 8]), /do not fit each other/],
    [add([1, 4, 4, 8], [1, 4, 4, 8], [1, 4, 8, 4]), /operands give \[1, 4, 4, 8\]/],
  ] as const) {
    refuses(malformed, message);
    verifyGraph(malformed, "test", { allowMalformedAdd: true });
    const [problem, ...others] = checkOperatorShapes(malformed);
    assert.equal([problem!.op, problem!.severity, others.length], [0, "broadcast", 0]);
  }
  const types = add([4], [4], [4], "int8");
  refuses(types, /differ in type/);
  assert.throws(() => verifyGraph(types, "test", { allowMalformedAdd: true }), /differ in type/);
});

test("CONCATENATION", () => {
  const concat = (shapes: number[][], out: number[], axis: number) =>
    single(
      "CONCATENATION",
      shapes.map((shape) => tensor(shape)),
      [tensor(out)],
      { axis, activation: "none" },
    );
  accepts(
    concat(
      [
        [1, 2, 3],
        [1, 2, 4],
      ],
      [1, 2, 7],
      2,
    ),
  );
  accepts(
    concat(
      [
        [1, 2, 3],
        [1, 2, 4],
      ],
      [1, 2, 7],
      -1,
    ),
  );
  refuses(
    concat(
      [
        [1, 2, 3],
        [1, 2, 4],
      ],
      [1, 2, 8],
      2,
    ),
    /7 entries along axis 2, output 8/,
  );
  refuses(
    concat(
      [
        [1, 2, 3],
        [1, 3, 4],
      ],
      [1, 2, 7],
      2,
    ),
    /does not fit output/,
  );
  refuses(concat([[1, 2, 3]], [1, 2, 3], 3), /axis is 3/);
  refuses(concat([[1, 2, 3]], [1, 2, 3], -4), /axis is -4/);
  refuses(concat([], [1, 2, 3], 0), /0 inputs, not at least 1/);
  refuses(
    single("CONCATENATION", [tensor([1]), null], [tensor([1])], { axis: 0 }),
    /input 1 is left out/,
  );
});

test("SPLIT", () => {
  const split = (axis: Tensor, outs: number[][], numSplits = outs.length) =>
    single(
      "SPLIT",
      [axis, x()],
      outs.map((shape) => tensor(shape)),
      { numSplits },
    );
  const half = [1, 4, 4, 4];
  accepts(split(tensor([], { value: [3] }), [half, half]));
  accepts(split(tensor([1], { value: [-1] }), [half, half]));
  accepts(split(tensor([], { type: "int32" }), [half, half]));
  refuses(split(tensor([], { value: [3] }), [half, half], 3), /numSplits is 3 with 2/);
  refuses(split(tensor([], { value: [4] }), [half, half]), /axis is 4/);
  refuses(split(tensor([2], { value: [3, 3] }), [half, half]), /not one int32/);
  refuses(split(tensor([], { value: [3] }), [half, half, half]), /8 entries do not split into 3/);
  refuses(split(tensor([], { value: [3] }), [half, [1, 4, 4, 5]]), /the split gives/);
});

test("PAD", () => {
  const pad = (amounts: Tensor, out: number[]) => single("PAD", [x(), amounts], [tensor(out)]);
  accepts(pad(tensor([4, 2], { value: [0, 0, 1, 1, 1, 1, 0, 0] }), [1, 6, 6, 8]));
  accepts(pad(tensor([4, 2], { type: "int32" }), [1, 9, 9, 9]));
  const long = tensor([4, 2], { type: "int64", value: "zeros" });
  accepts(pad(long, [1, 4, 4, 8]));
  refuses(
    pad(tensor([4, 2], { value: [0, 0, 1, 1, 1, 1, 0, 0] }), [1, 6, 6, 9]),
    /paddings give \[1, 6, 6, 8\]/,
  );
  refuses(
    pad(tensor([4, 2], { value: [0, 0, -1, 1, 0, 0, 0, 0] }), [1, 4, 4, 8]),
    /before dimension 1 is out/,
  );
  refuses(pad(tensor([8], { value: Array(8).fill(0) as number[] }), [1, 4, 4, 8]), /not \[4, 2\]/);
  refuses(pad(tensor([4, 2], { value: "zeros" }), [1, 4, 4, 8]), /paddings are uint8/);
});

test("pooling", () => {
  const pool = (out: number[], options: object, kind = "MAX_POOL_2D") =>
    single(kind, [x()], [tensor(out)], {
      padding: "valid",
      strideW: 2,
      strideH: 2,
      filterW: 2,
      filterH: 2,
      activation: "none",
      ...options,
    });
  accepts(pool([1, 2, 2, 8], {}));
  accepts(pool([1, 1, 1, 8], { filterW: 4, filterH: 4 }, "AVERAGE_POOL_2D"));
  refuses(pool([1, 2, 2, 4], {}), /options give \[1, 2, 2, 8\]/);
  refuses(pool([1, 1, 1, 8], { filterH: 5 }, "AVERAGE_POOL_2D"), /does not fit/);
  refuses(pool([1, 2, 2, 8], { filterW: 0 }), /filterW is 0/);
});

test("RESHAPE and SOFTMAX", () => {
  const reshape = (out: number[], shape: number[] | null) =>
    single(
      "RESHAPE",
      [x(), shape === null ? null : tensor([shape.length], { value: shape })],
      [tensor(out)],
      {
        newShape: null,
      },
    );
  accepts(reshape([1, 128], null));
  accepts(reshape([1, 128], [-1, 128]));
  refuses(reshape([1, 127], null), /differ in size/);
  refuses(reshape([1, 128], [128, 1]), /the new shape \[128, 1\]/);
  refuses(reshape([1, 128], [-1, -1]), /the new shape/);
  accepts(
    single("RESHAPE", [tensor([1, 1]), tensor([1], { value: [0] })], [tensor([])], {
      newShape: null,
    }),
  );

  const softmax = (out: number[], beta: unknown) =>
    single("SOFTMAX", [tensor([1, 10])], [tensor(out)], { beta });
  accepts(softmax([1, 10], 1));
  refuses(softmax([10], 1), /output is \[10\], input \[1, 10\]/);
  refuses(softmax([1, 10], NaN), /beta is NaN/);
});

test("window output size counts the places where the window fits", () => {
  const small = (max: number) => fc.integer({ min: 1, max });
  fc.assert(
    fc.property(small(40), small(9), small(5), small(4), (size, window, stride, dilation) => {
      const reach = (window - 1) * dilation + 1;
      let places = 0;
      for (let at = 0; at + reach <= size; at += stride) places++;
      assert.is(Math.max(0, windowOutputSize("valid", size, window, stride, dilation)), places);
      let starts = 0;
      for (let at = 0; at < size; at += stride) starts++;
      assert.is(windowOutputSize("same", size, window, stride, dilation), starts);
    }),
    { seed: Number(process.env["FC_SEED"] ?? 7), numRuns: Number(process.env["FC_RUNS"] ?? 500) },
  );
});

test.run();
