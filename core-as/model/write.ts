// Model -> TFLite bytes: what readModel reads, written back, e.g. by the sample trainer.
// SPDX-License-Identifier: MIT
import { Builder, type Offset } from "flatbuffers";
import { GraphError } from "../errors.ts";
import { tensorBytes, type Graph, type Model, type Op, type Tensor } from "../ir/graph.ts";
import { describeOp, describeTensor } from "../ir/print.ts";
import {
  ACTIVATIONS,
  CUSTOM_CODE,
  ELEMENT_TYPES,
  FILE_IDENTIFIER,
  operatorCode,
  optionTable,
  PADDINGS,
  SCHEMA_VERSION,
  TABLES,
  type OptionField,
  type TableSchema,
} from "./schema.ts";

/** Alignment of constants in the file, which runtimes that map it rely on. */
const CONSTANT_ALIGNMENT = 16;

/** The builder doubles its memory up to 2 GiB; this leaves room for the tables. */
const MAX_CONSTANT_BYTES = 2 ** 30;

/** Codes from this one on do not fit the old one-byte field, which then holds this. */
const FULL_BYTE_CODE = 127;

/**
 * Writes a model as a TFLite file (schema version 3), the reverse of readModel: readModel(writeModel(m)) equals m. What
 * readModel does not keep (metadata, signatures, content of further subgraphs, quantisation ranges) is not in it.
 * Constants are copied, each at a multiple of 16 bytes. Same model, same bytes.
 * @throws GraphError for what a file cannot say: an unknown operator or option value, a constant of the wrong size or
 *   without bytes, ids out of range, counts of scales and zero points that differ
 */
export function writeModel(model: Model): Uint8Array {
  if (model.schemaVersion !== SCHEMA_VERSION)
    throw new GraphError(`schema version ${model.schemaVersion} cannot be written`, {}, "write");
  const { graph } = model;
  const writer = new TableWriter(estimateBytes(graph));

  const { tensors, buffers } = writeTensors(writer, graph);
  const { operators, codes } = writeOperators(writer, graph);
  const main = writer.table(TABLES.SubGraph, [
    ["tensors", "offset", writer.offsets(tensors)],
    ["inputs", "offset", writer.ints(checkIds(graph, graph.inputs, 0, "graph inputs"))],
    ["outputs", "offset", writer.ints(checkIds(graph, graph.outputs, 0, "graph outputs"))],
    ["operators", "offset", writer.offsets(operators)],
    ["name", "offset", writer.text(graph.name)],
  ]);
  const others = model.otherSubgraphs.map((name) =>
    writer.table(TABLES.SubGraph, [["name", "offset", writer.text(name)]]),
  );

  const root = writer.table(TABLES.Model, [
    ["version", "uint32", model.schemaVersion],
    ["operatorCodes", "offset", writer.offsets(codes)],
    ["subgraphs", "offset", writer.offsets([main, ...others])],
    ["description", "offset", writer.text(model.description)],
    ["buffers", "offset", writer.offsets(buffers)],
  ]);
  return writer.finish(root);
}

/** Room for the constants plus a guess for the rest, so that the builder seldom has to grow and copy. */
function estimateBytes(graph: Graph): number {
  const constants = graph.tensors.reduce((sum, tensor) => sum + (tensor.constant?.length ?? 0), 0);
  if (constants > MAX_CONSTANT_BYTES)
    throw new GraphError(
      `the constants have ${constants} bytes, a file holds ${MAX_CONSTANT_BYTES}`,
      {},
      "write",
    );
  return constants + 512 * (graph.tensors.length + graph.ops.length) + 4096;
}

type FieldKind = "int8" | "int32" | "uint32" | "float32" | "offset";

/** One field of a table: its name, how it is stored, the value, and the default that is not written. */
type FieldValue<F extends string> = [F, FieldKind, number, number?];

/** Flatbuffer building in terms of the schema's names. Children are written before the tables that point at them. */
class TableWriter {
  readonly #builder: Builder;

  constructor(initialBytes: number) {
    this.#builder = new Builder(initialBytes);
  }

  table<F extends string>(schema: TableSchema<F>, fields: ReadonlyArray<FieldValue<F>>): Offset {
    const ids = Object.values<number>(schema.ids);
    this.#builder.startObject(ids.length === 0 ? 0 : Math.max(...ids) + 1);
    for (const [name, kind, value, fallback] of fields)
      this.#field(schema.ids[name], kind, value, fallback ?? 0);
    return this.#builder.endObject();
  }

