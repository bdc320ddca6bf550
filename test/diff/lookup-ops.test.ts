// Functions through the TP look-up table: all 256 bytes on the simulator against the CPU kernels, within 1.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TABLE_ENTRIES } from "../../core-as/legalise/lookup-table.ts";
import { LOOKUP_OPERATORS } from "../../core-as/legalise/lookup-functions.ts";
import { encodeFp21 } from "../../core-as/compile/optimised/ops/lookup.ts";
import { runPipeline, type PipelineResult } from "../../core-as/compile/pipeline.ts";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { canonicalOf } from "../../core-as/inspect/canonical.ts";
import { writeCapture } from "../../core-as/inspect/capture.ts";
import type { Graph, Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { runGraph, runOperator } from "../../core-as/runtime/cpu/index.ts";
import { coreOf } from "../helpers/cores.ts";
import { maxDifference, simulate } from "../helpers/simulate.ts";
import { tinyGraph } from "../helpers/tiny-graph.ts";

type ByteType = "uint8" | "int8";

interface Case {
  kind: string;
  type: ByteType;
  shape: number[];
  from: { scale: number; zero: number };
  to: { scale: number; zero: number };
}

/** Every byte once, in four channels that no number of TP cores divides evenly. */
const SHAPE = [1, 4, 16, 4];
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const ALPHA = 0.1;

const core = await coreOf("release");

function graphOf({ kind, type, shape, from, to }: Case): Graph {
  const options = kind === "LEAKY_RELU" ? { alpha: ALPHA } : {};
  return tinyGraph(kind, options, [{ type, shape, ...from }], [{ type, shape, ...to }]).graph;
}

function compileGraph(graph: Graph, target: string, capturedOnly = false): PipelineResult {
  const bytes = writeModel({ description: "", schemaVersion: 3, graph, otherSubgraphs: [] });
  const chip = chipByName(target)!;
  return runPipeline(core, bytes, {
    chip,
    mode: "optimised",
    allowQuirks: false,
    capturedOnly,
    memoryPlan: true,
    exactRounding: true,
    experimental: false,
  });
}

/** Zero points are given for uint8. */
function caseOf(kind: string, type: ByteType, inScale: number, inZero: number, outScale: number, outZero: number): Case {
  const low = type === "int8" ? -128 : 0;
  const from = { scale: inScale, zero: inZero + low };
  const fixed: Record<string, [scale: number, zero: number]> = { LOGISTIC: [1 / 256, 0], TANH: [1 / 128, 128] };
  const [scale, zero] = fixed[kind] ?? [outScale, outZero];
  return { kind, type, shape: SHAPE, from, to: { scale, zero: zero + low } };
} // prettier-ignore

/** Input scale and zero point, output scale and zero point. */
const QUANTISATIONS: readonly [number, number, number, number][] = [
  [0.047, 128, 0.047, 128],
  [0.1, 0, 0.09, 3],
  [0.02, 255, 0.015, 200],
  [0.0235, 100, 0.0241, 20],
  [0.3, 140, 0.2, 60],
  [0.0051, 37, 0.0031, 250],
  [1.7, 90, 2.9, 128],
];

/** The CPU kernels have no ABS of uint8: there, rounded real numbers. */
function reference(graph: Graph): Uint8Array {
  const [input, output] = graph.tensors as [Tensor, Tensor];
  if (graph.ops[0]!.kind !== "ABS" || input.type !== "uint8")
    return runOperator(core, graph, graph.ops[0]!, () => ALL_BYTES)[0]!;
  const ratio = input.quant!.scales[0]! / output.quant!.scales[0]!;
  return ALL_BYTES.map((byte) => {
    const value = Math.round(Math.abs(byte - input.quant!.zeroPoints[0]!) * ratio);
    return Math.min(value + output.quant!.zeroPoints[0]!, 255);
  });
}

/** PAD of one pixel, then TANH. */
function paddedTanh(): Graph {
  const from = { type: "int8" as const, scale: 0.03, zero: -5 };
  const padding = { type: "int32" as const, shape: [4, 2], scale: null, values: [0, 0, 1, 1, 1, 1, 0, 0] };
  const pad = tinyGraph("PAD", {}, [{ ...from, shape: SHAPE }, padding], [{ ...from, shape: [1, 6, 18, 4] }]).graph;
  const shape = [1, 6, 18, 4];
  const tanh = tinyGraph("TANH", {}, [{ ...from, shape }], [{ type: "int8", shape, scale: 1 / 128 }]).graph;
  return {
    ...pad,
    tensors: [...pad.tensors, { ...tanh.tensors[1]!, id: 3, name: "t3" }],
    ops: [...pad.ops, { ...tanh.ops[0]!, id: 1, inputs: [2], outputs: [3] }],
    outputs: [3],
  };
} // prettier-ignore

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`look-up operators ${target}`);
  for (const kind of LOOKUP_OPERATORS)
    for (const type of ["uint8", "int8"] as const)
      test(`${kind} ${type}`, async () => {
        let ran = 0;
        for (const quantisation of QUANTISATIONS) {
          const graph = graphOf(caseOf(kind, type, ...quantisation));
          const { executable } = compileGraph(graph, target);
          const { place, constraint, evidence } = executable.placements[0]!;
          if (place === "cpu") {
            assert.is(constraint, "LOOKUP_ERROR");
            continue;
          }
          ran++;
          assert.is(evidence, "newer driver, not captured");
          const jobs = executable.partitions[0]!.jobs.map(({ op }) => op);
          assert.equal(jobs, ["lut"]);
          const [output] = await simulate(executable, [ALL_BYTES]);
          const most = maxDifference(type, output!, reference(graph));
          assert.ok(most <= 1, `${quantisation}: off by ${most}`);
        }
        // Bends of clamps and of HARD_SWISH need not fit; everything else does.
        const bent = ["HARD_SWISH", "RELU6", "RELU_N1_TO_1"].includes(kind);
        assert.ok(ran >= (bent ? 5 : QUANTISATIONS.length), `${ran} ran`);
      });

  test("shapes of other ranks, and sizes that cores do not share evenly", async () => {
    for (const shape of [[1, 256], [256], [1, 2, 128], [1, 256, 1, 1], [1, 1, 1, 256], [1, 1, 128, 2], [2, 2, 2, 4, 8]]) {
      const graph = graphOf({ ...caseOf("TANH", "int8", 0.03, 128, 0, 0), shape });
      const { executable } = compileGraph(graph, target);
      assert.is(executable.placements[0]!.place, "npu", `[${shape}]`);
      const [output] = await simulate(executable, [ALL_BYTES]);
      assert.ok(maxDifference("int8", output!, reference(graph)) <= 1, `[${shape}]`);
    }
  }); // prettier-ignore

  test("between operators on planes: planes", async () => {
    const graph = paddedTanh();
    const { executable } = compileGraph(graph, target);
    const jobs = executable.partitions[0]!.jobs.map(({ op }) => op);
    assert.equal(jobs, ["transpose", "pad", "lut", "detranspose"]);
    const [output] = await simulate(executable, [ALL_BYTES]);
    const [expected] = runGraph(core, graph, [ALL_BYTES]).values();
    assert.ok(maxDifference("int8", output!, expected!) <= 1);
  });

  test("the table is a read-only buffer that survives the container and the capture", async () => {
    const graph = graphOf(caseOf("LOGISTIC", "uint8", 0.05, 128, 0, 0));
    const { executable } = compileGraph(graph, target);
    const [partition] = executable.partitions;
    const index = partition!.jobs.findIndex(({ op }) => op === "lut");
    const table = partition!.buffers[partition!.jobs[index]!.coefficients!]!;
    assert.equal([table.role, table.bytes, table.access], ["table", TABLE_ENTRIES * 4, 1]);
    const again = parseExecutable(serialiseExecutable(executable));
    assert.equal(again.partitions[0]!.jobs, partition!.jobs);
    assert.equal(await simulate(again, [ALL_BYTES]), await simulate(executable, [ALL_BYTES]));
    assert.equal(writeCapture(executable, 0).get("sg00-op000-lut.bin"), table.contents);
    const job = (await canonicalOf(executable)).partitions[0]!.jobs[index]!;
    assert.ok(job.descriptors.every((words) => words[11] === "@l0+0"));
    assert.match(job.table!, /^[0-9a-f]{64}$/);
  });
  test.run();
}

