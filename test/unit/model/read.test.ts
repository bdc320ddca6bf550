// What readModel takes and what it refuses, error kind by error kind, on hand-made files.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ModelFormatError, NpuError } from "../../../core-as/errors.ts";
import { readInts, readModel } from "../../../core-as/model/read.ts";
import { locate, rawFlat, withWord, type RawTable, type RawValue } from "../../helpers/raw-flat.ts";

// Field ids, written out once more so that a wrong id in schema.ts shows.
const MODEL = { version: 0, codes: 1, subgraphs: 2, description: 3, buffers: 4, metadata: 6 };
const GRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 };
const TENSOR = {
  shape: 0,
  type: 1,
  buffer: 2,
  name: 3,
  quant: 4,
  variable: 5,
  sparsity: 6,
  signature: 7,
  external: 10,
};
const QUANT = { scale: 2, zero: 3, detailsType: 4, axis: 6 };
const OP = {
  code: 0,
  inputs: 1,
  outputs: 2,
  optionsType: 3,
  options: 4,
  custom: 5,
  largeOffset: 9,
  largeSize: 10,
};
const UINT8 = 3;
const INT32 = 2;

interface Parts {
  tensors?: RawTable[];
  ops?: RawTable[];
  codes?: RawTable[];
  buffers?: RawTable[];
  graph?: RawTable;
  model?: RawTable;
}

const ADD_CODE: RawTable = { 0: { i8: 0 }, 2: { i32: 1 }, 3: { i32: 0 } };

function tensor(extra: RawTable = {}): RawTable {
  return {
    [TENSOR.shape]: { ints: [1, 4] },
    [TENSOR.type]: { i8: UINT8 },
    [TENSOR.name]: { text: "t" },
    ...extra,
  };
}

function op(extra: RawTable = {}): RawTable {
  return { [OP.inputs]: { ints: [0, 0] }, [OP.outputs]: { ints: [1] }, ...extra };
}

/** A small model: t1 = ADD(t0, t0), with parts replaced. */
function file(parts: Parts = {}): Uint8Array {
  const graph: RawTable = {
    [GRAPH.tensors]: { tables: parts.tensors ?? [tensor(), tensor()] },
    [GRAPH.inputs]: { ints: [0] },
    [GRAPH.outputs]: { ints: [1] },
    [GRAPH.operators]: { tables: parts.ops ?? [op()] },
    [GRAPH.name]: { text: "main" },
    ...parts.graph,
  };
  return rawFlat({
    [MODEL.version]: { i32: 3 },
    [MODEL.codes]: { tables: parts.codes ?? [ADD_CODE] },
    [MODEL.subgraphs]: { tables: [graph] },
    [MODEL.description]: { text: "hand-made" },
    [MODEL.buffers]: { tables: parts.buffers ?? [{}] },
    ...parts.model,
  });
}

/** Path of a tensor's field, of an operator's field. */
const inTensor = (index: number, field: number) => [
  MODEL.subgraphs,
  0,
  GRAPH.tensors,
  index,
  field,
];
const inOp = (index: number, field: number) => [MODEL.subgraphs, 0, GRAPH.operators, index, field];

function errorOf(bytes: Uint8Array): NpuError {
  try {
    readModel(bytes);
  } catch (error) {
    if (error instanceof NpuError) return error;
    throw error;
  }
  throw new Error("the file was read");
}

/** Expects a ModelFormatError of a code at an offset. */
function refused(bytes: Uint8Array, code: string, byteOffset: number, text: RegExp): void {
  const error = errorOf(bytes);
  assert.instance(error, ModelFormatError);
  assert.is(error.code, code);
  assert.is(error.where.byteOffset, byteOffset, error.message);
  assert.match(error.message, text);
}

test("a small model", () => {
  const model = readModel(file());
  assert.is(model.description, "hand-made");
  assert.is(model.schemaVersion, 3);
  assert.is(model.graph.name, "main");
  assert.equal(model.graph.inputs, [0]);
  assert.equal(model.graph.outputs, [1]);
  assert.equal(model.otherSubgraphs, []);
  assert.equal(model.graph.tensors[0], {
    id: 0,
    name: "t",
    type: "uint8",
    shape: [1, 4],
    quant: null,
    constant: null,
  });
  assert.equal(model.graph.ops[0], {
    id: 0,
    kind: "ADD",
    customName: null,
    version: 1,
    inputs: [0, 0],
    outputs: [1],
    options: { activation: "none" },
    customOptions: null,
  });
});