  #field(id: number, kind: FieldKind, value: number, fallback: number): void {
    const builder = this.#builder;
    switch (kind) {
      case "int8":
        return builder.addFieldInt8(id, value, fallback);
      case "int32":
      case "uint32":
        return builder.addFieldInt32(id, value, fallback);
      case "float32":
        // -0 and +0 are equal to the builder, but not to the reader of the file.
        return builder.addFieldFloat32(id, value, Object.is(value, fallback) ? fallback : null);
      case "offset":
        return builder.addFieldOffset(id, value, 0);
    }
  }

  #vector<T>(values: ArrayLike<T>, width: number, add: (value: T) => void): Offset {
    this.#builder.startVector(width, values.length, width);
    for (let i = values.length - 1; i >= 0; i--) add(values[i]!);
    return this.#builder.endVector();
  }

  ints(values: ArrayLike<number>): Offset {
    return this.#vector(values, 4, (value) => this.#builder.addInt32(value));
  }

  floats(values: ArrayLike<number>): Offset {
    return this.#vector(values, 4, (value) => this.#builder.addFloat32(value));
  }

  longs(values: ArrayLike<number>): Offset {
    return this.#vector(values, 8, (value) => this.#builder.addInt64(BigInt(value)));
  }

  offsets(values: ArrayLike<Offset>): Offset {
    return this.#vector(values, 4, (value) => this.#builder.addOffset(value));
  }

  /** Bytes of a constant, aligned. */
  bytes(values: Uint8Array): Offset {
    this.#builder.prep(CONSTANT_ALIGNMENT, values.length);
    return this.#builder.createByteVector(values);
  }

  text(value: string): Offset {
    return this.#builder.createString(value);
  }

  finish(root: Offset): Uint8Array {
    this.#builder.finish(root, FILE_IDENTIFIER);
    // A copy of its own: the builder's memory is larger and starts with unused bytes.
    return this.#builder.asUint8Array().slice();
  }
}

/** Buffer 0 is the empty one that activations name; every constant has one of its own. */
function writeTensors(writer: TableWriter, graph: Graph): { tensors: Offset[]; buffers: Offset[] } {
  const buffers = [writer.table(TABLES.Buffer, [])];
  const tensors = graph.tensors.map((tensor, i) => {
    checkTensor(tensor, i);
    let buffer = 0;
    if (tensor.constant !== null) {
      const data = writer.bytes(tensor.constant);
      buffer = buffers.push(writer.table(TABLES.Buffer, [["data", "offset", data]])) - 1;
    }
    const shape = writer.ints(tensor.shape);
    const name = writer.text(tensor.name);
    const quantization = writeQuantisation(writer, tensor);
    return writer.table(TABLES.Tensor, [
      ["shape", "offset", shape],
      ["type", "int8", ELEMENT_TYPES.indexOf(tensor.type)],
      ["buffer", "uint32", buffer],
      ["name", "offset", name],
      ["quantization", "offset", quantization],
      // Tells a scalar from a tensor of unknown rank.
      ["hasRank", "int8", 1],
    ]);
  });
  return { tensors, buffers };
}

function checkTensor(tensor: Tensor, index: number): void {
  const fail = (message: string): never => {
    throw new GraphError(`${describeTensor(tensor)} ${message}`, { tensor: index }, "write");
  };
  if (tensor.id !== index) fail(`stands at position ${index}`);
  if (!ELEMENT_TYPES.includes(tensor.type)) fail(`has the type ${tensor.type}`);
  if (tensor.constant !== null) {
    const bytes = tensorBytes(tensor.type, tensor.shape);
    if (tensor.constant.length === 0) fail("is a constant without bytes");
    if (bytes !== null && tensor.constant.length !== bytes)
      fail(`needs ${bytes} bytes and has ${tensor.constant.length}`);
  }
  const { quant } = tensor;
  if (quant === null) return;
  if (quant.scales.length === 0 || quant.scales.length !== quant.zeroPoints.length)
    fail(`has ${quant.scales.length} scales and ${quant.zeroPoints.length} zero points`);
}

/** Offset of the table, 0 (= no field) without quantisation. */
function writeQuantisation(writer: TableWriter, { quant }: Tensor): Offset {
  if (quant === null) return 0;
  const scale = writer.floats(quant.scales);
  const zeroPoint = writer.longs(quant.zeroPoints);
  return writer.table(TABLES.QuantizationParameters, [
    ["scale", "offset", scale],
    ["zeroPoint", "offset", zeroPoint],
    ["quantizedDimension", "int32", quant.axis],
  ]);
}

