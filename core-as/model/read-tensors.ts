// Tensor tables and the buffers they name -> Tensor[].
// SPDX-License-Identifier: MIT
import { GraphError, UnsupportedError } from "../errors.ts";
import { elementCount, tensorBytes, type ElementType, type Tensor } from "../ir/graph.ts";
import { quoteName } from "../ir/print.ts";
import { readQuantisation } from "./read-quantisation.ts";
import { ELEMENT_TYPES, TABLES } from "./schema.ts";
import { COST, type VerifiedTable, type VerifiedVector } from "./verified-buffer.ts";

type TensorTable = VerifiedTable<keyof typeof TABLES.Tensor.ids>;
type BufferTable = VerifiedTable<keyof typeof TABLES.Buffer.ids>;

const MAX_RANK = 8;
const MAX_ELEMENTS = 2 ** 31 - 1;

/**
 * All tensors of a subgraph. Constants are views of the file.
 * @param tensors vector of Tensor tables
 * @param buffers vector of Buffer tables of the model
 * @param addOperator told of an error and its tensor before it goes on, to name the operator that the tensor belongs to
 * @throws ModelFormatError; GraphError for a dynamic shape; UnsupportedError for a sparse or a variable tensor
 */
export function readTensors(
  tensors: VerifiedVector | null,
  buffers: VerifiedVector | null,
  addOperator: (error: unknown, tensor: number) => void,
): Tensor[] {
  const list: Tensor[] = [];
  for (let id = 0; id < (tensors?.length ?? 0); id++)
    try {
      list.push(readTensor(tensors!.table(id, TABLES.Tensor), id, buffers));
    } catch (error) {
      addOperator(error, id);
      throw error;
    }
  return list;
}

function readTensor(table: TensorTable, id: number, buffers: VerifiedVector | null): Tensor {
  table.file.charge(COST.object + COST.element, table.start);
  const name = table.string("name") ?? "";
  const type = readElementType(table, "type", 0);
  refuseSpecialTensors(table, id, name);

  const constantBuffer = readBufferIndex(table, buffers);
  const shape = readShape(table, id, name);
  const quant = readQuantisation(table, id, type, shape);
  const constant = constantBuffer === null ? null : bufferBytes(constantBuffer);
  if (constant === null) refuseDynamicShape(table, id, name, shape);
  else checkConstantSize(constantBuffer!, constant, type, shape, id);
  return { id, name, type, shape, quant, constant };
}

/**
 * An element type by the number in a field.
 * @param fallback number that a missing field stands for
 * @throws ModelFormatError CORRUPT for a number without a type
 */
export function readElementType<F extends string>(
  table: VerifiedTable<F>,
  field: F,
  fallback: number,
): ElementType {
  const number = table.int8(field, fallback);
  const type = ELEMENT_TYPES[number];
  if (type === undefined)
    table.file.fail("TW_MODEL_CORRUPT", `${table.label(field)} is ${number}`, table.at(field, 1));
  return type;
}

/** Sparse constants have another layout, variables live longer than an inference: neither can be treated as a tensor. */
function refuseSpecialTensors(table: TensorTable, id: number, name: string): void {
  const where = { tensor: id, byteOffset: table.start };
  if (table.at("sparsity", 4) !== 0)
    throw new UnsupportedError(
      "TW_UNSUP_OPERATOR",
      `tensor ${id} ${quoteName(name)} is stored in a sparse layout`,
      where,
    );
  if (table.uint8("isVariable", 0) !== 0)
    throw new UnsupportedError(
      "TW_UNSUP_OPERATOR",
      `tensor ${id} ${quoteName(name)} is a variable, which keeps its value between inferences`,
      where,
    );
  if (table.uint32("externalBuffer", 0) !== 0)
    table.file.fail(
      "TW_MODEL_LIMIT",
      `tensor ${id} ${quoteName(name)} has its values in another file`,
      table.at("externalBuffer", 4),
    );
}

function readShape(table: TensorTable, id: number, name: string): number[] {
  const vector = table.vector("shape", 4);
  if (vector === null) return [];
  if (vector.length > MAX_RANK)
    table.file.fail(
      "TW_MODEL_LIMIT",
      `a tensor has ${vector.length} dimensions, the limit is ${MAX_RANK}`,
      vector.start - 4,
    );

  const shape = vector.ints();
  for (const [i, size] of shape.entries()) {
    if (size < -1)
      table.file.fail(
        "TW_MODEL_CORRUPT",
        `${table.label("shape")}[${i}] is ${size}`,
        vector.start + 4 * i,
      );
    if (size === -1) failDynamic(id, name, i, vector.start + 4 * i);
  }

  const elements = elementCount(shape);
  if (elements > MAX_ELEMENTS)
    table.file.fail(
      "TW_MODEL_LIMIT",
      `a tensor has ${elements} elements, the limit is ${MAX_ELEMENTS}`,
      vector.start - 4,
    );
  return shape;
}