test("a model inside a larger buffer, and a Node Buffer", () => {
  const bytes = file();
  const shifted = new Uint8Array(bytes.length + 7);
  shifted.set(bytes, 3);
  assert.equal(readModel(shifted.subarray(3, 3 + bytes.length)), readModel(bytes));
  assert.equal(readModel(Buffer.from(bytes)), readModel(bytes));
});

test("not a Uint8Array", () => {
  assert.throws(
    () => readModel("TFL3" as never),
    (e: unknown) => e instanceof TypeError,
  );
  assert.throws(
    () => readModel(new ArrayBuffer(64) as never),
    (e: unknown) => e instanceof TypeError,
  );
});

test("not a TFLite file", () => {
  refused(new Uint8Array(0), "TW_MODEL_NOT_TFLITE", 0, /0 bytes/);
  refused(new Uint8Array(7), "TW_MODEL_NOT_TFLITE", 0, /7 bytes/);
  refused(new Uint8Array(100), "TW_MODEL_NOT_TFLITE", 4, /identifier/);
  refused(new TextEncoder().encode("GGUF or something else"), "TW_MODEL_NOT_TFLITE", 4, /TFL3/);
});

test("root offset", () => {
  const bytes = file();
  refused(withWord(bytes, 0, 0), "TW_MODEL_CORRUPT", 0, /itself/);
  refused(withWord(bytes, 0, 0xffffffff), "TW_MODEL_TRUNCATED", 0, /root offset/);
  refused(withWord(bytes, 0, bytes.length - 3), "TW_MODEL_TRUNCATED", 0, /root offset/);
  refused(withWord(bytes, 0, 10), "TW_MODEL_CORRUPT", 0, /multiple of 4/);
});

test("field list of a table", () => {
  const bytes = file();
  const view = new DataView(bytes.buffer);
  const root = view.getUint32(0, true);
  const vtable = root - view.getInt32(root, true);
  refused(withWord(bytes, root, 0x7fffffff), "TW_MODEL_CORRUPT", root, /field list/);
  refused(withWord(bytes, root, -bytes.length), "TW_MODEL_TRUNCATED", root, /field list/);
  refused(withWord(bytes, root, root - vtable + 1), "TW_MODEL_CORRUPT", root, /field list/);

  const sizes = (vtableSize: number, tableSize: number) =>
    withWord(bytes, vtable, vtableSize | (tableSize << 16));
  const tableSize = view.getUint16(vtable + 2, true);
  refused(sizes(2, tableSize), "TW_MODEL_CORRUPT", vtable, /2 bytes/);
  refused(sizes(7, tableSize), "TW_MODEL_CORRUPT", vtable, /7 bytes/);
  refused(sizes(0xfffe, tableSize), "TW_MODEL_TRUNCATED", vtable, /65534/);
  refused(sizes(8, 3), "TW_MODEL_CORRUPT", vtable + 2, /size of 3/);
  refused(sizes(8, 0xffff), "TW_MODEL_TRUNCATED", vtable + 2, /65535/);
  // The table ends before its first field.
  refused(
    sizes(view.getUint16(vtable, true), 4),
    "TW_MODEL_CORRUPT",
    vtable + 4,
    /outside its table/,
  );
});

test("vector length", () => {
  const bytes = file();
  const at = locate(bytes, inTensor(0, TENSOR.shape));
  const vector = at + new DataView(bytes.buffer).getUint32(at, true);
  refused(withWord(bytes, vector, 0xffffffff), "TW_MODEL_TRUNCATED", vector, /shape/);
  refused(withWord(bytes, vector, bytes.length / 4), "TW_MODEL_TRUNCATED", vector, /shape/);
  refused(withWord(bytes, at, 0xfffffff0), "TW_MODEL_TRUNCATED", at, /Tensor.shape/);
});

test("string without its final zero", () => {
  const bytes = file();
  const at = locate(bytes, [MODEL.description]);
  const start = at + new DataView(bytes.buffer).getUint32(at, true);
  const broken = bytes.slice();
  broken[start + 4 + "hand-made".length] = 65;
  refused(broken, "TW_MODEL_CORRUPT", start + 4 + "hand-made".length, /final zero/);
});

test("string that ends with the file, without room for its final zero", () => {
  const bytes = file();
  const at = locate(bytes, [MODEL.description]);
  const start = at + new DataView(bytes.buffer).getUint32(at, true);
  const broken = withWord(bytes, start, bytes.length - start - 4);
  refused(broken, "TW_MODEL_TRUNCATED", start, /final zero/);
});

