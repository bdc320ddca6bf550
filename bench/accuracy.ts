// How near whole models come to TFLite's recorded outputs, and how many bytes of each operator alone differ from the integer
// reference. Named peer: TFLite 2.14's reference kernels. Everything here is simulated.
// Usage: npm run bench:accuracy [-- --json] [-- --target imx8mp] [-- --model yolox] [-- --layers] [-- --stages] [-- --exact-rounding]
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { sampleOfFiles } from "../cli/compare-pictures.ts";
import {
  chipByName,
  compareLayers,
  compile,
  Core,
  createSession,
  createSimTransport,
  readModel,
  type Chip,
  type ElementType,
  type Tensor,
} from "../core-as/index.ts";
import { lowestOf, requantisedSteps } from "../core-as/compile/optimised/numerics.ts";
import {
  encodable,
  fitOutputStage,
  levelStarts,
  stageLimits,
  type Steps,
} from "../core-as/compile/optimised/output-stage.ts";
import { fitRanges, isExact } from "../core-as/compile/optimised/ranges.ts";
import { scaleOf, zp8 } from "../core-as/compile/lower-shared.ts";
import { convolutionFactor } from "../core-as/ir/fixed-point.ts";
import { runGraph } from "../core-as/runtime/cpu/index.ts";
import { corpusBytes, corpusPath, hasCorpus } from "../test/helpers/corpus.ts";
import { equalShare, floatsOf, ranked, shareWithin } from "../test/helpers/whole-models.ts";
import { report } from "./harness.ts";

const argument = (name: string): string | null => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? null);
};

const only = argument("--model");
/** Left out: as `tilewright compile` without the flag, one job for each layer. */
const exactRounding = process.argv.includes("--exact-rounding");
const mode = exactRounding ? "optimised, exact rounding" : "optimised";
const targets = argument("--target") === null ? ["a311d", "imx8mp"] : [argument("--target")!];
const core = await Core.create();

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
};

/** What a user would read out of one output, beside the bytes. */
function outputFigures(type: ElementType, got: Uint8Array, want: Uint8Array) {
  if (type === "float32") return { largest: largest(floatsOf(got), floatsOf(want)) };
  const width = type === "int64" ? 8 : 1;
  const figures = {
    largest: largest(got, want),
    equal: equalShare(got, want, width),
    within8: shareWithin(got, want, 8),
  };
  if (want.length > 1001 + 1) return figures;
  const text = (values: Uint8Array): string =>
    ranked(values, 5)
      .map((index) => `${index}=${values[index]}`)
      .join(" ");
  const order = (values: Uint8Array): string => ranked(values, 5).join();
  return {
    ...figures,
    topFive: text(got),
    ...(order(got) === order(want) ? {} : { topFiveOfTflite: text(want) }),
    topFiveEqual: order(got) === order(want) ? 1 : 0,
  };
}

async function wholeModel(name: string, target: string): Promise<void> {
  const bytes = corpusBytes("models", `${name}.tflite`);
  const { graph } = readModel(bytes);
  const { executable } = await compile(bytes, { target, core, exactRounding });
  const transport = await createSimTransport(chipByName(target)!);
  const session = await createSession(executable, transport);
  for (const picture of readdirSync(corpusPath("reference-pictures", name))) {
    const directory = ["reference-pictures", name, picture];
    const inputs = [corpusBytes(...directory, "input-0.bin.gz")];
    const { outputs } = await session.run(inputs);
    const reference = runGraph(core, graph, inputs);
    graph.outputs.forEach((id, i) => {
      const want = corpusBytes(...directory, `output-${i}.bin.gz`);
      report({
        bench: "accuracy",
        case: `${name}/${picture}/output-${i}`,
        target,
        mode,
        ...outputFigures(graph.tensors[id]!.type, outputs[i]!, want),
        // The recorded outputs are those of the integer reference that the layers are compared with.
        cpuKernelsEqual: Buffer.compare(reference.get(id)!, want) === 0 ? 1 : 0,
      });
    });
  }
  await transport.close();
}

