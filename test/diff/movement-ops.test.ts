// Operators that move, rename or rescale values: on the NPU, simulated, against the integer reference.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Graph, Op, Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusBytes, needCorpus } from "../helpers/corpus.ts";
import { PLAIN_CONV, graph, op, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";
import { inputsOfCase, maxDifference, simulate } from "../helpers/simulate.ts";

type ByteType = "uint8" | "int8";

const core = await coreOf("release");

/** An activation; zero points are given as of uint8 and move with the type. */
function bytes(type: ByteType, shape: number[], scale = 0.05, zero = 117): Tensor {
  const made = tensor(shape, { type, scales: [scale] });
  made.quant!.zeroPoints[0] = type === "int8" ? zero - 128 : zero;
  return made;
}

/** A constant number of one byte. */
function number(type: ByteType, byte: number, scale: number, zero: number): Tensor {
  const made = bytes(type, [], scale, zero);
  made.constant = Uint8Array.of(type === "int8" ? byte ^ 0x80 : byte);
  return made;
}

/** Constant bytes, one for each channel, some of them twice. */
const perChannel =
  (shape: number[], scale: number, zero: number) =>
  (type: ByteType): Tensor => {
    const made = bytes(type, shape, scale, zero);
    const channels = shape.at(-1)!;
    const stored = Array.from({ length: channels }, (_, i) => (i * i * 37 + 11) & 0xff);
    made.constant = Uint8Array.from(stored, (byte) => (type === "int8" ? byte ^ 0x80 : byte));
    return made;
  };

const modelOf = (made: Graph): Uint8Array =>
  writeModel({ description: "movement", schemaVersion: 3, otherSubgraphs: [], graph: made });

const ints = (...value: number[]): Tensor => tensor([value.length], { value });

/** A 1x1 convolution with odd weights, so that its output is planar on the NPU. */
function convolution(type: ByteType, name: string, inC: number, outC: number): Tensor[] {
  const random = rng(`weights/${name}`);
  const weights = tensor([outC, 1, 1, inC], { type, scales: [0.02] });
  weights.quant!.zeroPoints[0] = type === "uint8" ? 128 : 0;
  weights.constant = Uint8Array.from({ length: inC * outC }, () => random.next() & 0xff);
  const bias = tensor([outC], { type: "int32", value: new Array<number>(outC).fill(3) });
  return [
    weights,
    { ...bias, quant: { scales: Float32Array.of(0.001), zeroPoints: new Int32Array(1), axis: 0 } },
  ];
}

interface Case {
  name: string;
  graph(type: ByteType): Graph;
  /** Most steps between simulation and reference. */
  tolerance: number;
  /** Types that the reference accepts; both unless given. */
  types?: ByteType[];
  /** Most jobs of the only partition. */
  jobs?: number;
}

/** One operator between graph input and output, and the same between two convolutions. */
function moving(
  name: string,
  from: number[],
  to: number[],
  [kind, operands, options]: [string, Tensor[], Op["options"]?],
  jobs?: { alone: number; inside: number },
): Case[] {
  const alone: Case = {
    name: `${name} alone`,
    tolerance: 0,
    graph: (type) => {
      const inputs = operands.map((_, i) => i + 2);
      const tensors = [bytes(type, from), bytes(type, to), ...operands];
      return graph(tensors, [op(kind, [0, ...inputs], [1], options)], [0], [1]);
    },
    ...(jobs ? { jobs: jobs.alone } : {}),
  };
  const inside: Case = {
    name: `${name} between convolutions`,
    // Each convolution rounds once where TFLite rounds twice.
    tolerance: 2,
    graph: (type) => {
      const [inC, outC] = [from.at(-1)!, to.at(-1)!];
      const before = convolution(type, `${name}/a`, inC, inC);
      const after = convolution(type, `${name}/b`, outC, outC);
      const tensors = [
        bytes(type, from),
        ...before,
        bytes(type, from, 0.2),
        bytes(type, to, 0.2),
        ...after,
        bytes(type, to, 1),
        ...operands,
      ];
      const ops = [
        op("CONV_2D", [0, 1, 2], [3], PLAIN_CONV),
        op(kind, [3, ...operands.map((_, i) => i + 8)], [4], options),
        op("CONV_2D", [4, 5, 6], [7], PLAIN_CONV),
      ];
      return graph(tensors, ops, [0], [7]);
    },
    ...(jobs ? { jobs: jobs.inside } : {}),
  };
  return to.length === 4 ? [alone, inside] : [alone];
}

/** Several inputs of their own quantisation, one output. */
function computing(
  name: string,
  kind: string,
  inputs: Array<(type: ByteType) => Tensor>,
  output: (type: ByteType) => Tensor,
  more: Partial<Case> & { options?: Op["options"] } = {},
): Case {
  return {
    tolerance: 1,
    ...more,
    name,
    graph: (type) => {
      const tensors = [...inputs.map((make) => make(type)), output(type)];
      const last = inputs.length;
      const ids = inputs.map((_, i) => i);
      const entering = ids.filter((id) => tensors[id]!.constant === null);
      return graph(tensors, [op(kind, ids, [last], more.options)], entering, [last]);
    },
  };
}

const image =
  (shape: number[], scale: number, zero: number) =>
  (type: ByteType): Tensor =>
    bytes(type, shape, scale, zero);

const slice = (
  begin: number[],
  end: number[],
  strides: number[],
  masks = {},
): [string, Tensor[], Op["options"]] => [
  "STRIDED_SLICE",
  [ints(...begin), ints(...end), ints(...strides)],
  {
    beginMask: 0,
    endMask: 0,
    ellipsisMask: 0,
    newAxisMask: 0,
    shrinkAxisMask: 0,
    offset: false,
    ...masks,
  },
];

const resize = (y: number, x: number, half = false): [string, Tensor[], Op["options"]] => [
  "RESIZE_NEAREST_NEIGHBOR",
  [ints(y, x)],
  { alignCorners: false, halfPixelCenters: half },
];

const SHAPE = [1, 6, 10, 7];
const NONE = { activation: "none" };

const CASES: Case[] = [
  ...moving(
    "focus slice",
    [1, 12, 14, 3],
    [1, 6, 7, 3],
    slice([0, 1, 0, 0], [1, 12, 14, 3], [1, 2, 2, 1]),
  ),
  ...moving(
    "slice by three",
    [1, 13, 17, 4],
    [1, 4, 5, 4],
    slice([0, 1, 2, 0], [1, 12, 17, 4], [1, 3, 3, 1]),
  ),
  ...moving(
    "slice of channels",
    SHAPE,
    [1, 6, 10, 3],
    slice([0, 0, 0, 2], [1, 6, 10, 5], [1, 1, 1, 1]),
    { alone: 1, inside: 4 },
  ),
  ...moving(
    "slice of every second channel",
    SHAPE,
    [1, 6, 10, 4],
    slice([0, 0, 0, 0], [1, 6, 10, 7], [1, 1, 1, 2]),
  ),
  ...moving(
    "slice that drops rows",
    SHAPE,
    [10, 7],
    slice([0, 2, 0, 0], [1, 3, 10, 7], [1, 1, 1, 1], { shrinkAxisMask: 3 }),
  ),
  ...moving("plain slice", SHAPE, [1, 3, 4, 5], ["SLICE", [ints(0, 2, 5, 1), ints(1, 3, 4, 5)]]),
  ...moving("resize by two", SHAPE, [1, 12, 20, 7], resize(12, 20)),
  ...moving("resize by two from half pixels", SHAPE, [1, 12, 20, 7], resize(12, 20, true)),
  ...moving("resize by three and one", SHAPE, [1, 18, 10, 7], resize(18, 10)),
  ...moving("transpose of sides", SHAPE, [1, 10, 6, 7], ["TRANSPOSE", [ints(0, 2, 1, 3)]]),
  ...moving("transpose to planes", SHAPE, [1, 7, 6, 10], ["TRANSPOSE", [ints(0, 3, 1, 2)]]),
  ...moving("transpose from planes", SHAPE, [1, 10, 7, 6], ["TRANSPOSE", [ints(0, 2, 3, 1)]]),
  ...moving("transpose of three", [5, 6, 7], [7, 5, 6], ["TRANSPOSE", [ints(2, 0, 1)]]),
  ...moving("space to depth", SHAPE, [1, 3, 5, 28], ["SPACE_TO_DEPTH", [], { blockSize: 2 }]),
  ...moving(
    "depth to space",
    [1, 3, 5, 24],
    [1, 6, 10, 6],
    ["DEPTH_TO_SPACE", [], { blockSize: 2 }],
  ),
  ...moving("large resize", [1, 20, 26, 40], [1, 40, 52, 40], resize(40, 52)),
  // Between convolutions: transpose, convolution, back to NHWC, its shape changed, transpose, convolution, back.
  ...moving("reshape", SHAPE, [1, 3, 20, 7], ["RESHAPE", [ints(1, 3, 20, 7)], { newShape: null }], {
    alone: 0,
    inside: 4,
  }).slice(1),
  ...moving(
    "reshape of channels",
    SHAPE,
    [1, 6, 5, 14],
    ["RESHAPE", [ints(1, 6, 5, 14)], { newShape: null }],
    {
      alone: 0,
      inside: 6,
    },
  ).slice(1),

  computing("requantise", "QUANTIZE", [image(SHAPE, 0.05, 117)], image(SHAPE, 0.083, 90)),
  computing(
    "requantise to a fine scale",
    "QUANTIZE",
    [image(SHAPE, 0.7, 30)],
    image(SHAPE, 0.083, 200),
  ),
  computing("requantise to the other type", "QUANTIZE", [image(SHAPE, 0.05, 117)], (type) =>
    bytes(type === "int8" ? "uint8" : "int8", SHAPE, 0.06, 100),
  ),
  computing(
    "requantise a vector",
    "QUANTIZE",
    [image([1, 1001], 1 / 256, 0)],
    image([1, 1001], 1 / 255, 3),
  ),
  computing("RELU", "RELU", [image(SHAPE, 0.05, 117)], image(SHAPE, 0.05, 117), { tolerance: 0 }),
  computing("RELU with another scale", "RELU", [image(SHAPE, 0.05, 117)], image(SHAPE, 0.03, 4)),
  computing("RELU6", "RELU6", [image(SHAPE, 0.05, 117)], image(SHAPE, 6 / 255, 0)),
  computing(
    "SUB",
    "SUB",
    [image(SHAPE, 0.05, 117), image(SHAPE, 0.05, 117)],
    image(SHAPE, 0.1, 128),
    { options: NONE },
  ),
  computing(
    "SUB of unequal scales",
    "SUB",
    [image(SHAPE, 0.05, 20), image(SHAPE, 0.031, 240)],
    image(SHAPE, 0.07, 99),
    { options: NONE },
  ),
  computing(
    "SUB of a small operand",
    "SUB",
    [image(SHAPE, 0.011, 0), image(SHAPE, 0.31, 255)],
    image(SHAPE, 0.4, 60),
    { options: { activation: "relu" } },
  ),
  computing(
    "SUB of a number",
    "SUB",
    [image(SHAPE, 0.05, 117), (type) => number(type, 211, 0.01, 3)],
    image(SHAPE, 0.06, 99),
    { options: NONE },
  ),
  computing(
    "SUB from a number",
    "SUB",
    [(type) => number(type, 211, 0.03, 3), image(SHAPE, 0.05, 117)],
    image(SHAPE, 0.06, 99),
    { options: NONE },
  ),
  computing(
    "ADD of a number",
    "ADD",
    [image(SHAPE, 0.05, 117), (type) => number(type, 9, 0.02, 77)],
    image(SHAPE, 0.06, 99),
    { options: NONE },
  ),
  computing(
    "MUL by a number",
    "MUL",
    [image(SHAPE, 0.05, 117), (type) => number(type, 177, 0.02, 77)],
    image(SHAPE, 0.1, 99),
    { options: NONE },
  ),
  computing(
    "MUL by a negative number",
    "MUL",
    [image(SHAPE, 0.05, 117), (type) => number(type, 9, 0.02, 77)],
    image(SHAPE, 0.07, 99),
    { options: { activation: "relu" } },
  ),
  ...(["ADD", "SUB", "MUL"] as const).flatMap((kind) => [
    computing(
      `${kind} of channels`,
      kind,
      [image(SHAPE, 0.05, 117), perChannel([7], 0.021, 90)],
      image(SHAPE, kind === "MUL" ? 0.13 : 0.09, 131),
      { options: NONE, tolerance: kind === "MUL" ? 1 : 0 },
    ),
    computing(
      `${kind} of channels in front`,
      kind,
      [perChannel([1, 1, 1, 64], 0.3, 3), image([1, 5, 9, 64], 0.031, 140)],
      image([1, 5, 9, 64], 0.4, 66),
      // A ReLU that clamps inside the range keeps the zero point where it is.
      { options: { activation: "relu" }, tolerance: kind === "MUL" ? 1 : 0 },
    ),
    computing(
      `${kind} of a vector`,
      kind,
      [image([1, 1, 1, 33], 0.05, 117), perChannel([1, 33], 0.021, 0)],
      image([1, 1, 1, 33], 0.21, 0),
      { options: { activation: "relu" }, tolerance: 0 },
    ),
  ]),
  computing(
    "CONCATENATION of unequal scales",
    "CONCATENATION",
    [image(SHAPE, 0.05, 117), image([1, 6, 10, 3], 0.09, 60), image([1, 6, 10, 9], 0.07, 100)],
    image([1, 6, 10, 19], 0.07, 100),
    { options: { axis: 3, activation: "none" }, types: ["uint8"] },
  ),
];

for (const [name, axis, shapes, to] of [
  ["rows", 1, [SHAPE, [1, 2, 10, 7], [1, 1, 10, 7]], [1, 9, 10, 7]],
  ["columns", -2, [SHAPE, [1, 6, 3, 7]], [1, 6, 13, 7]],
  [
    "boxes",
    1,
    [
      [1, 40, 5],
      [1, 17, 5],
      [1, 1, 5],
    ],
    [1, 58, 5],
  ],
  [
    "vectors",
    1,
    [
      [1, 40],
      [1, 17],
    ],
    [1, 57],
  ],
] as Array<[string, number, number[][], number[]]>)
  CASES.push(
    computing(
      `CONCATENATION of ${name}`,
      "CONCATENATION",
      shapes.map((shape) => image(shape, 0.05, 117)),
      image(to, 0.05, 117),
      { tolerance: 0, options: { axis, activation: "none" } },
    ),
  );

/** Convolutions of an image each, all reshaped to boxes and joined, as detectors end. */
CASES.push({
  name: "heads of a detector",
  tolerance: 1,
  // One transposition, one convolution and one detransposition each.
  jobs: 6,
  graph: (type) => {
    const tensors = [
      bytes(type, [1, 4, 6, 8]),
      ...convolution(type, "head/a", 8, 12),
      bytes(type, [1, 4, 6, 12], 0.2),
      bytes(type, [1, 72, 4], 0.2),
      bytes(type, [1, 2, 3, 8]),
      ...convolution(type, "head/b", 8, 12),
      bytes(type, [1, 2, 3, 12], 0.2),
      bytes(type, [1, 18, 4], 0.2),
      bytes(type, [1, 90, 4], 0.2),
    ];
    const ops = [
      op("CONV_2D", [0, 1, 2], [3], PLAIN_CONV),
      op("RESHAPE", [3], [4], { newShape: [1, 72, 4] }),
      op("CONV_2D", [5, 6, 7], [8], PLAIN_CONV),
      op("RESHAPE", [8], [9], { newShape: [1, 18, 4] }),
      op("CONCATENATION", [4, 9], [10], { axis: 1, activation: "none" }),
    ];
    return graph(tensors, ops, [0, 5], [10]);
  },
});

const seed = process.env["FC_SEED"] ?? "movement";
const random = rng(`movement/${seed}`);
const below = (limit: number): number => random.next() % limit;

/** A random slice, transposition, resize or change between pixels and channels. */
function randomMovement(index: number): Case[] {
  const from = [1, 1 + below(13), 1 + below(13), 1 + below(20)];
  const [, h, w, c] = from as [number, number, number, number];
  const name = `random ${index}`;
  switch (below(5)) {
    case 0: {
      const begin = from.map((size) => below(size));
      const step = from.map(() => 1 + below(3));
      const to = from.map((size, i) => Math.ceil((size - begin[i]!) / step[i]!));
      return moving(name, from, to, slice(begin, from, step));
    }
    case 1: {
      const order = [1, 2, 3].sort(() => below(3) - 1);
      const to = [1, ...order.map((i) => from[i]!)];
      return moving(name, from, to, ["TRANSPOSE", [ints(0, ...order)]]);
    }
    case 2: {
      const [y, x] = [h * (1 + below(3)), w * (1 + below(4))];
      return moving(name, from, [1, y, x, c], resize(y, x));
    }
    case 3: {
      const blockSize = 2 + below(2);
      const pixels = [1, h * blockSize, w * blockSize, c];
      const to = [1, h, w, c * blockSize ** 2];
      return moving(name, pixels, to, ["SPACE_TO_DEPTH", [], { blockSize }]);
    }
    default: {
      const blockSize = 2 + below(2);
      const to = [1, h * blockSize, w * blockSize, c];
      const blocks = [1, h, w, c * blockSize ** 2];
      return moving(name, blocks, to, ["DEPTH_TO_SPACE", [], { blockSize }]);
    }
  }
}

/** Random scales and zero points. */
function randomComputation(index: number): Case {
  const shape = [1, 1 + below(13), 1 + below(13), 1 + below(20)];
  const scale = (): number => 0.01 * 1.03 ** below(100);
  const any = (): ((type: ByteType) => Tensor) => image(shape, scale(), below(256));
  const [byte, zero, step] = [below(256), below(256), scale()];
  const constant = (type: ByteType): Tensor =>
    number(type, byte === zero ? byte ^ 1 : byte, step, zero);
  const name = `random computation ${index}`;
  const kind = ["SUB", "SUB", "QUANTIZE", "RELU", "ADD", "MUL"][below(6)]!;
  const options = { options: kind === "QUANTIZE" || kind === "RELU" ? {} : NONE };
  const second = kind === "SUB" && below(2) === 0 ? [any()] : [constant];
  const operands = "activation" in options.options ? [any(), ...second] : [any()];
  return computing(name, kind, operands, any(), options);
}

const RANDOM = Number(process.env["GRID_CASES"] ?? 60);
for (let i = 0; i < RANDOM; i++) CASES.push(...randomMovement(i), randomComputation(i));

/** Jobs of the only partition, convolutions without a ReLU counted once. */
function jobsOf(model: Uint8Array, target: string): number {
  const options = { mode: "optimised", target, exactRounding: false } as const;
  return compileCase(core, model, options).executable.partitions[0]!.jobs.length;
}

for (const target of ["a311d", "imx8mp"]) {
  const test = suite(`movement ${target}`);
  for (const { name, graph: make, tolerance, types, jobs } of CASES)
    for (const type of types ?? (["uint8", "int8"] as const))
      test(`${name} ${type}`, async () => {
        const { executable, model } = compileCase(core, modelOf(make(type)), {
          mode: "optimised",
          target,
        });
        const leftOut = executable.placements.filter(({ place }) => place === "cpu");
        // Random factors can be above what version 8 can say.
        const refused = name.startsWith("random") && leftOut[0]?.constraint === "RESCALE_RANGE";
        if (refused) return;
        assert.equal(leftOut, []);
        assert.is(executable.partitions.length, 1);
        if (jobs !== undefined)
          assert.ok(jobsOf(modelOf(make(type)), target) <= jobs, "too many jobs");
        const inputs = inputsOfCase(name, model.graph);
        const expected = runGraph(core, model.graph, inputs);
        const outputs = await simulate(executable, inputs);
        model.graph.outputs.forEach((id, index) => {
          const kind = model.graph.tensors[id]!.type;
          const most = maxDifference(kind, outputs[index]!, expected.get(id)!);
          assert.ok(most <= tolerance, `output ${index} is off by ${most}`);
        });
      });
  test.run();
}

if (needCorpus("whole models with movement on the NPU")) {
  const models = suite("whole models with movement on the NPU");
  for (const target of ["a311d", "imx8mp"])
    for (const [name, partitions, share] of [
      ["yolox", 2, 0.97],
      ["mobilenet_v2_1.0_224_quant", 2, 0.99],
    ] as const)
      models(`${name} ${target}`, async () => {
        const folder = ["reference-pictures", name, "cat"];
        const { executable, model } = compileCase(core, corpusBytes("models", `${name}.tflite`), {
          mode: "optimised",
          target,
        });
        assert.ok(executable.partitions.length <= partitions, "too many switches");
        const inputs = model.graph.inputs.map((_, i) =>
          corpusBytes(...folder, `input-${i}.bin.gz`),
        );
        const outputs = await simulate(executable, inputs);
        outputs.forEach((output, index) => {
          const want = corpusBytes(...folder, `output-${index}.bin.gz`);
          const equal = output.filter((byte, i) => byte === want[i]).length / want.length;
          assert.ok(equal >= share, `output ${index}: ${equal} of all bytes are equal`);
        });
      });
  models.run();
}

const decisions = suite("operators that move values between others");
const BYTES = (): Tensor => bytes("uint8", [1, 4, 4, 8], 0.1);

/** Places of the operators of a chain: graph input, operators one behind the other, graph output. */
function placesOf(...kinds: string[]): string {
  const options: Record<string, Op["options"]> = {
    CONV_2D: PLAIN_CONV,
    RESHAPE: { newShape: null },
    TRANSPOSE: {},
    SOFTMAX: { beta: 1 },
    QUANTIZE: {},
  };
  const tensors = [BYTES(), ...convolution("uint8", "chain", 8, 8), ints(0, 2, 1, 3)];
  const more: Record<string, number[]> = { CONV_2D: [1, 2], TRANSPOSE: [3] };
  let last = 0;
  const ops = kinds.map((kind) => {
    const next = tensors.push(BYTES()) - 1;
    const made = op(kind, [last, ...(more[kind] ?? [])], [next], options[kind]);
    last = next;
    return made;
  });
  const { executable } = compileCase(core, modelOf(graph(tensors, ops, [0], [last])), {
    mode: "optimised",
  });
  return executable.placements.map(({ place }) => place).join(" ");
}

decisions("a new shape stays on the side of its neighbours", () => {
  assert.is(placesOf("CONV_2D", "RESHAPE", "CONV_2D"), "npu npu npu");
  assert.is(placesOf("CONV_2D", "RESHAPE", "SOFTMAX"), "npu cpu cpu");
  assert.is(placesOf("SOFTMAX", "RESHAPE", "CONV_2D"), "cpu cpu npu");
  assert.is(placesOf("RESHAPE", "CONV_2D", "RESHAPE"), "npu npu npu");
  assert.is(placesOf("RESHAPE", "RESHAPE"), "cpu cpu");
});

decisions("values are not brought to the NPU to be moved or rescaled", () => {
  assert.is(placesOf("SOFTMAX", "TRANSPOSE"), "cpu cpu");
  assert.is(placesOf("TRANSPOSE", "SOFTMAX"), "cpu cpu");
  assert.is(placesOf("SOFTMAX", "QUANTIZE"), "cpu cpu");
  assert.is(placesOf("CONV_2D", "QUANTIZE", "TRANSPOSE"), "npu npu npu");
  assert.is(placesOf("TRANSPOSE", "RESHAPE", "CONV_2D"), "npu npu npu");
});

decisions("captured mechanisms only", () => {
  const model = modelOf(CASES[0]!.graph("uint8"));
  const options = { mode: "optimised", capturedOnly: true } as const;
  const [placement] = compileCase(core, model, options).executable.placements;
  assert.is(placement!.constraint, "CAPTURED_ONLY");
});

decisions.run();
