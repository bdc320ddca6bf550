// The writer is the reverse of the reader: random models, and the refusals.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { GraphError } from "../../../core-as/errors.ts";
import {
  tensorBytes,
  type ElementType,
  type Model,
  type Op,
  type Tensor,
} from "../../../core-as/ir/graph.ts";
import { readModel } from "../../../core-as/model/read.ts";
import {
  ACTIVATIONS,
  BUILTIN_OPERATORS,
  ELEMENT_TYPES,
  OPTION_TABLES,
  optionTable,
  PADDINGS,
  type OptionKind,
} from "../../../core-as/model/schema.ts";
import { writeModel } from "../../../core-as/model/write.ts";
import { synthModel } from "../../helpers/synth-model.mjs";

const seed = Number(process.env["FC_SEED"] ?? 20);
const numRuns = Number(process.env["FC_RUNS"] ?? 300);

/** Plain objects only: deepEqual looks at prototypes. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const float32 = fc.float({ noDefaultInfinity: true });
const scale = fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true });
const text = fc.string({ unit: "binary", maxLength: 20 });
const type = fc.constantFrom(...ELEMENT_TYPES);

const ZERO_RANGE: Partial<Record<ElementType, [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
};

function quantOf(shape: number[], of: ElementType): fc.Arbitrary<Tensor["quant"]> {
  const [min, max] = ZERO_RANGE[of] ?? [-(2 ** 31), 2 ** 31 - 1];
  const along = (axis: number, count: number) =>
    record({
      scales: fc
        .array(scale, { minLength: count, maxLength: count })
        .map((v) => Float32Array.from(v)),
      zeroPoints: fc
        .array(fc.integer({ min, max }), { minLength: count, maxLength: count })
        .map((v) => Int32Array.from(v)),
      axis: fc.constant(axis),
    });
  const axes = shape.flatMap((size, axis) => (size > 1 ? [along(axis, size)] : []));
  return fc.oneof(fc.constant(null), along(0, 1), ...axes);
}

const tensor: fc.Arbitrary<Tensor> = record({
  name: text,
  type,
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 8 }),
  isConstant: fc.boolean(),
}).chain(({ name, type, shape, isConstant }) => {
  const bytes = tensorBytes(type, shape) ?? 5;
  const constant =
    isConstant && bytes > 0 && bytes < 5000
      ? fc.uint8Array({ minLength: bytes, maxLength: bytes })
      : fc.constant(null);
  return record({
    id: fc.constant(0),
    name: fc.constant(name),
    type: fc.constant(type),
    shape: fc.constant(shape),
    quant: quantOf(shape, type),
    constant,
  });
});

const OPTION_VALUES: Record<OptionKind, fc.Arbitrary<unknown>> = {
  int32,
  int8: fc.integer({ min: -128, max: 127 }),
  bool: fc.boolean(),
  float32,
  padding: fc.constantFrom(...PADDINGS),
  activation: fc.constantFrom(...ACTIVATIONS),
  elementType: type,
  ints: fc.option(fc.array(int32, { maxLength: 8 })),
};

function optionsFor(kind: string): fc.Arbitrary<Record<string, unknown>> {
  const declared = optionTable(kind);
  if (declared === null) return fc.constant({});
  const fields = Object.entries(declared.fields as Record<string, { kind: OptionKind }>);
  return record(
    Object.fromEntries(fields.map(([name, field]) => [name, OPTION_VALUES[field.kind]])),
  );
}

const kind = fc.oneof(
  fc.constantFrom(...Object.keys(OPTION_TABLES)),
  fc.constantFrom(...BUILTIN_OPERATORS, "BUILTIN_210", "BUILTIN_2147483647"),
  fc.constant("CUSTOM"),
);

function opOf(tensors: number): fc.Arbitrary<Op> {
  const ids = (min: number) =>
    fc.array(fc.integer({ min, max: tensors - 1 }), { maxLength: tensors === 0 ? 0 : 5 });
  return kind.chain((kind) =>
    record({
      id: fc.constant(0),
      kind: fc.constant(kind),
      customName: kind === "CUSTOM" ? text : fc.constant(null),
      version: fc.integer({ min: 0, max: 12 }),
      inputs: ids(-1),
      outputs: ids(0),
      options: optionsFor(kind),
      customOptions:
        kind === "CUSTOM" ? fc.option(fc.uint8Array({ maxLength: 40 })) : fc.constant(null),
    }),
  );
}

const model: fc.Arbitrary<Model> = fc
  .array(tensor, { minLength: 1, maxLength: 8 })
  .chain((tensors) => {
    const ids = fc.array(fc.integer({ min: 0, max: tensors.length - 1 }), { maxLength: 3 });
    return record({
      description: text,
      schemaVersion: fc.constant(3),
      otherSubgraphs: fc.array(text, { maxLength: 2 }),
      graph: record({
        name: text,
        tensors: fc.constant(tensors.map((t, id) => ({ ...t, id }))),
        ops: fc
          .array(opOf(tensors.length), { maxLength: 5 })
          .map((ops) => ops.map((op, id) => ({ ...op, id }))),
        inputs: ids,
        outputs: ids,
      }),
    });
  });

test("read(write(m)) equals m for random models", () => {
  fc.assert(
    fc.property(model, (m) => {
      const bytes = writeModel(m);
      assert.equal(readModel(bytes), m);
      for (const { constant } of readModel(bytes).graph.tensors)
        assert.is((constant?.byteOffset ?? 0) % 16, 0, "constants are aligned");
    }),
    { seed, numRuns },
  );
});

test("synthetic models survive, in two passes with the same bytes", () => {
  for (const name of [
    "chain-csp-i10x14x9-o7-i8",
    "chain-split-i12x12x16-o16-k3-u8-relu",
    "fc-i64-o10-u8",
    "pad-i8x8x2-out-i8",
  ]) {
    const first = readModel(synthModel(name));
    const bytes = writeModel(first);
    assert.equal(readModel(bytes), first, name);
    assert.equal(writeModel(readModel(bytes)), bytes, name);
  }
});

/** A synthetic model, changed. */
function changed(change: (model: Model) => void): Model {
  const model = readModel(synthModel("add-i16x16x3-o7-out-u8-relu-r15"));
  change(model);
  return model;
}

