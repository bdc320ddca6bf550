// Operator codes, operators and their options -> Op[].
// SPDX-License-Identifier: MIT
import { addPlace, NpuError } from "../errors.ts";
import type { Op } from "../ir/graph.ts";
import { outsideBytes, readElementType } from "./read-tensors.ts";
import {
  ACTIVATIONS,
  CUSTOM_CODE,
  LAST_OPTIONS_UNION,
  operatorName,
  optionTable,
  PADDINGS,
  TABLES,
  type OptionField,
  type OptionTable,
  type TableSchema,
} from "./schema.ts";
import { COST, type VerifiedTable, type VerifiedVector } from "./verified-buffer.ts";

type OperatorTable = VerifiedTable<keyof typeof TABLES.Operator.ids>;
type CodeTable = VerifiedTable<keyof typeof TABLES.OperatorCode.ids>;

/** What the operators of one code have in common. */
export interface OperatorKind {
  kind: string;
  customName: string | null;
  version: number;
}

/** Operator kinds of the model, in the order that operators refer to. */
export function readOperatorCodes(codes: VerifiedVector | null): OperatorKind[] {
  const list: OperatorKind[] = [];
  for (let i = 0; i < (codes?.length ?? 0); i++)
    list.push(readOperatorCode(codes!.table(i, TABLES.OperatorCode)));
  return list;
}

function readOperatorCode(table: CodeTable): OperatorKind {
  table.file.charge(COST.object, table.start);
  // The code was one byte first. Old files have only that field, new ones have both, with 127 in the byte when it is full.
  const code = Math.max(table.int8("deprecatedBuiltinCode", 0), table.int32("builtinCode", 0));
  if (code < 0)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${table.label("builtinCode")} is ${code}`,
      table.at("builtinCode", 4) || table.start,
    );

  const customName = table.string("customCode");
  const version = table.int32("version", 1);
  if (code !== CUSTOM_CODE) return { kind: operatorName(code), customName: null, version };
  if (customName === null)
    table.file.fail("TW_MODEL_CORRUPT", "a custom operator has no name", table.start);
  return { kind: "CUSTOM", customName, version };
}

/**
 * Operators of a subgraph in plan order.
 * @param operators vector of Operator tables
 * @param kinds from readOperatorCodes
 * @param tensorCount number of tensors that operators may name
 * @throws ModelFormatError
 */
export function readOperators(
  operators: VerifiedVector | null,
  kinds: readonly OperatorKind[],
  tensorCount: number,
): Op[] {
  const list: Op[] = [];
  for (let id = 0; id < (operators?.length ?? 0); id++)
    list.push(readNamed(operators!.table(id, TABLES.Operator), id, kinds, tensorCount));
  return list;
}

/** Reads one operator; errors name it. */
function readNamed(
  table: OperatorTable,
  id: number,
  kinds: readonly OperatorKind[],
  tensorCount: number,
): Op {
  try {
    return readOperator(table, id, kinds, tensorCount);
  } catch (error) {
    if (error instanceof NpuError) addPlace(error, `operator ${id}: `, { op: id });
    throw error;
  }
}

function readOperator(
  table: OperatorTable,
  id: number,
  kinds: readonly OperatorKind[],
  tensorCount: number,
): Op {
  table.file.charge(2 * COST.object + COST.element, table.start);
  const opcodeIndex = table.uint32("opcodeIndex", 0);
  const kind = kinds[opcodeIndex];
  if (kind === undefined)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${table.label("opcodeIndex")} is ${opcodeIndex} of ${kinds.length}`,
      table.at("opcodeIndex", 4) || table.start,
    );

  const inputs = readTensorIndices(table.vector("inputs", 4), tensorCount, -1);
  const outputs = readTensorIndices(table.vector("outputs", 4), tensorCount, 0);
  const custom = table.vector("customOptions", 1);
  const customOutside = outsideBytes(table, "largeCustomOptionsOffset", "largeCustomOptionsSize");
  // Not used, but a pointer behind the end is worth knowing.
  table.vector("mutatingVariableInputs", 1);
  table.vector("intermediates", 4);

  const options = readOptions(table, kind.kind);
  const customOptions = kind.kind === "CUSTOM" ? (customOutside ?? custom?.view() ?? null) : null;
  if (customOptions !== null) table.file.charge(COST.typedArray, table.start);
  return { id, ...kind, inputs, outputs, options, customOptions };
}

