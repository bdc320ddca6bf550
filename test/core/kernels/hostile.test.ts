// Graphs that nobody should trust: legal uses of every operator with shapes, constants, options, types and wiring damaged.
// Each ends in a refusal, an NpuError or a result in bounded time, and no result depends on memory that is not its own.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Core } from "../../../core-as/core.ts";
import { CoreBugError, NpuError } from "../../../core-as/errors.ts";
import {
  elementCount,
  operatorKey,
  type ElementType,
  type Graph,
  type Op,
  type Tensor,
} from "../../../core-as/ir/graph.ts";
import { verifyGraph } from "../../../core-as/ir/verify.ts";
import { canRunOnCpu, CPU_OPERATORS, CpuProgram } from "../../../core-as/runtime/cpu/index.ts";
import { BUILDS, coreOf } from "../../helpers/cores.ts";
import { EXAMPLES } from "../../helpers/operator-examples.ts";
import { bytesOf, randomNumbers } from "../../helpers/tiny-graph.ts";

type Random = (low: number, high: number) => number;

const TYPES: readonly ElementType[] = [
  ...(["uint8", "int8", "float32", "int32", "int64", "int16"] as const),
  ...(["bool", "string", "float16", "int4"] as const),
];
const NUMBERS = [0, 1, 2, 3, -1, -2, 4, 5, 100, -100, 2 ** 31 - 1, -(2 ** 31), 1 << 20, 255];
const SCALES = [1, 0.5, 0.003, 1e-30, 1e30, 0, 3e38];
const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 2 ** 15, 2 ** 30, 2 ** 31 - 1];

const pick = <T>(random: Random, list: readonly T[]): T => list[random(0, list.length - 1)]!;

type Mutation = (tensor: Tensor, op: Op, graph: Graph, random: Random) => void;

const MUTATIONS: readonly Mutation[] = [
  (tensor, _op, _graph, random) => {
    if (tensor.shape.length > 0)
      tensor.shape[random(0, tensor.shape.length - 1)] = pick(random, SIZES);
  },
  (tensor, _op, _graph, random) => {
    if (random(0, 1) === 0) tensor.shape.splice(random(0, tensor.shape.length), 0, 1);
    else tensor.shape.splice(random(0, tensor.shape.length), 1);
  },
  (tensor, _op, _graph, random) => {
    tensor.type = pick(random, TYPES);
  },
  // all tensors of one type together, which often stays legal
  (tensor, _op, graph, random) => {
    const [from, to] = [tensor.type, pick(random, TYPES.slice(0, 6))];
    for (const other of graph.tensors) if (other.type === from) other.type = to;
  },
  (tensor, _op, _graph, random) => {
    if (tensor.constant === null) return;
    const values = new DataView(tensor.constant.buffer);
    const at = 4 * random(0, Math.max(0, Math.floor(values.byteLength / 4) - 1));
    if (at + 4 <= values.byteLength) values.setInt32(at, pick(random, NUMBERS), true);
  },
  (tensor, _op, _graph, random) => {
    const bytes = tensor.constant ?? new Uint8Array(elementCount(tensor.shape.slice(0, 2)) % 64);
    tensor.constant = random(0, 1) === 0 ? bytes.slice(0, random(0, bytes.length)) : null;
  },
  (tensor, _op, _graph, random) => {
    if (tensor.quant !== null) tensor.quant.scales.fill(pick(random, SCALES));
  },
  (tensor, _op, _graph, random) => {
    tensor.quant?.zeroPoints.fill(pick(random, NUMBERS));
    if (random(0, 3) === 0) tensor.quant = null;
  },
  (_tensor, op, _graph, random) => {
    const name = pick(random, Object.keys(op.options));
    if (name === undefined) return;
    // of the type that the importer gives it
    const value = op.options[name];
    const values: Record<string, readonly unknown[]> = {
      number: name === "alpha" || name === "beta" ? [...NUMBERS, NaN, 0.5, 1e30] : NUMBERS,
      string: ["none", "relu", "relu6", "tanh", "same", "valid"],
      boolean: [true, false],
      object: [null, [0], [-1, 2], [100], []],
    };
    op.options = { ...op.options, [name]: pick(random, values[typeof value]!) };
  },
  (_tensor, op, graph, random) => {
    const list = random(0, 1) === 0 ? op.inputs : op.outputs;
    const id = random(list === op.inputs ? -1 : 0, graph.tensors.length - 1);
    const changes = [
      () => (list[random(0, list.length - 1)] = id),
      () => list.push(id),
      () => list.pop(),
    ];
    pick(random, changes)();
  },
  (_tensor, op, _graph, random) => {
    if (op.customOptions === null) return;
    op.customOptions = op.customOptions.slice();
    op.customOptions[random(0, op.customOptions.length - 1)] = random(0, 255);
  },
];