test("schema version", () => {
  const bytes = file({ model: { [MODEL.version]: { i32: 4 } } });
  refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, [MODEL.version]), /version is 4/);
});

test("no subgraph; names of further subgraphs", () => {
  assert.match(
    errorOf(file({ model: { [MODEL.subgraphs]: { tables: [] } } })).message,
    /no subgraph/,
  );
  const graph = { [GRAPH.tensors]: { tables: [tensor()] } };
  const several = file({
    model: { [MODEL.subgraphs]: { tables: [graph, { [GRAPH.name]: { text: "body" } }, {}] } },
  });
  assert.equal(readModel(several).otherSubgraphs, ["body", ""]);
});

test("shapes", () => {
  const shaped = (...shape: number[]) =>
    file({ tensors: [tensor(), tensor({ [TENSOR.shape]: { ints: shape } })] });
  assert.equal(readModel(shaped()).graph.tensors[1]!.shape, []);
  assert.equal(readModel(shaped(1, 2, 3, 4, 5, 6, 7, 8)).graph.tensors[1]!.shape.length, 8);
  assert.equal(readModel(shaped(4, 0)).graph.tensors[1]!.shape, [4, 0]);

  const at = (bytes: Uint8Array, entry: number) =>
    locate(bytes, [...inTensor(1, TENSOR.shape), entry]);
  const negative = shaped(1, -2, 3);
  refused(negative, "TW_MODEL_CORRUPT", at(negative, 1), /is -2/);
  const nine = shaped(1, 1, 1, 1, 1, 1, 1, 1, 1);
  refused(nine, "TW_MODEL_LIMIT", at(nine, 0) - 4, /9 dimensions/);
  const large = shaped(65536, 32768);
  refused(large, "TW_MODEL_LIMIT", at(large, 0) - 4, /2147483648 elements/);
  const huge = shaped(...Array<number>(8).fill(0x7fffffff));
  refused(huge, "TW_MODEL_LIMIT", at(huge, 0) - 4, /limit is 2147483647/);
  assert.equal(readModel(shaped(0x7fffffff)).graph.tensors[1]!.shape, [0x7fffffff]);
});

test("dynamic shapes", () => {
  const signed = (shape: number[], signature: number[]) =>
    file({
      tensors: [
        tensor(),
        tensor({ [TENSOR.shape]: { ints: shape }, [TENSOR.signature]: { ints: signature } }),
      ],
    });
  assert.equal(readModel(signed([1, 8], [-1, 8])).graph.tensors[1]!.shape, [1, 8]);
  assert.equal(readModel(signed([1, 8], [])).graph.tensors[1]!.shape, [1, 8]);

  for (const bytes of [signed([1, 8], [1, -1]), signed([1, -1], []), signed([-1, 8], [])]) {
    const error = errorOf(bytes);
    assert.is(error.code, "TW_GRAPH_INVALID");
    assert.is(error.where.tensor, 1);
    assert.match(error.message, /tensor 1 "t" has no fixed size/);
  }
  const wrong = signed([1, 8], [-1, -7]);
  refused(wrong, "TW_MODEL_CORRUPT", locate(wrong, [...inTensor(1, TENSOR.signature), 1]), /is -7/);
  const short = signed([1, 8], [8]);
  refused(
    short,
    "TW_MODEL_CORRUPT",
    locate(short, [...inTensor(1, TENSOR.signature), 0]) - 4,
    /1 signature/,
  );
});

test("element type", () => {
  for (const number of [23, 127, -1]) {
    const bytes = file({ tensors: [tensor({ [TENSOR.type]: { i8: number } }), tensor()] });
    refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, inTensor(0, TENSOR.type)), /Tensor.type/);
  }
});

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

test("operator codes: old byte, new word, the larger counts", () => {
  const kindOf = (code: RawTable) => readModel(file({ codes: [code] })).graph.ops[0]!.kind;
  assert.is(kindOf({}), "ADD");
  assert.is(kindOf({ 0: { i8: 49 }, 1: { text: "ignored" } }), "SPLIT");
  assert.is(kindOf({ 3: { i32: 98 } }), "LEAKY_RELU");
  assert.is(kindOf({ 0: { i8: 127 }, 3: { i32: 150 } }), "GELU");
  assert.is(kindOf({ 0: { i8: 127 }, 3: { i32: 209 } }), "STABLEHLO_CASE");
  assert.is(kindOf({ 0: { i8: 127 }, 3: { i32: 1000 } }), "BUILTIN_1000");

  const negative = file({ codes: [{ 0: { i8: -1 }, 3: { i32: -5 } }] });
  refused(negative, "TW_MODEL_CORRUPT", locate(negative, [MODEL.codes, 0, 3]), /builtinCode is -1/);
  const nameless = file({ codes: [{ 0: { i8: 32 } }] });
  assert.match(errorOf(nameless).message, /no name/);
});

