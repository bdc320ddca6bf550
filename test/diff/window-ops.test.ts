// Windows that no capture of the reference driver shows (pooling, means, strides, dilation, padding): simulated results
// of optimised mode against the integer reference.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { compileCase } from "../helpers/compile-case.ts";
import { coreOf } from "../helpers/cores.ts";
import { inputsOfCase, maxDifference, simulate } from "../helpers/simulate.ts";
import {
  convModel,
  meanModel,
  padModel,
  poolModel,
  type ByteType,
  type ConvCase,
} from "../helpers/window-model.ts";

const TYPES: readonly ByteType[] = ["uint8", "int8"];
const TARGETS = ["a311d", "imx8mp"];
const core = await coreOf("release");

interface Case {
  name: string;
  model: Uint8Array;
  /** Largest difference to the reference. */
  tolerance: number;
  /** Evidence of the last operator. */
  evidence: string;
}

async function check({ name, model, tolerance, evidence }: Case, target: string): Promise<void> {
  const result = compileCase(core, model, { mode: "optimised", target });
  const { placements } = result.executable;
  assert.equal(
    placements.filter(({ place }) => place === "cpu").map(({ reason }) => reason),
    [],
  );
  assert.is(placements.at(-1)!.evidence, evidence);
  const { graph } = result.model;
  const inputs = inputsOfCase(name, graph);
  const expected = runGraph(core, graph, inputs);
  const outputs = await simulate(result.executable, inputs);
  graph.outputs.forEach((id, index) => {
    const most = maxDifference(graph.tensors[id]!.type, outputs[index]!, expected.get(id)!);
    assert.ok(most <= tolerance, `output ${index} is off by ${most}`);
  });
}

function onBothChips(name: string, cases: readonly Case[]): void {
  for (const target of TARGETS) {
    const test = suite(`${name} ${target}`);
    for (const one of cases) test(one.name, () => check(one, target));
    test.run();
  }
}

