// Comparisons of whole models: what is alone, what is chained, which layer is named, which limits hold.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  chipByName,
  compareLayers,
  compile,
  Core,
  createSession,
  createSimTransport,
  elementsOf,
  firstViolation,
  readModel,
  TransportError,
  worstFirst,
  writeModel,
  type AccuracyReport,
  type Executable,
  type LayerTensors,
  type Sample,
  type Transport,
} from "../../../core-as/index.ts";
import { isImage, withOutputs } from "../../../core-as/accuracy/networks.ts";
import { CpuProgram } from "../../../core-as/runtime/cpu/index.ts";
import { elementCount } from "../../../core-as/ir/graph.ts";
import { cliModel } from "../../helpers/cli-models.ts";
import { inputBytes } from "../../helpers/prng.mjs";
import { synthModel } from "../../helpers/synth-model.mjs";

const test = suite("comparing layers");
const core = await Core.create();

function sampleOf(model: Uint8Array, name: string): Sample {
  const { graph } = readModel(model);
  const inputs = graph.inputs.map((id, i) =>
    inputBytes(name, i, elementCount(graph.tensors[id]!.shape)),
  );
  return { name, inputs };
}

/** Loads other executables than it is given: a chip whose coefficients are wrong. */
function substituting(swap: (given: Executable, index: number) => Executable): Transport {
  const sim = createSimTransport(chipByName("a311d")!);
  let count = 0;
  return {
    ...sim,
    chip: sim.chip,
    name: "sim",
    disconnected: sim.disconnected,
    load: (executable, options) => sim.load(swap(executable, count++), options),
    close: () => sim.close(),
  };
}

/** The model with one weight of an operator moved as far as it goes. */
function withWrongWeight(model: Uint8Array, op: number): Uint8Array {
  const copy = readModel(model.slice());
  const weights = copy.graph.tensors[copy.graph.ops[op]!.inputs[1]!]!;
  weights.constant![0]! ^= 0x80;
  return writeModel(copy);
}

const CHAIN = synthModel("chain-mbv1-i24x40x3-o8-i8") as Uint8Array;

test("a chain on the NPU: every layer alone within one step, all of them in the report", async () => {
  const report = await compareLayers(CHAIN, { core }, [sampleOf(CHAIN, "noise")]);
  const { graph } = readModel(CHAIN);
  assert.is(report.layers.length, graph.ops.length);
  assert.equal(report.notes, []);
  for (const [i, layer] of report.layers.entries()) {
    assert.is(layer.op, i);
    assert.is(layer.place, "npu");
    assert.is(layer.alone!.elements, elementCount(layer.shape));
    assert.ok(layer.alone!.max <= 1, `operator ${i}: ${layer.alone!.max}`);
    assert.is(layer.chained!.elements, layer.alone!.elements);
    assert.is(layer.float, undefined);
  }
  // The first layer sees the same inputs either way, and the last one gives the output.
  assert.equal(report.layers[0]!.chained, report.layers[0]!.alone);
  const { name, shape, ...output } = report.wholeModel[0]!;
  assert.equal(output, report.layers.at(-1)!.chained);
  assert.equal([name, shape], [report.layers.at(-1)!.output, report.layers.at(-1)!.shape]);
});

test("one wrong weight: that layer is the worst alone, and the layers behind it only when they are chained", async () => {
  const { graph } = readModel(CHAIN);
  const sample = sampleOf(CHAIN, "noise");
  for (const op of graph.ops.filter(({ kind }) => /CONV_2D/.test(kind)).map(({ id }) => id)) {
    // What is compiled for the wrong model, in the order in which it is loaded.
    const wrong: Executable[] = [];
    const record = substituting((given) => (wrong.push(given), given));
    await compareLayers(withWrongWeight(CHAIN, op), { core, transport: record }, [sample]);
    const broken = substituting((_, index) => wrong[index]!);
    const report = await compareLayers(CHAIN, { core, transport: broken }, [sample]);
    const worst = worstFirst(report.layers)[0]!;
    assert.is(worst.op, op);
    assert.ok(worst.alone!.max > 1, `${worst.alone!.max} steps`);
    assert.is(report.pictures[0]!.worst!.op, op);
    for (const { op: other, alone, chained } of report.layers) {
      if (other !== op) assert.ok(alone!.max <= 1, `operator ${other} alone: ${alone!.max}`);
      if (other < op) assert.ok(chained!.max <= 2, `operator ${other} chained: ${chained!.max}`);
    }
    const violation = firstViolation(report, { maxDifference: 1 })!;
    assert.is(violation.op, op);
    assert.is(violation.where, `operator ${op} ${worst.name} alone`);
    // The weights of a kernel belong to one output channel, and nothing else is wrong.
    assert.is(worst.alone!.worstChannel!.channel, 0);
  }
});

test("figures of several pictures are those of all together, and each one is named", async () => {
  const samples = ["one", "two", "three"].map((name) => sampleOf(CHAIN, name));
  const lazy = samples.map((sample) => async () => sample);
  const all = await compareLayers(CHAIN, { core }, lazy);
  const single: AccuracyReport[] = [];
  for (const sample of samples) single.push(await compareLayers(CHAIN, { core }, [sample]));
  assert.equal(
    all.pictures.map(({ name }) => name),
    ["one", "two", "three"],
  );
  assert.equal(
    all.pictures,
    single.map(({ pictures }) => pictures[0]),
  );
  for (const [i, { alone, chained }] of all.layers.entries())
    for (const [together, name] of [
      [alone!, "alone"],
      [chained!, "chained"],
    ] as const) {
      const parts = single.map(({ layers }) => layers[i]![name]!);
      assert.is(together.max, Math.max(...parts.map(({ max }) => max)));
      assert.is(
        together.different,
        parts.reduce((sum, { different }) => sum + different, 0),
      );
      assert.is(together.elements, 3 * parts[0]!.elements);
    }
});

