// The rules of operators that only the CPU runs: what is refused names the operator and the value.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import type { Tensor } from "../../../core-as/ir/graph.ts";
import { accepts, refuses, single, tensor } from "../../helpers/make-graph.ts";

const list = (...value: number[]): Tensor => tensor([value.length], { value });
const one = (value: number): Tensor => tensor([], { value: [value] });
const float = (shape: number[]): Tensor => tensor(shape, { type: "float32" });

test("operators of two operands broadcast and keep the type", () => {
  for (const kind of ["SUB", "MUL", "DIV", "FLOOR_DIV", "MINIMUM", "MAXIMUM"]) {
    const binary = (a: Tensor, b: Tensor, out: Tensor) =>
      single(kind, [a, b], [out], { activation: "none" });
    accepts(binary(tensor([2, 3]), tensor([3]), tensor([2, 3])));
    accepts(binary(float([2, 1]), float([1, 3]), float([2, 3])));
    refuses(binary(tensor([2, 3]), tensor([2]), tensor([2, 3])), /\[2, 3\] and \[2\] do not fit/);
    refuses(binary(tensor([2, 3]), tensor([3]), tensor([3])), /the operands give \[2, 3\]/);
    refuses(binary(tensor([2]), float([2]), tensor([2])), new RegExp(`${kind}.*differ in type`));
  }
  refuses(single("PRELU", [tensor([3]), tensor([2, 3])], [tensor([2, 3])]), /the input is \[3\]/);
});

test("functions of one element and conversions keep the shape", () => {
  accepts(single("TANH", [tensor([2])], [tensor([2])]));
  refuses(
    single("TANH", [tensor([2])], [tensor([3])]),
    /TANH.*output is \[3\], the input is \[2\]/,
  );
  refuses(single("SQRT", [float([2])], [tensor([2])]), /SQRT.*differ in type/);
  refuses(single("RELU", [tensor([2]), tensor([2])], [tensor([2])]), /RELU has 2 inputs, not 1/);
  accepts(single("CAST", [tensor([2])], [float([2])], { inType: "uint8", outType: "float32" }));
  refuses(single("QUANTIZE", [float([2])], [tensor([1, 2])]), /QUANTIZE.*output is \[1, 2\]/);
});

test("SQUEEZE, EXPAND_DIMS, TRANSPOSE", () => {
  const squeeze = (squeezeDims: number[] | null, out: number[]) =>
    single("SQUEEZE", [tensor([1, 3, 1])], [tensor(out)], { squeezeDims });
  accepts(squeeze(null, [3]));
  accepts(squeeze([-1], [1, 3]));
  refuses(squeeze([1], [1, 1]), /dimension 1 of \[1, 3, 1\] cannot be dropped/);
  refuses(squeeze([3], [3]), /dimension 3/);
  refuses(squeeze([0], [3]), /output is \[3\], the options give \[3, 1\]/);

  const expand = (axis: number, out: number[]) =>
    single("EXPAND_DIMS", [tensor([2, 3]), one(axis)], [tensor(out)]);
  accepts(expand(-1, [2, 3, 1]));
  refuses(expand(3, [2, 3, 1]), /axis is \[3\]/);
  refuses(expand(0, [2, 3, 1]), /the axis gives \[1, 2, 3\]/);

  const transpose = (order: Tensor, out: number[]) =>
    single("TRANSPOSE", [tensor([2, 3, 4]), order], [tensor(out)]);
  accepts(transpose(list(2, 0, 1), [4, 2, 3]));
  accepts(transpose(tensor([3], { type: "int32" }), [4, 2, 3]));
  refuses(transpose(list(0, 0, 1), [2, 2, 3]), /\[0, 0, 1\] does not reorder/);
  refuses(transpose(list(0, 1), [2, 3]), /does not reorder/);
  refuses(transpose(list(0, 1, -2147483648), [2, 3, 4]), /does not reorder/);
  refuses(transpose(list(1, 0, 2), [2, 3, 4]), /the order gives \[3, 2, 4\]/);
});