const text = (parts: object): string =>
  Object.entries(parts)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join("x") : value}`)
    .join(", ");

const NEVER = { tolerance: 1, evidence: "never captured" };

// ---- averages ----------------------------------------------------------------------------------

const POOLS: ReadonlyArray<Omit<Parameters<typeof poolModel>[0], "type">> = [
  { size: [7, 7], channels: 40, window: [7, 7], stride: [7, 7] },
  { size: [7, 7], channels: 1280, window: [7, 7], stride: [1, 1] },
  { size: [14, 14], channels: 96, window: [14, 14], stride: [14, 14], padding: "same" },
  { size: [23, 17], channels: 5, window: [23, 17], stride: [1, 1], activation: "relu" },
  { size: [1, 1], channels: 9, window: [1, 1], stride: [1, 1] },
  { size: [8, 8], channels: 16, window: [2, 2], stride: [2, 2] },
  { size: [9, 12], channels: 7, window: [3, 3], stride: [1, 1], activation: "relu" },
  { size: [9, 11], channels: 1, window: [3, 3], stride: [2, 2] },
  { size: [12, 15], channels: 6, window: [3, 3], stride: [3, 3] },
  { size: [17, 9], channels: 20, window: [4, 2], stride: [4, 2], padding: "valid" },
  { size: [8, 12], channels: 3, window: [8, 4], stride: [8, 4], padding: "same" },
  { size: [4, 4], channels: 33, window: [2, 2], stride: [2, 2] },
  { size: [5, 13], channels: 2, window: [5, 1], stride: [1, 2] },
  { size: [25, 3], channels: 17, window: [1, 1], stride: [2, 3] },
  { size: [1, 9], channels: 4, window: [1, 1], stride: [2, 2] },
];

onBothChips(
  "AVERAGE_POOL_2D",
  TYPES.flatMap((type) =>
    POOLS.map((pool) => ({
      name: `${type}, ${text(pool)}`,
      model: poolModel({ ...pool, type }),
      ...NEVER,
    })),
  ),
);

const MEANS: ReadonlyArray<Omit<Parameters<typeof meanModel>[0], "type">> = [
  { size: [7, 7], channels: 1280 },
  { size: [14, 14], channels: 65, keepDims: true },
  { size: [33, 20], channels: 8, axes: [-2, 1], scales: [0.05, 0.013] },
  { size: [1, 1], channels: 12, scales: [0.5, 0.01] },
  { size: [3, 2], channels: 1, axes: [2, 1, 2], scales: [0.5, 0.02] },
  { size: [5, 9], channels: 300, keepDims: true, scales: [0.01, 0.02] },
];

onBothChips(
  "MEAN",
  TYPES.flatMap((type) =>
    MEANS.map((mean) => ({
      name: `${type}, ${text(mean)}`,
      model: meanModel({ ...mean, type }),
      ...NEVER,
    })),
  ),
);

// ---- strides and dilation ----------------------------------------------------------------------

type Window = Omit<ConvCase, "type" | "kind" | "channels" | "outputs">;

const STRIDED: readonly Window[] = [
  { size: [13, 17], kernel: [3, 3], stride: [3, 3] },
  { size: [12, 12], kernel: [3, 3], stride: [3, 3], padding: "valid" },
  { size: [18, 15], kernel: [5, 5], stride: [4, 4] },
  { size: [11, 11], kernel: [7, 7], stride: [4, 4], padding: "valid", activation: "relu" },
  { size: [10, 21], kernel: [3, 3], stride: [1, 2] },
  { size: [21, 10], kernel: [3, 5], stride: [2, 1], padding: "valid" },
  { size: [16, 9], kernel: [2, 3], stride: [2, 3] },
  { size: [14, 14], kernel: [1, 1], stride: [3, 3] },
  { size: [9, 16], kernel: [1, 1], stride: [1, 2] },
  { size: [32, 48], kernel: [16, 16], stride: [16, 16], padding: "valid" },
  { size: [4, 5], kernel: [3, 3], stride: [5, 4] },
  { size: [1, 30], kernel: [1, 5], stride: [1, 3] },
];

const DILATED: readonly Window[] = [
  { size: [15, 14], kernel: [3, 3], stride: [1, 1], dilation: [2, 2] },
  { size: [20, 21], kernel: [3, 3], stride: [1, 1], dilation: [4, 4], activation: "relu" },
  { size: [23, 23], kernel: [3, 3], stride: [1, 1], dilation: [5, 3], padding: "valid" },
  { size: [12, 9], kernel: [2, 4], stride: [1, 1], dilation: [3, 2] },
  { size: [17, 17], kernel: [3, 3], stride: [2, 2], dilation: [2, 2] },
  { size: [19, 18], kernel: [3, 2], stride: [3, 2], dilation: [2, 3] },
  { size: [6, 6], kernel: [1, 1], stride: [1, 1], dilation: [2, 2] },
  { size: [33, 33], kernel: [3, 3], stride: [1, 1], dilation: [12, 12] },
  { size: [24, 32], kernel: [3, 3], stride: [1, 1], dilation: [8, 8], activation: "relu" },
  { size: [28, 25], kernel: [3, 2], stride: [1, 1], dilation: [9, 1], padding: "valid" },
  { size: [7, 40], kernel: [2, 5], stride: [1, 1], dilation: [3, 7] },
];

const CHANNELS: ReadonlyArray<[channels: number, outputs: number]> = [
  [1, 9],
  [3, 16],
  [20, 5],
];

function convolutions(windows: readonly Window[]): Case[] {
  const cases = TYPES.flatMap((type) =>
    windows.flatMap((window) => [
      ...CHANNELS.map(([channels, outputs]) => ({
        ...window,
        kind: "CONV_2D" as const,
        type,
        channels,
        outputs,
      })),
      ...[1, 3, 26].map((channels) => ({
        ...window,
        kind: "DEPTHWISE_CONV_2D" as const,
        type,
        channels,
        outputs: channels,
      })),
    ]),
  );
  return cases.map((one) => ({ name: text(one), model: convModel(one), ...NEVER }));
}

onBothChips("strides", convolutions(STRIDED));
onBothChips("dilation", convolutions(DILATED));

const GROUPED: ReadonlyArray<Omit<ConvCase, "type" | "kind">> = [
  { size: [9, 8], channels: 6, outputs: 9, kernel: [3, 3], stride: [1, 1], groups: 3 },
  { size: [7, 12], channels: 32, outputs: 64, kernel: [1, 1], stride: [1, 1], groups: 8 },
  {
    size: [12, 13],
    channels: 4,
    outputs: 4,
    kernel: [5, 3],
    stride: [2, 2],
    groups: 2,
    activation: "relu",
  },
  { size: [10, 10], channels: 8, outputs: 8, kernel: [3, 3], stride: [1, 1], groups: 8 },
];

onBothChips(
  "groups",
  TYPES.flatMap((type) =>
    GROUPED.map((one) => ({
      name: `${type}, ${text(one)} in ${one.groups} groups`,
      model: convModel({ ...one, type, kind: "CONV_2D" }),
      ...NEVER,
    })),
  ),
);

// Version 8 has no native form of a depth multiplier, version 7 has the captured one.
const MULTIPLIED: ReadonlyArray<Omit<ConvCase, "type" | "kind">> = [
  { size: [9, 8], channels: 3, outputs: 6, kernel: [3, 3], stride: [1, 1] },
  { size: [11, 14], channels: 5, outputs: 20, kernel: [5, 3], stride: [2, 2], activation: "relu" },
  { size: [5, 5], channels: 2, outputs: 16, kernel: [1, 1], stride: [1, 1] },
  { size: [12, 13], channels: 4, outputs: 8, kernel: [4, 4], stride: [3, 4] },
];

for (const target of TARGETS) {
  const test = suite(`depth multiplier ${target}`);
  for (const type of TYPES)
    for (const one of MULTIPLIED) {
      const name = `${type}, ${text(one)}`;
      const captured = target === "a311d" && one.stride[0] === one.stride[1];
      const model = convModel({ ...one, type, kind: "DEPTHWISE_CONV_2D" });
      const evidence = captured ? "captured" : "never captured";
      test(name, () => check({ name, model, tolerance: 1, evidence }, target));
    }
  test.run();
}

// ---- padding -----------------------------------------------------------------------------------

const PADS: ReadonlyArray<[shape: number[], amounts: number[]]> = [
  [
    [1, 5, 6, 7],
    [0, 0, 0, 1, 0, 1, 0, 0],
  ],
  [
    [1, 9, 4, 3],
    [0, 0, 3, 2, 1, 5, 0, 0],
  ],
  [
    [1, 1, 8, 16],
    [0, 0, 0, 0, 7, 0, 0, 0],
  ],
  [
    [1, 12, 7, 1],
    [0, 0, 4, 4, 0, 0, 0, 0],
  ],
  [
    [1, 6, 6, 2],
    [0, 0, 0, 0, 0, 0, 0, 0],
  ],
];

onBothChips(
  "PAD",
  TYPES.flatMap((type) =>
    PADS.map(([shape, amounts]) => ({
      name: `${type} [${shape}] by [${amounts}]`,
      model: padModel(type, shape, amounts),
      tolerance: 0,
      evidence: "never captured",
    })),
  ),
);

const PADDED: ReadonlyArray<Window & { pad: NonNullable<ConvCase["pad"]> }> = [
  { size: [12, 13], kernel: [3, 3], stride: [1, 1], padding: "valid", pad: [1, 1, 1, 1] },
  { size: [12, 12], kernel: [3, 3], stride: [2, 2], padding: "valid", pad: [0, 1, 0, 1] },
  { size: [11, 9], kernel: [7, 7], stride: [2, 2], padding: "valid", pad: [3, 3, 3, 3] },
  { size: [9, 14], kernel: [3, 5], stride: [1, 1], padding: "same", pad: [1, 0, 2, 1] },
  { size: [7, 7], kernel: [3, 3], stride: [1, 1], padding: "valid", pad: [4, 0, 0, 5] },
  { size: [10, 10], kernel: [3, 3], stride: [3, 3], padding: "valid", pad: [1, 2, 2, 1] },
  { size: [8, 8], kernel: [1, 1], stride: [2, 2], padding: "valid", pad: [1, 1, 1, 1] },
  {
    size: [15, 15],
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [2, 2],
    padding: "valid",
    pad: [2, 2, 2, 2],
  },
];

/** Convolutions behind a PAD; its jobs are gone where they can pad themselves. */
for (const target of TARGETS) {
  const test = suite(`PAD and convolution ${target}`);
  for (const type of TYPES)
    for (const kind of ["CONV_2D", "DEPTHWISE_CONV_2D"] as const)
      for (const [index, window] of PADDED.entries())
        for (const channels of [1, 6]) {
          const one = { ...window, kind, type, channels, outputs: channels };
          const plain = !window.dilation && window.stride[0] < 3;
          const evidence = plain ? "captured" : "never captured";
          test(text(one), async () => {
            const model = convModel(one);
            await check({ name: text(one), model, tolerance: 1, evidence }, target);
            const { lowered } = compileCase(core, model, { mode: "optimised", target });
            const jobs = lowered.flatMap((work) => work.jobs.map((job) => job.op));
            const native = target === "imx8mp" && kind === "DEPTHWISE_CONV_2D" && channels > 1;
            // Far borders, and jobs that sample, read a padded image.
            const kept = index === 4 || index === 6 || (native && index === 5);
            assert.is(jobs.includes("pad"), kept);
          });
        }
  test.run();
}

// ---- what stays on the CPU ---------------------------------------------------------------------

const refused = suite("window operators on the CPU");

const convolution: ConvCase = {
  kind: "CONV_2D",
  type: "uint8",
  size: [30, 30],
  channels: 4,
  outputs: 4,
  kernel: [3, 3],
  stride: [1, 1],
};

const REFUSED: ReadonlyArray<[constraint: string, model: Uint8Array]> = [
  ["CONV_FITS", convModel({ ...convolution, size: [90, 90], dilation: [80, 80] })],
  ["CONV_FITS", convModel({ ...convolution, kernel: [16, 1] })],
  ["CONV_FITS", convModel({ ...convolution, size: [1, 9000], kernel: [1, 3] })],
  [
    "POOL_PADDING",
    poolModel({
      type: "uint8",
      size: [7, 7],
      channels: 3,
      window: [3, 3],
      stride: [2, 2],
      padding: "same",
    }),
  ],
  [
    "AVERAGE_FITS",
    poolModel({ type: "int8", size: [40, 40], channels: 3, window: [20, 20], stride: [1, 1] }),
  ],
  ["MEAN_AXES", meanModel({ type: "uint8", size: [4, 5], channels: 3, axes: [1] })],
  ["MEAN_AXES", meanModel({ type: "uint8", size: [4, 5], channels: 3, axes: [1, 2, 3] })],
  ["AVERAGE_SCALE", meanModel({ type: "uint8", size: [1, 1], channels: 3, scales: [1e9, 0.01] })],
  ["PAD_SIDES", padModel("uint8", [1, 4, 4, 3], [0, 0, 1, 1, 1, 1, 0, 2])],
];

for (const target of TARGETS)
  for (const [index, [constraint, model]] of REFUSED.entries())
    refused(`${constraint} ${target} ${index}`, () => {
      const { placements } = compileCase(core, model, { mode: "optimised", target }).executable;
      assert.equal(
        placements.map((placement) => [placement.place, placement.constraint]),
        [["cpu", constraint]],
      );
    });

refused("only captured mechanisms", () => {
  const models = [
    convModel({ ...convolution, stride: [3, 3] }),
    convModel({ ...convolution, dilation: [2, 2] }),
    poolModel({ type: "uint8", size: [6, 6], channels: 3, window: [2, 2], stride: [2, 2] }),
    padModel("int8", [1, 4, 4, 3], [0, 0, 0, 1, 0, 1, 0, 0]),
  ];
  for (const model of models) {
    const options = { mode: "optimised", capturedOnly: true } as const;
    const { placements } = compileCase(core, model, options).executable;
    assert.is(placements[0]!.constraint, "CAPTURED_ONLY");
  }
});

refused("compatible mode takes none of them", () => {
  for (const [constraint, model] of [
    ["CONV_STRIDE", convModel({ ...convolution, stride: [3, 3] })],
    ["CONV_DILATION", convModel({ ...convolution, dilation: [2, 2] })],
    ["PAD_BY_ONE", padModel("int8", [1, 4, 4, 3], [0, 0, 0, 1, 0, 1, 0, 0])],
  ] as const) {
    const { placements } = compileCase(core, model, { mode: "compatible" }).executable;
    assert.is(placements[0]!.constraint, constraint);
  }
});

refused.run();