test("chained values are those of the network, not of layers in a row", async () => {
  const sample = sampleOf(CHAIN, "noise");
  const seen: LayerTensors[] = [];
  const onTensors = (tensors: LayerTensors): void => void seen.push(tensors);
  const report = await compareLayers(CHAIN, { core, onTensors }, [sample]);
  const { graph } = readModel(CHAIN);
  const program = new CpuProgram(
    await Core.create(),
    graph,
    graph.ops.map(({ id }) => id),
    [],
  );
  program.run(
    () => sample.inputs[0]!,
    (op, outputs) => {
      const tensors = seen[op.id]!;
      assert.is(tensors.op, op.id);
      assert.equal(tensors.reference, outputs);
      const { type } = graph.tensors[op.outputs[0]!]!;
      const [want, got] = [outputs[0]!, tensors.chained[0]!].map((b) => elementsOf(type, b)!);
      const distances = want!.map((value, i) => Math.abs(value - got![i]!));
      assert.is(Math.max(...distances), report.layers[op.id]!.chained!.max);
    },
  );
});

test("float: half a step alone, and the integer reference beside it", async () => {
  const report = await compareLayers(CHAIN, { core, float: true }, [sampleOf(CHAIN, "noise")]);
  for (const { op, float } of report.layers) {
    assert.ok(float!.alone!.max <= 1.5, `operator ${op}: ${float!.alone!.max}`);
    assert.ok(float!.alone!.mean < 0.3);
    assert.ok(float!.reference.snrDb! > 25);
  }
  assert.ok(
    Math.abs(
      report.wholeModel[0]!.float!.chained.snrDb! - report.wholeModel[0]!.float!.reference.snrDb!,
    ) < 3,
  );
});

test("operators on the CPU have nothing of their own to compare, but take part in the chain and in float", async () => {
  const model = cliModel("two partitions");
  const report = await compareLayers(model, { core, float: true }, [sampleOf(model, "noise")]);
  assert.equal(
    report.layers.map(({ place, alone }) => [place, alone === null]),
    [
      ["npu", false],
      ["cpu", true],
      ["cpu", true],
      ["npu", false],
    ],
  );
  assert.is(report.layers[1]!.chained!.elements, 128);
  assert.is(report.layers[1]!.float!.alone!.max, 0);
});

test("an identity convolution reads a tensor without changing a byte", async () => {
  for (const name of ["chain-mbv1-i24x40x3-o8-i8", "chain-mbv2-i14x14x16-o16-k3-u8-relu"]) {
    const bytes = synthModel(name) as Uint8Array;
    const model = readModel(bytes);
    const { graph } = model;
    const read = graph.ops.flatMap(({ outputs }) => outputs);
    const inputs = [...sampleOf(bytes, "noise").inputs];
    const values = [
      new Set<number>(),
      new Set(read.filter((id) => isImage(graph.tensors[id]!))),
    ].map(async (hidden) => {
      const network = withOutputs(model, read, hidden);
      const { executable } = await compile(network.bytes, { core });
      assert.ok(executable.placements.every(({ place }) => place === "npu"));
      const transport = createSimTransport(chipByName("a311d")!);
      const session = await createSession(executable, transport);
      const { outputs } = await session.run(inputs);
      await transport.close();
      return new Map(network.outputs.map((id, i) => [id, outputs[i]!]));
    });
    assert.ok(read.length >= 3);
    assert.equal(await values[1], await values[0]);
  }
});

test("compatible mode, quirks and all: the wrong layer is found", async () => {
  const model = synthModel("conv-i24x24x3-k4-o3-s2-same-u8-relu-sparse50") as Uint8Array;
  const options = { core, mode: "compatible", allowQuirks: true } as const;
  const report = await compareLayers(model, options, [sampleOf(model, "noise")]);
  assert.is(report.mode, "compatible");
  assert.ok(report.layers[0]!.alone!.max > 1);
  assert.equal(report.layers[0]!.chained, report.layers[0]!.alone);
});

test("progress rises to the end, and inputs that do not fit are refused", async () => {
  const shares: number[] = [];
  const names = new Set<string>();
  await compareLayers(
    CHAIN,
    { core },
    [sampleOf(CHAIN, "a"), sampleOf(CHAIN, "b")],
    (what, done) => {
      shares.push(done);
      names.add(what.split(":")[0]!);
    },
  );
  assert.equal(
    shares,
    [...shares].sort((a, b) => a - b),
  );
  assert.ok(shares.every((share) => share >= 0 && share <= 1));
  assert.ok(names.has("a") && names.has("b"));
  const refused = async (samples: Sample[], message: RegExp): Promise<void> => {
    try {
      await compareLayers(CHAIN, { core }, samples);
    } catch (error) {
      assert.instance(error, TransportError);
      assert.is((error as TransportError).code, "TW_IO_INPUT");
      assert.match((error as Error).message, message);
      return;
    }
    assert.unreachable();
  };
  await refused([], /no inputs/);
  await refused([{ name: "short", inputs: [new Uint8Array(5)] }], /was given 5/);
});

test.run();