function mutate({ graph, op }: { graph: Graph; op: Op }, random: Random): void {
  for (let count = random(0, 3); count > 0; count--)
    pick(random, MUTATIONS)(pick(random, graph.tensors), op, graph, random);
  const isInput = (id: number): boolean => id >= 0 && graph.tensors[id]!.constant === null;
  graph.inputs = [...new Set(op.inputs.filter(isInput))];
  graph.outputs = op.outputs;
}

function allowed(error: unknown): boolean {
  return error instanceof NpuError && !(error instanceof CoreBugError);
}

/** Fills the free memory behind the arena's top. */
function soil(core: Core, byte: number): void {
  core.scope(() => {
    const bytes = new Uint8Array(1 << 16).fill(byte);
    core.write(core.alloc(bytes.length), bytes);
  });
}

/** Two runs each on memory with two kinds of remains: all must agree. */
function runSoiled(core: Core, graph: Graph, inputs: Map<number, Uint8Array>): void {
  const results: Array<Map<number, Uint8Array>> = [];
  for (const byte of [0x00, 0xa5]) {
    soil(core, byte);
    const guard = core.allocCopy(new Uint8Array(256).fill(0x5a));
    const program = new CpuProgram(core, graph, [0]);
    results.push(program.run((id) => inputs.get(id)!));
    results.push(program.run((id) => inputs.get(id)!));
    program.release();
    assert.ok(
      core.read(guard, 256).every((value) => value === 0x5a),
      "wrote in front",
    );
    core.reset(guard);
  }
  for (const result of results.slice(1)) assert.equal(result, results[0]);
}

/** What became of a graph: "refused", "error" or "result". Anything else that happens is thrown. */
function attempt(core: Core, graph: Graph, op: Op, random: Random): string {
  try {
    verifyGraph(graph, "test");
  } catch (error) {
    if (!allowed(error)) throw error;
  }
  if (!canRunOnCpu(graph, op).ok) return "refused";
  const inputs = new Map<number, Uint8Array>();
  for (const id of graph.inputs) {
    const { type, shape } = graph.tensors[id]!;
    // Larger inputs are not given, which is another error.
    const count = elementCount(shape) > 4096 ? 0 : elementCount(shape);
    const values = Array.from({ length: count }, () => pick(random, NUMBERS));
    inputs.set(id, bytesOf(type, values));
  }
  const mark = core.mark();
  try {
    runSoiled(core, graph, inputs);
    return "result";
  } catch (error) {
    if (!allowed(error)) throw error;
    core.reset(mark);
    return "error";
  }
}

const catalogue = suite("operator examples");

catalogue("there is one for every operator, and all run", async () => {
  for (const build of BUILDS) {
    const core = await coreOf(build);
    const open = new Set(CPU_OPERATORS.keys());
    for (const { name, make } of EXAMPLES) {
      const { graph, op } = make();
      open.delete(operatorKey(op));
      verifyGraph(graph, "test");
      assert.equal(canRunOnCpu(graph, op), { ok: true }, name);
      assert.is(attempt(core, graph, op, randomNumbers(9)), "result", name);
    }
    assert.equal([...open], []);
  }
});

catalogue.run();

const test = suite("hostile graphs");

for (const [index, { name, make }] of EXAMPLES.entries())
  test(name, async () => {
    const core = await coreOf("debug");
    const mark = core.mark();
    const random = randomNumbers(index + 1);
    const outcomes: Record<string, number> = { refused: 0, error: 0, result: 0 };
    for (let round = 0; round < 400; round++) {
      const tiny = make();
      mutate(tiny, random);
      try {
        outcomes[attempt(core, tiny.graph, tiny.op, random)]! += 1;
      } catch (error) {
        const text = JSON.stringify({ op: tiny.op, tensors: tiny.graph.tensors });
        assert.unreachable(`round ${round}: ${(error as Error).stack}\n${text}`);
      }
      assert.is(core.mark(), mark);
    }
    // otherwise the damage is too small or too large to say anything
    assert.ok(outcomes["refused"]! > 40 && outcomes["result"]! > 40, JSON.stringify(outcomes));
  });

test.run();