const REFUSED: ReadonlyArray<[string, (model: Model) => void, RegExp]> = [
  ["schema version", (m) => (m.schemaVersion = 4), /version 4/],
  ["unknown operator", (m) => (m.graph.ops[0]!.kind = "CONV2D"), /no operator CONV2D/],
  ["name of a built-in operator", (m) => (m.graph.ops[0]!.customName = "x"), /name/],
  ["custom operator without a name", (m) => (m.graph.ops[0]!.kind = "CUSTOM"), /name/],
  ["operator position", (m) => (m.graph.ops[0]!.id = 1), /position 0/],
  ["tensor position", (m) => (m.graph.tensors[0]!.id = 1), /position 0/],
  ["tensor type", (m) => (m.graph.tensors[0]!.type = "int3" as ElementType), /type int3/],
  ["input id", (m) => (m.graph.ops[0]!.inputs[0] = 99), /tensor 99/],
  ["output id", (m) => (m.graph.ops[0]!.outputs[0] = -1), /tensor -1/],
  ["graph input", (m) => (m.graph.inputs = [-1]), /tensor -1/],
  ["short constant", (m) => (m.graph.tensors[1]!.constant = new Uint8Array(3)), /has 3/],
  ["empty constant", (m) => (m.graph.tensors[1]!.constant = new Uint8Array(0)), /without bytes/],
  [
    "zero points",
    (m) => (m.graph.tensors[0]!.quant!.zeroPoints = new Int32Array(2)),
    /2 zero points/,
  ],
  [
    "no scales",
    (m) =>
      (m.graph.tensors[0]!.quant = {
        scales: new Float32Array(0),
        zeroPoints: new Int32Array(0),
        axis: 0,
      }),
    /0 scales/,
  ],
  ["missing option", (m) => (m.graph.ops[0]!.options = {}), /is undefined/],
  [
    "fractional option",
    (m) => (m.graph.ops[0]!.options = { ...m.graph.ops[0]!.options, strideW: 1.5 }),
    /strideW is 1.5/,
  ],
  [
    "large option",
    (m) => (m.graph.ops[0]!.options = { ...m.graph.ops[0]!.options, strideW: 2 ** 31 }),
    /strideW/,
  ],
  [
    "unknown activation",
    (m) => (m.graph.ops[0]!.options = { ...m.graph.ops[0]!.options, activation: "gelu" }),
    /gelu/,
  ],
];

for (const [name, change, message] of REFUSED)
  test(`refused: ${name}`, () => {
    assert.throws(
      () => writeModel(changed(change)),
      (error: unknown) => error instanceof GraphError && message.test(error.message),
    );
  });

test.run();
