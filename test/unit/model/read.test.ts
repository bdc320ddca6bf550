// What readModel takes and what it refuses: the frame of the file, shapes, operators. Constants and quantisation are in
// read-values.test.ts.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readModel } from "../../../core-as/model/read.ts";
import {
  errorOf,
  file,
  GRAPH,
  inOp,
  inTensor,
  MODEL,
  OP,
  op,
  refused,
  TENSOR,
  tensor,
} from "../../helpers/hand-model.ts";
import { locate, withWord, type RawTable } from "../../helpers/raw-flat.ts";

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

test.run();