const test = suite("look-up operators");

test("constraints say why an operator stays on the CPU", () => {
  const logistic = caseOf("LOGISTIC", "uint8", 0.05, 128, 0, 0);
  const bent = caseOf("RELU6", "uint8", 0.045, 0, 0.0045, 0);
  const outside = caseOf("RELU6", "uint8", 0.045, 0, 0.03, 0);
  const cases: [Case, string | null][] = [
    [logistic, null],
    [{ ...logistic, shape: [2, 4, 8, 4] }, "LOOKUP_SIZES"],
    [{ ...logistic, shape: [1, 1, 1, 65536] }, "LOOKUP_SIZES"],
    [{ ...logistic, shape: [300, 300, 2] }, "LOOKUP_SIZES"],
    [bent, null],
    [outside, "LOOKUP_ERROR"],
  ];
  for (const [item, constraint] of cases) {
    const [placement] = compileGraph(graphOf(item), "a311d").executable.placements;
    assert.is(placement!.constraint, constraint, JSON.stringify(item));
  }
  const [captured] = compileGraph(graphOf(logistic), "a311d", true).executable.placements;
  assert.is(captured!.constraint, "CAPTURED_ONLY");
});

test("FP21 numbers are rounded to the nearest, carries included", () => {
  const samples: [number, number][] = [
    [0, 0], [1, 0x78000], [-1, 0x178000], [0.5, 0x70000], [255, 0xb7f00], [1e9, 0xf7fff],
    [1 + 2 ** -15, 0x78001], [1 + 2 ** -16, 0x78000], [1 + 3 * 2 ** -16, 0x78002], [2 - 2 ** -17, 0x80000], [1e-9, 0],
  ]; // prettier-ignore
  for (const [value, code] of samples) assert.is(encodeFp21(value), code, String(value));
});

test.run();