test("PACK and UNPACK", () => {
  const pack = (axis: number, inputs: Tensor[], out: number[]) =>
    single("PACK", inputs, [tensor(out)], { axis, valuesCount: inputs.length });
  accepts(pack(-1, [tensor([3]), tensor([3])], [3, 2]));
  refuses(pack(2, [tensor([3]), tensor([3])], [3, 2]), /PACK.*axis is 2/);
  refuses(pack(0, [tensor([3]), tensor([4])], [2, 3]), /inputs are \[3\] and \[4\]/);
  refuses(pack(0, [tensor([3])], [3]), /the inputs give \[1, 3\]/);
  const unpack = (axis: number, outputs: Tensor[]) =>
    single("UNPACK", [tensor([2, 3])], outputs, { axis, num: outputs.length });
  accepts(unpack(0, [tensor([3]), tensor([3])]));
  refuses(unpack(-3, [tensor([3])]), /axis is -3/);
  refuses(unpack(1, [tensor([2]), tensor([2])]), /3 entries do not become 2 outputs/);
  refuses(unpack(0, [tensor([3]), tensor([2])]), /output is \[2\]/);
});

test("SLICE", () => {
  const slice = (begin: number[], size: number[], out: number[]) =>
    single("SLICE", [tensor([4, 5]), list(...begin), list(...size)], [tensor(out)]);
  accepts(slice([1, 0], [2, -1], [2, 5]));
  refuses(slice([-1, 0], [2, 5], [2, 5]), /2 entries from -1 leave dimension 0/);
  refuses(slice([3, 0], [2, 5], [2, 5]), /leave dimension 0 of \[4, 5\]/);
  refuses(slice([2147483647, 0], [2147483647, 5], [2, 5]), /leave dimension 0/);
  refuses(slice([0, 0], [-2, 5], [2, 5]), /-2 entries/);
  refuses(slice([0], [2], [2, 5]), /begin has 1 and size 1 entries/);
});

test("STRIDED_SLICE", () => {
  const none = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };
  const slice = (bounds: [number[], number[], number[]], out: number[], options = {}) =>
    single(
      "STRIDED_SLICE",
      [tensor([4, 5]), ...bounds.map((values) => list(...values))],
      [tensor(out)],
      { ...none, offset: false, ...options },
    );
  accepts(
    slice(
      [
        [0, 4],
        [4, -6],
        [3, -2],
      ],
      [2, 3],
    ),
  );
  accepts(
    slice(
      [
        [2, 0],
        [9, 9],
        [1, 1],
      ],
      [5],
      { shrinkAxisMask: 1 },
    ),
  );
  // dimensions that come in are left to the runtime
  accepts(
    slice(
      [
        [0, 0],
        [1, 1],
        [1, 1],
      ],
      [1, 1, 1],
      { newAxisMask: 1 },
    ),
  );
  refuses(
    slice(
      [
        [0, 0],
        [4, 5],
        [0, 1],
      ],
      [4, 5],
    ),
    /the stride of dimension 0 is 0/,
  );
  refuses(
    slice(
      [
        [9, 0],
        [10, 5],
        [1, 1],
      ],
      [5],
      { shrinkAxisMask: 1 },
    ),
    /entry 9 of dimension 0/,
  );
  refuses(
    slice(
      [
        [0, 0],
        [4, 5],
        [1, 2],
      ],
      [4, 5],
    ),
    /the slice is \[4, 3\]/,
  );
  refuses(
    slice(
      [
        [0, 0, 0],
        [1, 1, 1],
        [1, 1, 1],
      ],
      [1, 1],
    ),
    /have 3, 3 and 3 entries/,
  );
  refuses(slice([[0, 0], [1], [1, 1]], [1, 1]), /have 2, 1 and 2 entries/);
});