/** Per operator kind: bytes that differ when the operator alone is fed with the reference's inputs. */
async function layers(name: string, target: string): Promise<void> {
  const picture = readdirSync(corpusPath("reference-pictures", name))[0]!;
  const model = corpusBytes("models", `${name}.tflite`);
  const samples = [sampleOfFiles(model, [corpusPath("models", `${picture}.bmp`)])];
  const compared = await compareLayers(model, { target, exactRounding }, samples);
  const kinds = new Map<string, { operators: number; differing: number; of: number }>();
  for (const { name: kind, alone } of compared.layers) {
    if (alone === null) continue;
    const sum = kinds.get(kind) ?? { operators: 0, differing: 0, of: 0 };
    kinds.set(kind, {
      operators: sum.operators + 1,
      differing: sum.differing + alone.different,
      of: sum.of + alone.elements,
    });
  }
  for (const [kind, { operators, differing, of }] of kinds)
    report({
      bench: "accuracy-layers",
      case: `${name}/${picture}/${kind}`,
      target,
      mode,
      operators,
      differing,
      of,
      share: differing / of,
    });
}

interface RangeSums {
  inRanges?: number;
  mostRanges?: number;
  notExact?: number;
}

function countRanges(sums: RangeSums, steps: Steps, chip: Chip): void {
  const plan = fitRanges(steps, stageLimits(chip, 0, LARGEST));
  if (plan === null) sums.notExact!++;
  else sums.inRanges!++;
  sums.mostRanges = Math.max(sums.mostRanges!, plan?.ranges.length ?? 0);
}

/** Above all accumulators of these models. */
const LARGEST = 2 ** 28;

/** Convolutions whose output stage gives TFLite's byte for every accumulator there is, and how many output steps are off in others. */
function stages(name: string, target: string): void {
  const chip = chipByName(target)!;
  const { graph } = readModel(corpusBytes("models", `${name}.tflite`));
  const sums = {
    rectified: 0,
    rectifiedExact: 0,
    linear: 0,
    linearExact: 0,
    steps: 0,
    stepsOff: 0,
    // With exact rounding: layers that take several jobs and are right for every accumulator, and the most of these jobs.
    ...(exactRounding && { inRanges: 0, mostRanges: 0, notExact: 0 }),
  };
  for (const op of graph.ops) {
    const [input, weight, output] = [op.inputs[0], op.inputs[1], op.outputs[0]].map(
      (id) => graph.tensors[id!]!,
    ) as [Tensor, Tensor, Tensor];
    if (!/CONV_2D/.test(op.kind) || weight.quant?.scales.length !== 1) continue;
    const factor = convolutionFactor(op.kind, input, weight, scaleOf(weight), output);
    const lowest = lowestOf(op, output);
    const steps = requantisedSteps(factor, zp8(output), lowest)!;
    const limits = stageLimits(chip, lowest, LARGEST);
    const plain = {
      factor: encodable(factor, limits.multiplierBits),
      offset: 0,
      zeroPoint: zp8(output),
    };
    const stage = fitOutputStage(steps, limits) ?? plain;
    const starts = levelStarts(stage, lowest);
    const off = steps.upper.filter((want, i) => starts[i] !== want).length;
    const isLinear = lowest < zp8(output);
    sums[isLinear ? "linear" : "rectified"]++;
    if (off === 0) sums[isLinear ? "linearExact" : "rectifiedExact"]++;
    sums.steps += starts.length;
    sums.stepsOff += off;
    if (exactRounding && !isExact(steps, stage)) countRanges(sums, steps, chip);
  }
  report({ bench: "accuracy-stages", case: name, target, mode, ...sums });
}

const measure = process.argv.includes("--stages")
  ? stages
  : process.argv.includes("--layers")
    ? layers
    : wholeModel;

if (!hasCorpus) console.error("skipped: accuracy (no shared corpus)");
else
  for (const target of targets)
    for (const name of readdirSync(corpusPath("reference-pictures")))
      if (only === null || name === only) await measure(name, target);
