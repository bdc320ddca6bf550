// What readModel takes and what it refuses: constants, buffers, special tensors, quantisation, cut files.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ModelFormatError } from "../../../core-as/errors.ts";
import { readInts, readModel } from "../../../core-as/model/read.ts";
import {
  errorOf,
  file,
  INT32,
  inTensor,
  MODEL,
  QUANT,
  refused,
  TENSOR,
  tensor,
  UINT8,
} from "../../helpers/hand-model.ts";
import { locate, type RawTable, type RawValue } from "../../helpers/raw-flat.ts";

/** A model whose tensor 0 is a constant of four elements. */
function constant(
  type: number,
  bytes: Uint8Array,
  buffer: RawTable = { 0: { bytes } },
): Uint8Array {
  return file({
    tensors: [tensor({ [TENSOR.type]: { i8: type }, [TENSOR.buffer]: { i32: 1 } }), tensor()],
    buffers: [{}, buffer],
  });
}

test("constants are views of the file", () => {
  const bytes = constant(
    INT32,
    Uint8Array.from({ length: 16 }, (_, i) => i),
  );
  const { constant: view } = readModel(bytes).graph.tensors[0]!;
  assert.is(view!.buffer, bytes.buffer);
  assert.equal([...readInts(view!)], [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]);
  assert.equal([...readInts(Uint8Array.of(9, 0xfe, 0xff, 0xff, 0xff).subarray(1))], [-2]);
  assert.throws(
    () => readInts(new Uint8Array(5)),
    (e: unknown) => e instanceof RangeError,
  );
});

test("constants of the wrong size", () => {
  for (const size of [1, 3, 5, 16]) {
    const bytes = constant(UINT8, new Uint8Array(size));
    refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, [MODEL.buffers, 1, 0]), /needs 4 bytes/);
  }
  // Four elements of four bits are two bytes; strings have the size they have; no bytes at all are no constant.
  assert.is(readModel(constant(17, new Uint8Array(2))).graph.tensors[0]!.constant!.length, 2);
  assert.match(errorOf(constant(17, new Uint8Array(4))).message, /needs 2 bytes/);
  assert.is(readModel(constant(5, new Uint8Array(33))).graph.tensors[0]!.constant!.length, 33);
  assert.is(readModel(constant(UINT8, new Uint8Array(0))).graph.tensors[0]!.constant, null);
});

test("buffer index", () => {
  for (const index of [2, 0xffffffff]) {
    const bytes = file({
      tensors: [tensor({ [TENSOR.buffer]: { i32: index | 0 } }), tensor()],
      buffers: [{}, {}],
    });
    refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, inTensor(0, TENSOR.buffer)), /Tensor.buffer/);
  }
});

test("bytes outside of the tables", () => {
  const at = (offset: bigint, size: bigint, data?: RawValue): RawTable => ({
    1: { u64: offset },
    2: { u64: size },
    ...(data === undefined ? ({} as RawTable) : { 0: data }),
  });
  const inside = constant(UINT8, new Uint8Array(0), at(8n, 4n));
  const view = readModel(inside).graph.tensors[0]!.constant!;
  assert.equal([view.byteOffset, view.length], [8, 4]);

  for (const [offset, size] of [
    [0x7fffffffn, 4n],
    [8n, 0xffffffffffffffffn],
    [0xffffffffffffffffn, 4n],
  ] as const) {
    const bytes = constant(UINT8, new Uint8Array(0), at(offset, size));
    refused(bytes, "TW_MODEL_TRUNCATED", locate(bytes, [MODEL.buffers, 1, 1]), /Buffer.offset/);
  }
  const twice = constant(UINT8, new Uint8Array(0), at(8n, 4n, { bytes: new Uint8Array(4) }));
  assert.match(errorOf(twice).message, /two places/);
});

test("sparse, variable and external tensors", () => {
  const sparse = errorOf(
    file({ tensors: [tensor({ [TENSOR.sparsity]: { table: {} } }), tensor()] }),
  );
  assert.is(sparse.code, "TW_UNSUP_OPERATOR");
  assert.is(sparse.where.tensor, 0);
  const variable = errorOf(file({ tensors: [tensor(), tensor({ [TENSOR.variable]: { i8: 1 } })] }));
  assert.is(variable.code, "TW_UNSUP_OPERATOR");
  assert.is(variable.where.tensor, 1);
  const external = file({ tensors: [tensor({ [TENSOR.external]: { i32: 1 } }), tensor()] });
  refused(
    external,
    "TW_MODEL_LIMIT",
    locate(external, inTensor(0, TENSOR.external)),
    /another file/,
  );
});

