// TFLite bytes -> Model. The bytes are not trusted: see verified-buffer.ts for what is checked and paid for.
// SPDX-License-Identifier: MIT
import { resolveDetectionShapes } from "../ir/detection.ts";
import type { Graph, Model, Op } from "../ir/graph.ts";
import { nameOperator } from "./name-operator.ts";
import { readOperatorCodes, readOperators, readTensorIndices } from "./read-operators.ts";
import { checkBuffers, readTensors } from "./read-tensors.ts";
import { FILE_IDENTIFIER, SCHEMA_VERSION, TABLES } from "./schema.ts";
import {
  COST,
  VerifiedBuffer,
  type VerifiedTable,
  type VerifiedVector,
} from "./verified-buffer.ts";

export { readInts } from "../ir/constants.ts";

type ModelTable = VerifiedTable<keyof typeof TABLES.Model.ids>;
type SubGraphTable = VerifiedTable<keyof typeof TABLES.SubGraph.ids>;

/**
 * Reads a TFLite file. The first subgraph becomes the graph; of the others only the names are kept. Constants and custom
 * options are views of `bytes`, so the caller must not change these while the model is in use. The result obeys the
 * format; whether the graph makes sense is the question of ir/verify.ts.
 *
 * Memory beside `bytes` is bounded by 4 times their length plus 32 MiB, whatever they hold.
 *
 * @param bytes the whole file, at most 2^31-1 bytes
 * @throws TypeError when `bytes` is not a Uint8Array
 * @throws ModelFormatError TW_MODEL_NOT_TFLITE, TW_MODEL_TRUNCATED, TW_MODEL_CORRUPT or TW_MODEL_LIMIT, with the byte
 *   offset of the value that is wrong
 * @throws GraphError for an activation without a fixed shape. Errors in a tensor name the operator that has it
 * @throws UnsupportedError for sparse or variable tensors and quantisation that is not affine
 */
export function readModel(bytes: Uint8Array): Model {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("a model is a Uint8Array");
  // A plain view: methods of subclasses such as Buffer mean other things.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file: VerifiedBuffer = new VerifiedBuffer(plain);
  const model = file.root(TABLES.Model, FILE_IDENTIFIER);
  const schemaVersion = readVersion(model);
  const description = model.string("description") ?? "";

  const buffers = model.vector("buffers", 4);
  checkBuffers(buffers);
  checkMetadata(model);

  const subgraphs = model.vector("subgraphs", 4);
  if (subgraphs === null || subgraphs.length === 0)
    file.fail("TW_MODEL_CORRUPT", "the model has no subgraph", model.start);

  const graph = readGraph(
    subgraphs.table(0, TABLES.SubGraph),
    buffers,
    model.vector("operatorCodes", 4),
  );
  const otherSubgraphs: string[] = [];
  for (let i = 1; i < subgraphs.length; i++)
    otherSubgraphs.push(readOtherName(subgraphs.table(i, TABLES.SubGraph)));
  return { description, schemaVersion, graph, otherSubgraphs };
}

function readVersion(model: ModelTable): number {
  const version = model.uint32("version", 0);
  if (version !== SCHEMA_VERSION)
    model.file.fail(
      "TW_MODEL_CORRUPT",
      `the schema version is ${version}, not ${SCHEMA_VERSION}`,
      model.at("version", 4) || model.start,
    );
  return version;
}

/** Metadata is not used, but often lies at the end of the file, where a cut shows. */
function checkMetadata(model: ModelTable): void {
  model.vector("metadataBuffer", 4);
  const metadata = model.vector("metadata", 4);
  for (let i = 0; i < (metadata?.length ?? 0); i++)
    metadata!.table(i, TABLES.Metadata).vector("name", 1);
}

function readGraph(
  table: SubGraphTable,
  buffers: VerifiedVector | null,
  operatorCodes: VerifiedVector | null,
): Graph {
  const name = table.string("name") ?? "";
  const kinds = readOperatorCodes(operatorCodes);
  const tensorTables = table.vector("tensors", 4);
  const readOps = (): Op[] =>
    readOperators(table.vector("operators", 4), kinds, tensorTables?.length ?? 0);
  const tensors = readTensors(tensorTables, buffers, (error, tensor) =>
    nameOperator(error, tensor, readOps),
  );
  const ops = readOps();
  const graph = {
    name,
    tensors,
    ops,
    inputs: readTensorIndices(table.vector("inputs", 4), tensors.length, 0),
    outputs: readTensorIndices(table.vector("outputs", 4), tensors.length, 0),
  };
  resolveDetectionShapes(graph);
  return graph;
}

function readOtherName(table: SubGraphTable): string {
  table.file.charge(COST.element, table.start);
  return table.string("name") ?? "";
}