test("GATHER_ND", () => {
  const indices = (shape: number[], value?: number[]) =>
    tensor(shape, value === undefined ? { type: "int32" } : { value });
  const gather = (at: Tensor, out: number[]) =>
    single("GATHER_ND", [tensor([2, 3]), at], [tensor(out)]);
  accepts(gather(indices([4, 1]), [4, 3]));
  accepts(gather(indices([1, 2], [1, 2]), [1]));
  refuses(gather(indices([1, 2], [1, 3]), [1]), /index 3 is outside of dimension 1/);
  refuses(gather(indices([1, 2], [-1, 0]), [1]), /index -1/);
  refuses(gather(indices([1, 3]), [1]), /do not fit input/);
  refuses(gather(indices([4, 2]), [4, 3]), /the indices give \[4\]/);
  refuses(gather(float([4, 1]), [4, 3]), /indices are float32/);
});

test("resizes", () => {
  const plain = { alignCorners: false, halfPixelCenters: false };
  const resize = (size: Tensor, out: number[], options = plain, kind = "RESIZE_BILINEAR") =>
    single(kind, [tensor([1, 4, 4, 2]), size], [tensor(out)], options);
  accepts(resize(list(8, 2), [1, 8, 2, 2]));
  refuses(resize(list(8, 2), [1, 2, 8, 2]), /the new size gives \[1, 8, 2, 2\]/);
  refuses(resize(list(0, 2), [1, 1, 2, 2]), /the new size is 0 x 2/);
  refuses(resize(list(-8, 2), [1, 8, 2, 2]), /the new size is -8 x 2/);
  refuses(resize(list(8), [1, 8, 2, 2]), /not two int32/);
  const both = { alignCorners: true, halfPixelCenters: true };
  refuses(resize(list(8, 2), [1, 8, 2, 2], both), /exclude each other/);
  accepts(resize(list(8, 2), [1, 8, 2, 2], both, "RESIZE_NEAREST_NEIGHBOR"));
});

test("SPACE_TO_DEPTH and DEPTH_TO_SPACE", () => {
  const space = (blockSize: number, out: number[]) =>
    single("SPACE_TO_DEPTH", [tensor([1, 4, 6, 3])], [tensor(out)], { blockSize });
  accepts(space(2, [1, 2, 3, 12]));
  refuses(space(0, [1, 2, 3, 12]), /blockSize is 0/);
  refuses(space(-2, [1, 2, 3, 12]), /blockSize is -2/);
  refuses(space(4, [1, 1, 1, 48]), /blockSize is 4 for 4 x 6 pixels/);
  const depth = (blockSize: number, out: number[]) =>
    single("DEPTH_TO_SPACE", [tensor([1, 2, 3, 12])], [tensor(out)], { blockSize });
  accepts(depth(2, [1, 4, 6, 3]));
  refuses(depth(5, [1, 10, 15, 1]), /blockSize is 5 for 12 channels/);
  refuses(depth(2, [1, 4, 6, 12]), /gives \[1, 4, 6, 3\]/);
});

test("searches and reductions", () => {
  const arg = (axis: Tensor, out: Tensor) =>
    single("ARG_MAX", [tensor([2, 3, 4]), axis], [out], { outputType: "int64" });
  accepts(arg(one(-1), tensor([2, 3], { type: "int64" })));
  refuses(arg(one(3), tensor([2, 3], { type: "int64" })), /axis is \[3\]/);
  refuses(arg(one(0), tensor([2, 3], { type: "int64" })), /the axis gives \[3, 4\]/);
  refuses(arg(one(0), tensor([3, 4])), /output is uint8/);
  for (const kind of ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"]) {
    const reduce = (axes: Tensor, keepDims: boolean, out: number[]) =>
      single(kind, [tensor([2, 3, 4]), axes], [tensor(out)], { keepDims });
    accepts(reduce(list(0, -1), false, [3]));
    accepts(reduce(list(0, -1), true, [1, 3, 1]));
    refuses(reduce(list(0, 3), false, [3]), /axes are \[0, 3\]/);
    refuses(reduce(list(0), true, [3, 4]), /the axes give \[1, 3, 4\]/);
  }
});

test.run();