function quantised(quant: RawTable, type = UINT8): Uint8Array {
  return file({
    tensors: [tensor({ [TENSOR.quant]: { table: quant }, [TENSOR.type]: { i8: type } }), tensor()],
  });
}

/** Position of a quantisation field (index -1) or of an element of it; a table in a table is beyond `locate`. */
function quantAt(bytes: Uint8Array, field: number, index: number, width: number): number {
  const view = new DataView(bytes.buffer);
  const table = locate(bytes, inTensor(0, TENSOR.quant));
  const start = table + view.getUint32(table, true);
  const slot = start - view.getInt32(start, true) + 4 + 2 * field;
  const at = start + view.getUint16(slot, true);
  return index < 0 ? at : at + view.getUint32(at, true) + 4 + width * index;
}

test("quantisation", () => {
  const quantOf = (quant: RawTable, type?: number) =>
    readModel(quantised(quant, type)).graph.tensors[0]!.quant;
  const half = { [QUANT.scale]: { floats: [0.5] } };
  assert.is(quantOf({}), null);
  assert.is(quantOf({ [QUANT.scale]: { floats: [] }, [QUANT.zero]: { longs: [] } }), null);
  assert.equal(quantOf(half), {
    scales: Float32Array.of(0.5),
    zeroPoints: Int32Array.of(0),
    axis: 0,
  });
  assert.equal(quantOf({ ...half, [QUANT.zero]: { longs: [255n] }, [QUANT.axis]: { i32: 9 } }), {
    scales: Float32Array.of(0.5),
    zeroPoints: Int32Array.of(255),
    axis: 0,
  });
  assert.equal(
    quantOf({ ...half, [QUANT.zero]: { longs: [-(2n ** 31n)] } }, INT32)!.zeroPoints[0],
    -(2 ** 31),
  );

  const four = { [QUANT.scale]: { floats: [1, 2, 3, 4] }, [QUANT.axis]: { i32: 1 } };
  assert.equal(quantOf({ ...four, [QUANT.zero]: { longs: [7n] } }), {
    scales: Float32Array.of(1, 2, 3, 4),
    zeroPoints: Int32Array.of(7, 7, 7, 7),
    axis: 1,
  });
});

test("quantisation that contradicts itself", () => {
  for (const scale of [-1, NaN, Infinity]) {
    const bytes = quantised({ [QUANT.scale]: { floats: [scale] } });
    refused(bytes, "TW_MODEL_CORRUPT", quantAt(bytes, QUANT.scale, 0, 4), /scale\[0\]/);
  }
  const half = { [QUANT.scale]: { floats: [0.5] } };
  for (const [zero, type, text] of [
    [256n, UINT8, /outside uint8/],
    [-129n, 9, /outside int8/],
    [2n ** 31n, INT32, /beyond 32 bits/],
    [-(2n ** 63n), INT32, /beyond 32 bits/],
  ] as const) {
    const bytes = quantised({ ...half, [QUANT.zero]: { longs: [zero] } }, type);
    refused(bytes, "TW_MODEL_CORRUPT", quantAt(bytes, QUANT.zero, 0, 8), text);
  }

  const count = quantised({ ...half, [QUANT.zero]: { longs: [1n, 2n] } });
  refused(count, "TW_MODEL_CORRUPT", quantAt(count, QUANT.zero, 0, 8) - 4, /2 zero points for 1/);
  const four = { [QUANT.scale]: { floats: [1, 2, 3, 4] } };
  for (const axis of [-1, 2]) {
    const bytes = quantised({ ...four, [QUANT.axis]: { i32: axis } });
    refused(bytes, "TW_MODEL_CORRUPT", quantAt(bytes, QUANT.axis, -1, 4), /rank 2/);
  }
  const length = quantised(four);
  refused(
    length,
    "TW_MODEL_CORRUPT",
    quantAt(length, QUANT.scale, 0, 4) - 4,
    /dimension 0 of size 1/,
  );
  const kind = quantised({ ...half, [QUANT.detailsType]: { i8: 4 } });
  refused(kind, "TW_MODEL_CORRUPT", quantAt(kind, QUANT.detailsType, -1, 1), /detailsType is 4/);
  assert.is(
    errorOf(quantised({ ...half, [QUANT.detailsType]: { i8: 2 } })).code,
    "TW_UNSUP_OPERATOR",
  );
});

test("a file cut anywhere is refused", () => {
  const bytes = constant(INT32, new Uint8Array(16));
  for (let length = 0; length < bytes.length; length++) {
    const error = errorOf(bytes.slice(0, length));
    assert.instance(error, ModelFormatError);
    assert.ok(error.where.byteOffset! >= 0 && error.where.byteOffset! <= length);
  }
});

test.run();
