// Operators folded into their neighbours' jobs: fewer jobs, the same bytes. FC_SEED changes the random chains.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lookupResults, tableOf } from "../../core-as/compile/optimised/fold/lookup-results.ts";
import type { Activation, Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { buildReport } from "../../core-as/inspect/report.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { parseExecutable, serialiseExecutable } from "../../core-as/executable/container.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { graph, op, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, simulate } from "../helpers/simulate.ts";

const core = await coreOf("release");
const seed = process.env["FC_SEED"] ?? "fold";
const SHAPE = [1, 16, 16, 12];
const CONV = { padding: "same", strideW: 1, strideH: 1, dilationW: 1, dilationH: 1 };

type ByteType = "uint8" | "int8";

/** Scale and stored zero point of an activation; another type or shape. */
interface Step {
  kind: string;
  to: [scale: number, zero: number];
  type?: ByteType;
  shape?: number[];
  options?: Op["options"];
  /** Further operands. */
  more?: Tensor[];
}

function activation(
  [scale, zero]: readonly [number, number],
  type: ByteType,
  shape: number[],
): Tensor {
  const made = tensor(shape, { scales: [scale], type });
  made.quant!.zeroPoints[0] = zero - (type === "int8" ? 128 : 0);
  return made;
}

function weights(channels: number, type: ByteType): Tensor {
  const random = rng(`weights ${channels}`);
  const made = tensor([channels, 1, 1, channels], { scales: [0.01], type });
  made.quant!.zeroPoints[0] = type === "int8" ? 0 : 128;
  made.constant = Uint8Array.from({ length: channels ** 2 }, () => random.next() >>> 24);
  return made;
}

/** Convolution, the steps, convolution: operators that compute little stay on the NPU between others. */
function chain(
  first: readonly [number, number],
  steps: readonly Step[],
  {
    type = "uint8",
    also = [],
    fused = "none",
  }: { type?: ByteType; also?: number[]; fused?: Activation } = {},
): Graph {
  const tensors: Tensor[] = [activation([0.05, 121], type, SHAPE)];
  const ops: Op[] = [];
  const add = (made: Tensor): number => tensors.push(made) - 1;
  let now = add(activation(first, type, SHAPE));
  const conv = (from: number, to: number, kind: ByteType, activation: Activation): void => {
    const weight = add(weights(tensors[from]!.shape[3]!, kind));
    ops.push(op("CONV_2D", [from, weight, -1], [to], { ...CONV, activation }));
  };
  conv(0, now, type, fused);
  const made = [now];
  let kind = type;
  for (const step of steps) {
    const from = tensors[now]!;
    kind = step.type ?? kind;
    const operands = (step.more ?? []).map(add);
    const to = add(activation(step.to, kind, step.shape ?? from.shape));
    ops.push(op(step.kind, [now, ...operands], [to], step.options ?? {}));
    made.push(to);
    now = to;
  }
  const last = add(activation([0.1, 128], kind, tensors[now]!.shape));
  conv(now, last, kind, "none");
  return graph(tensors, ops, [0], [last, ...also.map((i) => made[i]!)]);
}

const scalar = (scale: number, zero: number, byte: number): Tensor => {
  const made = tensor([1], { scales: [scale] });
  made.quant!.zeroPoints[0] = zero;
  made.constant = Uint8Array.of(byte);
  return made;
};
const order = (...dimensions: number[]): Tensor => tensor([4], { value: dimensions });
const NONE = { activation: "none" };

/** Chains, and by how many jobs they get shorter. */
const CASES: Readonly<Record<string, { make: () => Graph; saved: number }>> = {
  "a ReLU with its input's scale is the convolution's": {
    make: () => chain([0.05, 100], [{ kind: "RELU", to: [0.05, 100] }]),
    saved: 1,
  },
  "a ReLU behind a ReLU is nothing": {
    make: () => chain([0.05, 0], [{ kind: "RELU", to: [0.05, 0] }]),
    saved: 1,
  },
  "ReLU6 above all bytes, behind a ReLU": {
    make: () => chain([0.02, 0], [{ kind: "RELU6", to: [0.02, 0] }], { fused: "relu" }),
    saved: 1,
  },
  "another type with the same bytes": {
    make: () => chain([0.05, 90], [{ kind: "QUANTIZE", to: [0.05, 90], type: "int8" }]),
    saved: 1,
  },
  "another type, wanted outside as well": {
    make: () =>
      chain([0.05, 90], [{ kind: "QUANTIZE", to: [0.05, 90], type: "int8" }], { also: [0] }),
    saved: 1,
  },
  "a ReLU whose input is wanted outside as well": {
    make: () => chain([0.05, 100], [{ kind: "RELU", to: [0.05, 100] }], { also: [0] }),
    saved: 0,
  },
  "two tables": {
    make: () =>
      chain(
        [0.05, 128],
        [
          { kind: "LOGISTIC", to: [1 / 256, 0] },
          { kind: "TANH", to: [1 / 128, 128] },
        ],
      ),
    saved: 1,
  },
  "a table and its rescaling": {
    make: () =>
      chain(
        [0.05, 128],
        [
          { kind: "TANH", to: [1 / 128, 128] },
          { kind: "QUANTIZE", to: [1 / 32, 128] },
        ],
      ),
    saved: 1,
  },
  "a clamp and a table": {
    make: () =>
      chain(
        [0.05, 100],
        [
          { kind: "RELU6", to: [0.05, 100] },
          { kind: "LOGISTIC", to: [1 / 256, 0] },
        ],
      ),
    saved: 1,
  },
  "three tables": {
    make: () =>
      chain(
        [0.1, 128],
        [
          { kind: "TANH", to: [1 / 128, 128] },
          { kind: "ABS", to: [1 / 128, 0] },
          { kind: "LOGISTIC", to: [1 / 256, 0] },
        ],
      ),
    saved: 2,
  },
  "twice the scale, half of it": {
    make: () =>
      chain(
        [0.05, 128],
        [
          { kind: "QUANTIZE", to: [0.05, 128] },
          { kind: "MUL", to: [0.05, 128], options: NONE, more: [scalar(1, 0, 1)] },
        ],
      ),
    saved: 2,
  },
  "transposed there and back": {
    make: () =>
      chain(
        [0.05, 100],
        [
          { kind: "TRANSPOSE", to: [0.05, 100], shape: [1, 12, 16, 16], more: [order(0, 3, 1, 2)] },
          { kind: "TRANSPOSE", to: [0.05, 100], shape: SHAPE, more: [order(0, 2, 3, 1)] },
        ],
      ),
    saved: 2,
  },
  "transposed twice": {
    make: () =>
      chain(
        [0.05, 100],
        [
          { kind: "TRANSPOSE", to: [0.05, 100], shape: [1, 12, 16, 16], more: [order(0, 3, 1, 2)] },
          { kind: "TRANSPOSE", to: [0.05, 100], shape: [1, 16, 12, 16], more: [order(0, 2, 1, 3)] },
        ],
      ),
    saved: 1,
  },
  "transposed there and back, wanted between": {
    make: () =>
      chain(
        [0.05, 100],
        [
          { kind: "TRANSPOSE", to: [0.05, 100], shape: [1, 12, 16, 16], more: [order(0, 3, 1, 2)] },
          { kind: "TRANSPOSE", to: [0.05, 100], shape: SHAPE, more: [order(0, 2, 3, 1)] },
        ],
        { also: [1] },
      ),
    saved: 1,
  },
};

const modelOf = (made: Graph): Uint8Array =>
  writeModel({ graph: made, description: "", schemaVersion: 3, otherSubgraphs: [] });

/** Jobs with and without folds, after both gave the same bytes. */
async function compare(made: Graph, target: string): Promise<{ saved: number; reasons: string[] }> {
  const model = modelOf(made);
  const options = { mode: "optimised", target } as const;
  const folded = compileCase(core, model, options);
  const plain = compileCase(core, model, { ...options, optimisations: { foldJobs: false } });
  const inputs = inputsOfCase("fold", made);
  assert.equal(await simulate(folded.executable, inputs), await simulate(plain.executable, inputs));
  const [less, more] = [folded, plain].map(({ executable }) => buildReport(executable));
  const read = buildReport(parseExecutable(serialiseExecutable(folded.executable)));
  const reasons = read.operators.flatMap(({ place, reason }) =>
    place === "npu" && reason !== null ? [reason] : [],
  );
  assert.ok(less!.totals.predictedMs! <= more!.totals.predictedMs!);
  assert.ok(more!.operators.every(({ place, reason }) => place === "cpu" || reason === null));
  return { saved: more!.totals.jobs - less!.totals.jobs, reasons };
}

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`folded jobs ${target} (seed ${seed})`);
  for (const [name, { make, saved }] of Object.entries(CASES))
    test(name, async () => {
      const found = await compare(make(), target);
      assert.is(found.saved, saved, found.reasons.join(" "));
      assert.is(found.reasons.length > 0, saved > 0);
    });

  test("random chains", async () => {
    const random = rng(`${seed}/${target}`);
    const below = (n: number): number => random.next() % n;
    const KINDS = ["QUANTIZE", "RELU", "RELU6", "TANH", "LOGISTIC", "ABS", "HARD_SWISH"];
    let saved = 0;
    for (let i = 0; i < 40; i++) {
      let scale = 0.02 + below(100) / 1000;
      let zero = [0, 128, below(256)][below(3)]!;
      const type = below(2) === 0 ? "uint8" : "int8";
      const first: [number, number] = [scale, zero];
      const steps = Array.from({ length: 1 + below(3) }, (): Step => {
        const kind = KINDS[below(KINDS.length)]!;
        if (kind === "LOGISTIC") [scale, zero] = [1 / 256, 0];
        else if (kind === "TANH") [scale, zero] = [1 / 128, 128];
        else if (below(3) > 0) [scale, zero] = [scale * (0.5 + below(100) / 80), below(256)];
        return { kind, to: [scale, zero] };
      });
      saved += (await compare(chain(first, steps, { type }), target)).saved;
    }
    console.log(`${target}: ${saved} jobs of random chains folded`);
    assert.ok(saved > 10, `${saved}`);
  });
  test.run();
}

const test = suite("tables of the TP cores for given bytes");
test("what is found has these bytes, at a distance from halves", () => {
  const random = rng(`${seed}/tables`);
  let found = 0;
  for (let i = 0; i < 120; i++) {
    const [inZp, outZp] = [random.next() % 256, random.next() % 256];
    // Smooth, with steps, or noise.
    const kind = i % 3;
    const bytes = Uint8Array.from({ length: 256 }, (_, x) =>
      kind === 0
        ? 255 / (1 + Math.exp((100 - x) / (3 + i / 4)))
        : kind === 1
          ? Math.abs(x - 128) >> (i % 4)
          : random.next() >>> 24,
    );
    const table = tableOf(bytes, inZp, outZp);
    if (table === null) continue;
    const results = lookupResults(table, inZp, outZp)!;
    assert.equal(results.bytes, bytes);
    assert.ok(results.margin >= 1 / 128);
    found++;
  }
  assert.ok(found > 30 && found < 110, `${found}`);
});
test.run();