/**
 * A vector of tensor indices.
 * @param lowest -1 where an entry may be left out, otherwise 0
 * @throws ModelFormatError CORRUPT at the entry that is no tensor
 */
export function readTensorIndices(
  vector: VerifiedVector | null,
  tensorCount: number,
  lowest: number,
): number[] {
  if (vector === null) return [];
  const indices = vector.ints();
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (index < lowest || index >= tensorCount)
      vector.file.fail(
        "TW_MODEL_CORRUPT",
        `${vector.label}[${i}] is ${index}, the subgraph has ${tensorCount} tensors`,
        vector.start + 4 * i,
      );
  }
  return indices;
}

const ANY_OPTIONS: TableSchema<never> = { name: "BuiltinOptions", ids: {} as never };

function readOptions(table: OperatorTable, kind: string): Record<string, unknown> {
  const union = table.uint8("builtinOptionsType", 0);
  if (union > LAST_OPTIONS_UNION)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${table.label("builtinOptionsType")} is ${union}`,
      table.at("builtinOptionsType", 1),
    );

  const declared = optionTable(kind);
  if (declared === null) {
    if (union !== 0) table.table("builtinOptions", ANY_OPTIONS);
    return {};
  }
  if (union !== 0 && union !== declared.union)
    table.file.fail(
      "TW_MODEL_CORRUPT",
      `${kind} has options of type ${union}, not ${declared.union} (${declared.name})`,
      table.at("builtinOptionsType", 1),
    );

  // A missing table stands for one in which all fields have their default.
  const stored = union === 0 ? null : table.table("builtinOptions", schemaOf(declared));
  const options: Record<string, unknown> = {};
  for (const [name, field] of fieldsOf(declared)) options[name] = readOption(stored, name, field);
  return options;
}

const schemas = new WeakMap<OptionTable, TableSchema>();

/** Field ids of an option table in the form that VerifiedTable takes. */
function schemaOf(declared: OptionTable): TableSchema {
  let schema = schemas.get(declared);
  if (schema === undefined) {
    const ids = Object.fromEntries(fieldsOf(declared).map(([name, field]) => [name, field.id]));
    schemas.set(declared, (schema = { name: declared.name, ids }));
  }
  return schema;
}

function fieldsOf(declared: OptionTable): Array<[string, OptionField]> {
  return Object.entries<OptionField>(declared.fields as Record<string, OptionField>);
}

function readOption(table: VerifiedTable | null, name: string, field: OptionField): unknown {
  const { kind, fallback } = field;
  switch (kind) {
    case "int32":
      return table?.int32(name, fallback) ?? fallback;
    case "int8":
      return table?.int8(name, fallback) ?? fallback;
    case "bool":
      return (table?.uint8(name, fallback) ?? fallback) !== 0;
    case "float32":
      return table?.float32(name, fallback) ?? fallback;
    case "padding":
      return readEnum(table, name, PADDINGS);
    case "activation":
      return readEnum(table, name, ACTIVATIONS);
    case "elementType":
      return table === null ? "float32" : readElementType(table, name, fallback);
    case "ints":
      return table?.vector(name, 4)?.ints() ?? null;
  }
}

function readEnum(table: VerifiedTable | null, name: string, values: readonly string[]): string {
  return table === null ? values[0]! : readStoredEnum(table, name, values);
}

function readStoredEnum(table: VerifiedTable, name: string, values: readonly string[]): string {
  const number = table.int8(name, 0);
  const value = values[number];
  if (value === undefined)
    table.file.fail("TW_MODEL_CORRUPT", `${table.label(name)} is ${number}`, table.at(name, 1));
  return value;
}
