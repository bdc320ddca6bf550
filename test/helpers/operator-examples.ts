// One small legal use of every operator with a CPU kernel: where tests of all operators start from.
// SPDX-License-Identifier: MIT
import type { Graph, Op } from "../../core-as/ir/graph.ts";
import { detectionGraph } from "./detection.ts";
import { floats, ints, tinyGraph, type TinyTensor } from "./tiny-graph.ts";

export interface Example {
  name: string;
  make(): { graph: Graph; op: Op };
}

const u8 = (shape: number[], scale = 0.5, zero = 100): TinyTensor => ({ shape, scale, zero });
const i8 = (shape: number[], scale = 0.5, zero = -3): TinyTensor => ({
  type: "int8",
  shape,
  scale,
  zero,
});
const i32 = (shape: number[]): TinyTensor => ({ type: "int32", shape, scale: null });
const i64 = (shape: number[]): TinyTensor => ({ type: "int64", shape, scale: null });
const scalar = (value: number): TinyTensor => ({ ...ints(value), shape: [] });

const NONE = { activation: "none" };
const WINDOW = { padding: "same", strideW: 2, strideH: 1, activation: "none" };
const POOL = { ...WINDOW, filterW: 2, filterH: 3 };
const CONV = { ...WINDOW, dilationW: 1, dilationH: 1 };
const RESIZE = { alignCorners: false, halfPixelCenters: true };
const SLICE = { beginMask: 1, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 4 };
const weights = (shape: number[]): TinyTensor => ({
  ...u8(shape, 0.01, 120),
  values: Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (37 * i) % 256),
});

type Row = [kind: string, options: Record<string, unknown>, TinyTensor[], TinyTensor[]];

const BINARY: Row[] = ["ADD", "SUB", "MUL"].flatMap((kind): Row[] => [
  [kind, NONE, [u8([2, 3, 4]), u8([3, 1], 0.25, 9)], [u8([2, 3, 4], 2, 128)]],
  [kind, { activation: "relu" }, [i8([5]), i8([5], 0.25)], [i8([5], 1, 4)]],
  [kind, NONE, [floats([2, 3]), floats([3])], [floats([2, 3])]],
  [kind, NONE, [i32([2, 3]), i32([2, 1])], [i32([2, 3])]],
]);

const COMPARING: Row[] = ["MINIMUM", "MAXIMUM"].flatMap((kind): Row[] => [
  [kind, {}, [u8([2, 3]), u8([2, 3])], [u8([2, 3])]],
  [kind, {}, [floats([4]), floats([1])], [floats([4])]],
]);

const UNARY: Row[] = ["RELU", "RELU6", "RELU_N1_TO_1", "HARD_SWISH", "TANH"].flatMap(
  (kind): Row[] => [
    [kind, {}, [u8([2, 5], 0.05)], [u8([2, 5], kind === "TANH" ? 1 / 128 : 0.03, 128)]],
    [kind, {}, [i8([7], 0.05)], [i8([7], kind === "TANH" ? 1 / 128 : 0.04, 0)]],
  ],
);

const OTHER_ELEMENTS: Row[] = [
  ["DIV", NONE, [floats([2, 2]), floats([2])], [floats([2, 2])]],
  ["FLOOR_DIV", {}, [i32([2, 3]), ints(2, -3, 7)], [i32([2, 3])]],
  ["PRELU", {}, [u8([1, 2, 2, 3]), weights([3])], [u8([1, 2, 2, 3], 0.7, 90)]],
  ["LEAKY_RELU", { alpha: 0.2 }, [i8([6])], [i8([6], 0.4, 5)]],
  ["ABS", {}, [i8([6])], [i8([6], 0.4, 5)]],
  ["NEG", {}, [floats([3])], [floats([3])]],
  ["SQRT", {}, [floats([3])], [floats([3])]],
  ["LOGISTIC", {}, [u8([4], 0.05)], [u8([4], 1 / 256, 0)]],
  ["SOFTMAX", { beta: 1 }, [i8([2, 5], 0.1)], [i8([2, 5], 1 / 256, -128)]],
  ["CAST", { inType: "uint8", outType: "float32" }, [u8([5])], [floats([5])]],
  ["QUANTIZE", {}, [floats([5])], [u8([5], 4, 128)]],
  ["QUANTIZE", {}, [u8([5])], [i8([5], 0.6, 3)]],
  ["DEQUANTIZE", {}, [i8([5])], [floats([5])]],
];

