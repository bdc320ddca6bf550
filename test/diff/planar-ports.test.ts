// Tensors that go from one NPU partition to another in planar order: fewer jobs, the same bytes; everybody else sees NHWC.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExecutableError, UsageError } from "../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { writeCapture } from "../../core-as/inspect/capture.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { compileCase, modelOfCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";

const core = await coreOf("release");
const CONV = { padding: "same", strideW: 1, strideH: 1, dilationW: 1, dilationH: 1 };
const POOL = { padding: "same", strideW: 1, strideH: 1, filterW: 3, filterH: 3 };
const SHAPE = [1, 10, 14, 12];

/**
 * A convolution whose result goes to a second one behind a pool on the CPU, and past it: an addition in the second partition.
 * @param outside the first result is an output, too
 */
function around(type: "uint8" | "int8", outside: boolean): Graph {
  const zero = type === "int8" ? -7 : 121;
  const activation = (): Tensor => {
    const made = tensor(SHAPE, { scales: [0.05], type });
    made.quant!.zeroPoints[0] = zero;
    return made;
  };
  const weights = (seed: string): Tensor => {
    const made = tensor([12, 3, 3, 12], { scales: [0.005], type });
    const random = rng(seed);
    made.quant!.zeroPoints[0] = type === "int8" ? 0 : 128;
    made.constant = Uint8Array.from({ length: 12 * 9 * 12 }, () => random.next() >>> 24);
    return made;
  };
  const conv = (from: number, weight: number, to: number): Op =>
    op("CONV_2D", [from, weight, -1], [to], { ...CONV, activation: "none" });
  // 0 -> 2 and 4; 4 -> pool 5; 5 -> 7; 2 + 7 -> 8
  return graph(
    [
      activation(), weights("a"), activation(), weights("b"), activation(), activation(), weights("c"), activation(),
      activation(),
    ],
    [
      conv(0, 1, 2),
      conv(0, 3, 4),
      op("MAX_POOL_2D", [4], [5], { ...POOL, activation: "none" }),
      conv(5, 6, 7),
      op("ADD", [2, 7], [8], { activation: "none" }),
    ],
    [0],
    outside ? [8, 2] : [8],
  ); // prettier-ignore
}

const modelOf = (made: Graph): Uint8Array =>
  writeModel({ graph: made, description: "", schemaVersion: 3, otherSubgraphs: [] });

/** Tensors with planar ports. */
const planarOf = ({ partitions }: Executable): number[] => [
  ...new Set(
    partitions.flatMap(({ inputs, outputs }) =>
      [...inputs, ...outputs].flatMap(({ tensor: id, planar }) => (planar ? [id] : [])),
    ),
  ),
];

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`planar ports ${target}`);
  for (const type of ["uint8", "int8"] as const)
    test(`a ${type} tensor past the CPU`, async () => {
      const made = around(type, false);
      const options = { mode: "optimised", target } as const;
      const { executable } = compileCase(core, modelOf(made), options);
      const plain = compileCase(core, modelOf(made), {
        ...options,
        optimisations: { planarPorts: false },
      });
      assert.equal(
        executable.steps.map(({ kind }) => kind),
        ["npu", "cpu", "npu"],
      );
      assert.equal(planarOf(executable), [2]);
      assert.equal(planarOf(plain.executable), []);
      const jobs = (of: Executable): number => buildReport(of).totals.jobs;
      assert.is(jobs(plain.executable) - jobs(executable), 2);
      const inputs = inputsOfCase("planar", made);
      const want = await simulate(plain.executable, inputs);
      assert.equal(await simulate(executable, inputs), want);
      const read = parseExecutable(serialiseExecutable(executable));
      assert.equal(read.partitions, executable.partitions);
      assert.equal(await simulate(read, inputs), want);
    });

  test("a tensor that is an output as well is NHWC", async () => {
    const made = around("uint8", true);
    const { executable } = compileCase(core, modelOf(made), { mode: "optimised", target });
    assert.equal(planarOf(executable), []);
    const captured = compileCase(core, modelOf(around("uint8", false)), {
      mode: "optimised",
      target,
      capturedOnly: true,
    });
    assert.equal(planarOf(captured.executable), []);
  });
  test.run();
}

const test = suite("planar ports in files");
const { executable } = compileCase(core, modelOf(around("uint8", false)), { mode: "optimised" });

test("files without planar ports have no section for them", () => {
  const plain = compileCase(core, modelOf(around("uint8", true)), { mode: "optimised" }).executable;
  const tag = (file: Uint8Array): boolean => Buffer.from(file).includes("PLNR");
  assert.ok(tag(serialiseExecutable(executable)));
  assert.not.ok(tag(serialiseExecutable(plain)));
});

test("what contradicts itself is refused", () => {
  const broken = (change: (made: Executable) => void, text: RegExp): void => {
    const made = structuredClone(executable);
    change(made);
    assert.throws(
      () => parseExecutable(serialiseExecutable(made)),
      (error: unknown) => error instanceof ExecutableError && text.test(error.message),
    );
  };
  broken((made) => delete made.partitions[0]!.outputs.find(({ planar }) => planar)!.planar, /at one border only/);
  broken((made) => {
    for (const { inputs, outputs } of made.partitions)
      for (const port of [...inputs, ...outputs]) port.planar = true;
  }, /not only the NPU/);
}); // prettier-ignore

test("a capture of such a partition is refused", () =>
  assert.throws(
    () => writeCapture(executable, 1),
    (error: unknown) =>
      error instanceof UsageError && /tensor 2 in planar order/.test(error.message),
  ));
test.run();

if (needCorpus("planar ports of YOLOX")) {
  const whole = suite("planar ports of YOLOX");
  for (const target of ["a311d", "imx8mp"])
    whole(target, async () => {
      const model = modelOfCase("yolox");
      const options = { mode: "optimised", target } as const;
      const planar = compileCase(core, model, options);
      const plain = compileCase(core, model, { ...options, optimisations: { planarPorts: false } });
      const [less, more] = [planar, plain].map((made) => buildReport(made.executable).totals);
      console.log(
        `yolox ${target}: ${planarOf(planar.executable).length} tensors planar, ${more!.jobs} -> ${less!.jobs} jobs, ` +
          `${more!.predictedMs!.toFixed(3)} -> ${less!.predictedMs!.toFixed(3)} ms predicted, ${more!.dramBytes} -> ${less!.dramBytes} DRAM bytes`,
      );
      assert.ok(less!.predictedMs! < more!.predictedMs! && less!.dramBytes < more!.dramBytes);
      const inputs = inputsOfCase("yolox", planar.model.graph);
      assert.equal(
        await simulate(planar.executable, inputs),
        await simulate(plain.executable, inputs),
      );
    });
  whole.run();
}
