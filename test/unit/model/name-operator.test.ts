// Errors in a tensor name the operator that writes or reads it, through readModel, compile() and verifyGraph.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../../core-as/errors.ts";
import { compile } from "../../../core-as/index.ts";
import {
  ADD_CODE,
  errorOf,
  file,
  GRAPH,
  INT32,
  MODEL,
  OP,
  op,
  QUANT,
  TENSOR,
  tensor,
} from "../../helpers/hand-model.ts";
import { graph, refuses, relu, x } from "../../helpers/make-graph.ts";
import type { RawTable } from "../../helpers/raw-flat.ts";

/** t1 = ADD(t0, t0); t2 = RELU(t1), with one tensor replaced; t3 belongs to nobody. */
function chain(index: number, changes: RawTable, model: RawTable = {}): Uint8Array {
  const tensors = [tensor(), tensor(), tensor(), tensor()];
  tensors[index] = tensor(changes);
  const second = op({
    [OP.code]: { i32: 1 },
    [OP.inputs]: { ints: [1] },
    [OP.outputs]: { ints: [2] },
  });
  return file({
    tensors,
    codes: [ADD_CODE, { 0: { i8: 19 }, 3: { i32: 19 } }],
    ops: [op(), second],
    graph: { [GRAPH.outputs]: { ints: [2] } },
    model,
  });
}

const quant = (table: RawTable): RawTable => ({ [TENSOR.quant]: { table } });

/** Everything that can be wrong with a tensor by itself. */
const BROKEN: Readonly<Record<string, { changes: RawTable; message: RegExp }>> = {
  "dynamic shape": { changes: { [TENSOR.shape]: { ints: [1, -1] } }, message: /no fixed size/ },
  "dynamic signature": {
    changes: { [TENSOR.signature]: { ints: [1, -1] } },
    message: /no fixed size/,
  },
  "negative size": { changes: { [TENSOR.shape]: { ints: [1, -7] } }, message: /is -7/ },
  rank: {
    changes: { [TENSOR.shape]: { ints: Array<number>(9).fill(1) } },
    message: /9 dimensions/,
  },
  size: { changes: { [TENSOR.shape]: { ints: [65536, 32768] } }, message: /2147483648 elements/ },
  "scale count": {
    changes: quant({ [QUANT.scale]: { floats: [1, 2, 3] }, [QUANT.axis]: { i32: 1 } }),
    message: /3 scales for dimension 1 of size 4/,
  },
  "quantised dimension": {
    changes: quant({ [QUANT.scale]: { floats: [1, 2] }, [QUANT.axis]: { i32: 5 } }),
    message: /quantizedDimension is 5 in a tensor of rank 2/,
  },
  "zero point count": {
    changes: quant({
      [QUANT.scale]: { floats: [1, 2, 3, 4] },
      [QUANT.zero]: { longs: [1n, 2n] },
      [QUANT.axis]: { i32: 1 },
    }),
    message: /2 zero points for 4 scales/,
  },
  "zero point": {
    changes: quant({ [QUANT.scale]: { floats: [1] }, [QUANT.zero]: { longs: [256n] } }),
    message: /is 256, outside uint8/,
  },
  scale: { changes: quant({ [QUANT.scale]: { floats: [NaN] } }), message: /scale\[0\] is NaN/ },
  "other quantisation": {
    changes: quant({ [QUANT.detailsType]: { i8: 1 } }),
    message: /quantisation/,
  },
  type: { changes: { [TENSOR.type]: { i8: 99 } }, message: /type is 99/ },
  variable: { changes: { [TENSOR.variable]: { i8: 1 } }, message: /variable/ },
};

for (const [name, { changes, message }] of Object.entries(BROKEN))
  test(name, async () => {
    // A graph input, a tensor between operators and a graph output: its writer, or who reads it first.
    for (const [index, id, kind] of [
      [0, 0, "ADD"],
      [1, 0, "ADD"],
      [2, 1, "RELU"],
    ] as const) {
      const bytes = chain(index, changes);
      const error = errorOf(bytes);
      assert.ok(error.message.startsWith(`operator ${id} (${kind}): `), error.message);
      assert.match(error.message, message);
      assert.match(error.message, `tensor ${index}`);
      assert.equal([error.where.op, error.where.tensor], [id, index]);
      const thrown = await compile(bytes, { target: "a311d" }).catch((e: unknown) => e as NpuError);
      assert.ok(thrown instanceof NpuError);
      assert.is(thrown.message, error.message);
    }
    const nobody = errorOf(chain(3, changes));
    assert.match(nobody.message, /^tensor 3/);
    assert.equal([nobody.where.op, nobody.where.tensor], [undefined, 3]);
  });

test("models of several subgraphs, and operators that are broken too", () => {
  const dynamic = BROKEN["dynamic shape"]!.changes;
  const body: RawTable = { [GRAPH.name]: { text: "body" }, [GRAPH.operators]: { tables: [op()] } };
  const main: RawTable = {
    [GRAPH.tensors]: { tables: [tensor(dynamic), tensor()] },
    [GRAPH.operators]: { tables: [op()] },
  };
  const several = file({ model: { [MODEL.subgraphs]: { tables: [main, body] } } });
  assert.match(errorOf(several).message, /^operator 0 \(ADD\): tensor 0 "t" has no fixed size/);

  const both = file({ tensors: [tensor(dynamic), tensor()], ops: [op({ [OP.code]: { i32: 7 } })] });
  assert.match(errorOf(both).message, /^tensor 0 "t" has no fixed size/);
  const operator = file({ ops: [op(), op({ [OP.inputs]: { ints: [9] } })] });
  assert.match(errorOf(operator).message, /^operator 1: Operator.inputs\[0\] is 9/);
  assert.is(errorOf(operator).where.op, 1);
});

test("a constant of another size", () => {
  const bytes = file({
    tensors: [
      tensor(),
      tensor(),
      tensor({ [TENSOR.buffer]: { i32: 1 }, [TENSOR.type]: { i8: INT32 } }),
    ],
    ops: [op({ [OP.inputs]: { ints: [0, 2] } })],
    buffers: [{}, { 0: { bytes: new Uint8Array(3) } }],
  });
  assert.match(
    errorOf(bytes).message,
    /^operator 0 \(ADD\): tensor 2, int32 \[1, 4\], needs 16 bytes/,
  );
  assert.is(errorOf(bytes).where.op, 0);
});

test("what only verification finds", () => {
  const broken = {
    ...x(),
    quant: { scales: Float32Array.of(1, 2, 3), zeroPoints: new Int32Array(3), axis: 1 },
  };
  refuses(
    graph([x(), broken], [relu(0, 1)], [0], [1]),
    /^operator 0 \(RELU\): tensor 1 .* has 3 scales/,
    {
      op: 0,
      tensor: 1,
    },
  );
});

test.run();