const LAYOUT: Row[] = [
  ["CONCATENATION", { axis: 1, ...NONE }, [u8([2, 1]), u8([2, 2])], [u8([2, 3])]],
  ["SPLIT", { numSplits: 2 }, [scalar(1), u8([2, 4])], [u8([2, 2]), u8([2, 2])]],
  ["PAD", {}, [u8([2, 2]), { ...ints(1, 0, 0, 2), shape: [2, 2] }], [u8([3, 4])]],
  [
    "PADV2",
    {},
    [u8([2, 2]), { ...ints(1, 0, 0, 2), shape: [2, 2] }, { ...u8([]), values: [7] }],
    [u8([3, 4])],
  ],
  ["RESHAPE", { newShape: null }, [u8([2, 3]), ints(6)], [u8([6])]],
  ["SQUEEZE", { squeezeDims: [0] }, [u8([1, 3, 1])], [u8([3, 1])]],
  ["EXPAND_DIMS", {}, [u8([3]), scalar(0)], [u8([1, 3])]],
  ["TRANSPOSE", {}, [u8([2, 3, 4]), ints(1, 2, 0)], [u8([3, 4, 2])]],
  ["PACK", { axis: 1, valuesCount: 2 }, [u8([3]), u8([3])], [u8([3, 2])]],
  ["UNPACK", { axis: 0, num: 2 }, [u8([2, 3])], [u8([3]), u8([3])]],
  ["SLICE", {}, [u8([3, 4]), ints(1, 0), ints(-1, 2)], [u8([2, 2])]],
  [
    "STRIDED_SLICE",
    { ...SLICE, offset: false },
    [u8([4, 5, 3]), ints(2, -1, 1), ints(4, 0, 2), ints(2, -2, 1)],
    [u8([2, 2])],
  ],
  ["GATHER_ND", {}, [u8([2, 3, 2]), { ...ints(1, 2, 0, 1), shape: [2, 2] }], [u8([2, 2])]],
  ["SPACE_TO_DEPTH", { blockSize: 2 }, [u8([1, 4, 2, 3])], [u8([1, 2, 1, 12])]],
  ["DEPTH_TO_SPACE", { blockSize: 2 }, [u8([1, 2, 1, 12])], [u8([1, 4, 2, 3])]],
];

const IMAGES: Row[] = [
  [
    "CONV_2D",
    CONV,
    [u8([1, 4, 5, 2]), weights([3, 2, 2, 2]), ints(5, -6, 7)],
    [u8([1, 4, 3, 3], 0.9)],
  ],
  [
    "DEPTHWISE_CONV_2D",
    { ...CONV, depthMultiplier: 1 },
    [u8([1, 4, 5, 2]), weights([1, 2, 2, 2]), ints(5, -6)],
    [u8([1, 4, 3, 2], 0.9)],
  ],
  [
    "FULLY_CONNECTED",
    { ...NONE, weightsFormat: 0, keepNumDims: false },
    [u8([2, 4]), weights([3, 4]), ints(5, -6, 7)],
    [u8([2, 3], 0.9)],
  ],
  ["AVERAGE_POOL_2D", POOL, [u8([1, 4, 5, 2])], [u8([1, 4, 3, 2])]],
  ["MAX_POOL_2D", POOL, [i8([1, 4, 5, 2])], [i8([1, 4, 3, 2])]],
  ["RESIZE_BILINEAR", RESIZE, [u8([1, 3, 4, 5]), ints(5, 7)], [u8([1, 5, 7, 5])]],
  ["RESIZE_BILINEAR", RESIZE, [i8([1, 3, 4, 2]), ints(7, 2)], [i8([1, 7, 2, 2])]],
  ["RESIZE_NEAREST_NEIGHBOR", RESIZE, [u8([2, 3, 4, 2]), ints(5, 7)], [u8([2, 5, 7, 2])]],
  ["MEAN", { keepDims: true }, [u8([1, 3, 3, 2]), ints(1, 2)], [u8([1, 1, 1, 2], 0.6)]],
  ["REDUCE_MAX", { keepDims: true }, [u8([1, 3, 3, 2]), ints(1, 2)], [u8([1, 1, 1, 2])]],
  ["REDUCE_MIN", { keepDims: false }, [i8([1, 3, 3, 2]), ints(-1, 0)], [i8([3, 3])]],
  ["ARG_MAX", { outputType: "int64" }, [u8([2, 3, 4]), scalar(-1)], [i64([2, 3])]],
  ["ARG_MIN", { outputType: "int32" }, [i8([2, 3, 4]), scalar(1)], [i32([2, 4])]],
];

/** At least one for each entry of CPU_OPERATORS. */
export const EXAMPLES: readonly Example[] = [
  ...[...BINARY, ...COMPARING, ...UNARY, ...OTHER_ELEMENTS, ...LAYOUT, ...IMAGES].map(
    ([kind, options, inputs, outputs]): Example => ({
      name: `${kind} ${outputs[0]!.type ?? "uint8"}`,
      make: () => structuredClone(tinyGraph(kind, options, inputs, outputs)),
    }),
  ),
  // every box is a result: what TFLite leaves behind the last one is chance
  {
    name: "detection, fast",
    make: () => structuredClone(detectionGraph({ nms_iou_threshold: 1, nms_score_threshold: 0 })),
  },
  {
    name: "detection, regular",
    make: () => structuredClone(detectionGraph({ use_regular_nms: true, max_detections: 2 })),
  },
];