test("operator code index and tensor indices", () => {
  for (const index of [1, -1]) {
    const bytes = file({ ops: [op({ [OP.code]: { i32: index } })] });
    refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, inOp(0, OP.code)), /opcodeIndex/);
  }
  assert.equal(
    readModel(file({ ops: [op({ [OP.inputs]: { ints: [0, -1] } })] })).graph.ops[0]!.inputs,
    [0, -1],
  );

  for (const [field, id] of [
    [OP.inputs, -2],
    [OP.inputs, 2],
    [OP.outputs, -1],
    [OP.outputs, 0x7fffffff],
  ] as const) {
    const bytes = file({ ops: [op({ [field]: { ints: [0, id] } })] });
    refused(bytes, "TW_MODEL_CORRUPT", locate(bytes, [...inOp(0, field), 1]), /2 tensors/);
  }
  for (const field of [GRAPH.inputs, GRAPH.outputs])
    for (const id of [-1, 2]) {
      const bytes = file({ graph: { [field]: { ints: [id] } } });
      refused(
        bytes,
        "TW_MODEL_CORRUPT",
        locate(bytes, [MODEL.subgraphs, 0, field, 0]),
        /2 tensors/,
      );
    }
});

test("custom operators", () => {
  const codes = [{ 0: { i8: 32 }, 1: { text: "My_Op" }, 2: { i32: 4 } }];
  const custom = (extra: RawTable) =>
    readModel(file({ codes, ops: [op({ [OP.inputs]: { ints: [0] }, ...extra })] })).graph.ops[0]!;
  assert.equal(
    { ...custom({ [OP.custom]: { bytes: Uint8Array.of(1, 2, 3) } }), customOptions: null },
    {
      id: 0,
      kind: "CUSTOM",
      customName: "My_Op",
      version: 4,
      inputs: [0],
      outputs: [1],
      options: {},
      customOptions: null,
    },
  );
  assert.equal(
    custom({ [OP.custom]: { bytes: Uint8Array.of(1, 2, 3) } }).customOptions,
    Uint8Array.of(1, 2, 3),
  );
  assert.is(custom({}).customOptions, null);
  assert.is(custom({ [OP.custom]: { bytes: new Uint8Array(0) } }).customOptions!.length, 0);
  const large = { [OP.largeOffset]: { u64: 4n }, [OP.largeSize]: { u64: 4n } };
  assert.is(new TextDecoder().decode(custom(large).customOptions!), "TFL3");
});

test("options", () => {
  const split = [{ 0: { i8: 49 } }];
  const options = (extra: RawTable) => file({ codes: split, ops: [op(extra)] });
  assert.equal(readModel(options({})).graph.ops[0]!.options, { numSplits: 0 });
  const given = { [OP.optionsType]: { i8: 35 }, [OP.options]: { table: { 0: { i32: 2 } } } };
  assert.equal(readModel(options(given)).graph.ops[0]!.options, { numSplits: 2 });

  const wrong = options({ ...given, [OP.optionsType]: { i8: 34 } });
  refused(wrong, "TW_MODEL_CORRUPT", locate(wrong, inOp(0, OP.optionsType)), /type 34, not 35/);
  const unknown = options({ ...given, [OP.optionsType]: { i8: 127 } });
  refused(unknown, "TW_MODEL_CORRUPT", locate(unknown, inOp(0, OP.optionsType)), /is 127/);

  const activation = file({
    ops: [op({ [OP.optionsType]: { i8: 11 }, [OP.options]: { table: { 0: { i8: 6 } } } })],
  });
  assert.match(errorOf(activation).message, /AddOptions.activation is 6/);
});

test("a file cut anywhere is refused, unless only padding is missing", () => {
  const bytes = constant(INT32, new Uint8Array(16));
  for (let length = 0; length < bytes.length; length++) {
    const error = errorOf(bytes.slice(0, length));
    assert.instance(error, ModelFormatError);
    assert.ok(error.where.byteOffset! >= 0 && error.where.byteOffset! <= length);
  }
});

test.run();