function writeOperators(
  writer: TableWriter,
  graph: Graph,
): { operators: Offset[]; codes: Offset[] } {
  const codes: Offset[] = [];
  const codeIndex = new Map<string, number>();
  const operators = graph.ops.map((op, i) => {
    if (op.id !== i)
      throw new GraphError(`${describeOp(op)} stands at position ${i}`, { op: i }, "write");
    const key = JSON.stringify([op.kind, op.customName, op.version]);
    let opcodeIndex = codeIndex.get(key);
    if (opcodeIndex === undefined) {
      opcodeIndex = codes.push(writeOperatorCode(writer, op)) - 1;
      codeIndex.set(key, opcodeIndex);
    }
    return writeOperator(writer, graph, op, opcodeIndex);
  });
  return { operators, codes };
}

function writeOperatorCode(writer: TableWriter, op: Op): Offset {
  const code = operatorCode(op.kind);
  if (code === null)
    throw new GraphError(`TFLite has no operator ${op.kind}`, { op: op.id }, "write");
  if ((code === CUSTOM_CODE) !== (op.customName !== null))
    throw new GraphError(
      `${describeOp(op)} has a name that it must not have`,
      { op: op.id },
      "write",
    );

  const customCode = op.customName === null ? 0 : writer.text(op.customName);
  return writer.table(TABLES.OperatorCode, [
    ["deprecatedBuiltinCode", "int8", Math.min(code, FULL_BYTE_CODE)],
    ["customCode", "offset", customCode],
    ["version", "int32", op.version, 1],
    ["builtinCode", "int32", code],
  ]);
}

function writeOperator(writer: TableWriter, graph: Graph, op: Op, opcodeIndex: number): Offset {
  const inputs = writer.ints(checkIds(graph, op.inputs, -1, describeOp(op)));
  const outputs = writer.ints(checkIds(graph, op.outputs, 0, describeOp(op)));
  const custom = op.customOptions === null ? 0 : writer.bytes(op.customOptions);
  const options = writeOptions(writer, op);
  return writer.table(TABLES.Operator, [
    ["opcodeIndex", "uint32", opcodeIndex],
    ["inputs", "offset", inputs],
    ["outputs", "offset", outputs],
    ["builtinOptionsType", "int8", options.union],
    ["builtinOptions", "offset", options.offset],
    ["customOptions", "offset", custom],
  ]);
}

function checkIds(graph: Graph, ids: number[], lowest: number, who: string): number[] {
  for (const id of ids)
    if (!Number.isInteger(id) || id < lowest || id >= graph.tensors.length)
      throw new GraphError(`${who}: tensor ${id} does not exist`, { tensor: id }, "write");
  return ids;
}

/** Operators whose options Tilewright does not read get none: all fields then have their default. */
function writeOptions(writer: TableWriter, op: Op): { union: number; offset: Offset } {
  const declared = optionTable(op.kind);
  if (declared === null) return { union: 0, offset: 0 };

  const fields = Object.entries(declared.fields as Record<string, OptionField>);
  const ids = Object.fromEntries(fields.map(([name, field]) => [name, field.id]));
  const values = fields.map(([name, field]) => storeOption(writer, op, name, field));
  return { union: declared.union, offset: writer.table({ name: declared.name, ids }, values) };
}

function storeOption(
  writer: TableWriter,
  op: Op,
  name: string,
  { kind, fallback }: OptionField,
): FieldValue<string> {
  const value = op.options[name];
  const fail = (): never => {
    throw new GraphError(`${describeOp(op)}: ${name} is ${String(value)}`, { op: op.id }, "write");
  };
  const member = (values: readonly unknown[]): number => {
    const number = values.indexOf(value);
    return number < 0 ? fail() : number;
  };
  const integer = (bits: number): number => {
    const number = Number.isInteger(value) ? (value as number) : fail();
    return number >= -(2 ** bits) && number < 2 ** bits ? number : fail();
  };
  switch (kind) {
    case "int32":
      return [name, kind, integer(31), fallback];
    case "int8":
      return [name, kind, integer(7), fallback];
    case "float32":
      return [name, kind, typeof value === "number" ? value : fail(), fallback];
    case "bool":
      return [name, "int8", typeof value === "boolean" ? Number(value) : fail(), fallback];
    case "padding":
      return [name, "int8", member(PADDINGS), fallback];
    case "activation":
      return [name, "int8", member(ACTIVATIONS), fallback];
    case "elementType":
      return [name, "int8", member(ELEMENT_TYPES), fallback];
    case "ints":
      if (value === null) return [name, "offset", 0];
      return [name, "offset", Array.isArray(value) ? writer.ints(value as number[]) : fail()];
  }
}