/**
 * The signature holds -1 where the size may change between inferences. Converters write that for the batch, which is
 * harmless: the size in `shape` is the one that is compiled. Elsewhere it means that the graph has no fixed shape.
 */
function refuseDynamicShape(table: TensorTable, id: number, name: string, shape: number[]): void {
  const signature = table.vector("shapeSignature", 4);
  if (signature === null || signature.length === 0) return;
  if (signature.length !== shape.length)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${signature.length} signature entries for ${shape.length} dimensions`,
      signature.start - 4,
    );

  for (let i = 0; i < signature.length; i++) {
    const at = signature.start + 4 * i;
    const size = table.file.bb.readInt32(at);
    if (size < -1)
      table.file.fail("TW_MODEL_CORRUPT", `${table.label("shapeSignature")}[${i}] is ${size}`, at);
    if (size === -1 && i > 0) failDynamic(id, name, i, at);
  }
}

function failDynamic(id: number, name: string, dimension: number, byteOffset: number): never {
  throw new GraphError(
    `tensor ${id} ${quoteName(name)} has no fixed size in dimension ${dimension}; ` +
      "convert the model with static shapes",
    { tensor: id, byteOffset },
    "model",
  );
}

/** The Buffer table with the tensor's values, null for buffer 0, which stands for "none". */
function readBufferIndex(table: TensorTable, buffers: VerifiedVector | null): BufferTable | null {
  const index = table.uint32("buffer", 0);
  if (index === 0) return null;
  const count = buffers?.length ?? 0;
  if (index >= count)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${table.label("buffer")} is ${index} of ${count}`,
      table.at("buffer", 4),
    );
  return buffers!.table(index, TABLES.Buffer);
}

/**
 * Bytes of a buffer as a view of the file, null when it has none.
 * Files beyond 2 GiB keep them outside of the flatbuffer; the same form is legal in small files.
 */
function bufferBytes(buffer: BufferTable): Uint8Array | null {
  const data = buffer.vector("data", 1);
  const outside = outsideBytes(buffer, "offset", "size");
  if (outside !== null && data !== null && data.length > 0)
    buffer.file.fail("TW_MODEL_CORRUPT", "a buffer has bytes in two places", buffer.start);

  const bytes = outside ?? data?.view() ?? null;
  if (bytes === null || bytes.length === 0) return null;
  buffer.file.charge(COST.typedArray, buffer.start);
  return bytes;
}

/**
 * Bytes at an absolute position of the file, behind or between the tables; null when the fields are left out.
 * @param offsetField valid if above 1
 * @throws ModelFormatError TRUNCATED when they are not inside the file
 */
export function outsideBytes<F extends string>(
  table: VerifiedTable<F>,
  offsetField: F,
  sizeField: F,
): Uint8Array | null {
  const offset = table.uint64(offsetField);
  if (offset <= 1) return null;

  const size = table.uint64(sizeField);
  if (offset + size > table.file.size)
    table.file.fail(
      "TW_MODEL_TRUNCATED",
      `${table.label(offsetField)} and size ask for bytes ${offset}..${offset + size}`,
      table.at(offsetField, 8),
    );
  return table.file.bytes.subarray(offset, offset + size);
}

function checkConstantSize(
  buffer: BufferTable,
  bytes: Uint8Array,
  type: ElementType,
  shape: readonly number[],
  id: number,
): void {
  const expected = tensorBytes(type, shape);
  if (expected !== null && bytes.length !== expected)
    buffer.file.fail(
      "TW_MODEL_CORRUPT",
      `tensor ${id}, ${type} [${shape.join(", ")}], needs ${expected} bytes and has ${bytes.length}`,
      buffer.at("data", 4) || buffer.start,
    );
}

/** Checks position and length of all buffers, so that a cut file is noticed whoever uses its end. */
export function checkBuffers(buffers: VerifiedVector | null): void {
  for (let i = 0; i < (buffers?.length ?? 0); i++) {
    const buffer = buffers!.table(i, TABLES.Buffer);
    buffer.vector("data", 1);
    outsideBytes(buffer, "offset", "size");
  }
}
