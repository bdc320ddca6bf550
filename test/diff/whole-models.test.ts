// Whole models on pictures, NPU and CPU parts together: compile, serialise, parse, simulate, compare with TFLite's outputs.
// SPDX-License-Identifier: MIT
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  chipByName,
  compile,
  createSession,
  createSimTransport,
  inputInfos,
  parseExecutable,
  readModel,
  serialiseExecutable,
  type CompileReport,
} from "../../core-as/index.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { readInputs } from "../../cli/tensors.ts";
import { coreOf } from "../helpers/cores.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";
import {
  checkDetections,
  checkTopFive,
  equalShare,
  floatsOf,
  shareWithin,
} from "../helpers/whole-models.ts";

const NAME = "whole models";

type Bytes = readonly Uint8Array[];

interface WholeModel {
  /** Checks one picture's outputs against TFLite's. */
  check(got: Bytes, want: Bytes, target: string): void;
  /** Why a convolution may stay on the CPU; without it none may. */
  cpuConvolutions?: string;
  /** Least share of the multiply-accumulates on the NPU. */
  share: number;
  /** Layers with a scale for each channel, at least. */
  perChannel?: number;
  /** Pictures without recorded outputs: TFLite's are computed by the CPU kernels, which equal TFLite's byte for byte. */
  furtherPictures?: string[];
}

/** Classes may change places where TFLite's values are `gap` steps of 1/256 apart or less. */
const classifier = (gap: number) => (got: Bytes, want: Bytes) =>
  checkTopFive(got[0]!, want[0]!, gap);

const MODELS: Readonly<Record<string, WholeModel>> = {
  "mobilenet_v1_0.25_128_quant": { check: classifier(0), share: 1 },
  "mobilenet_v1_1.0_224_quant": { check: classifier(0), share: 1 },
  // Linear layers in one job are not exact: among values of 0 and 1 of 256, places may change.
  "mobilenet_v2_1.0_224_quant": { check: classifier(1), share: 1 },
  "tf2_mobilenet_v2_1.0_224_ptq": { check: classifier(0), share: 1, perChannel: 53 },
  ssdlite_mobiledet_coco_qat_postprocess: {
    check: (got, want) => assert.ok(checkDetections(got, want, 0.5, 0.02) >= 1, "no detection"),
    share: 1,
    furtherPictures: ["squat"],
  },
  yolox: { check: checkYolox, share: 1 },
  deeplabv3_mnv2_dm05_pascal_quant: {
    check: (got, want) => assert.ok(equalShare(got[0]!, want[0]!, 8) >= 0.99, "mask"),
    cpuConvolutions: "CONV_DILATION",
    share: 0.98,
  },
  movenet_single_pose_lightning_ptq: {
    check: checkKeyPoints,
    share: 1,
    perChannel: 73,
    furtherPictures: ["squat"],
  },
};

/**
 * Raw outputs of 83 convolutions in a row. One step in one byte of one of them is up to 66 steps at the end (npm run
 * bench:sensitivity), so outputs are near each other only where every convolution is exact. With one job for each layer that is so
 * on version 8; on version 7, with 16 bits of multiplier, only with exact rounding (docs/accuracy.md). TFLite's own XNNPACK
 * kernels are up to 54 away.
 */
function checkYolox(got: Bytes, want: Bytes, target: string): void {
  for (const [i, bytes] of want.entries()) {
    assert.ok(shareWithin(got[i]!, bytes, 8) >= (target === "imx8mp" ? 1 : 0.99), `output ${i}`);
    assert.ok(shareWithin(got[i]!, bytes, 0) >= 0.97, `output ${i} equal`);
  }
}

/** Rows, columns and scores of the 17 key points; those that TFLite itself holds for likely must agree. */
function checkKeyPoints(got: Bytes, want: Bytes): void {
  const [points, wanted] = [floatsOf(got[0]!), floatsOf(want[0]!)];
  for (let at = 0; at < wanted.length; at += 3)
    if (wanted[at + 2]! >= 0.3)
      for (const i of [at, at + 1])
        assert.ok(Math.abs(points[i]! - wanted[i]!) <= 0.02, `key point ${at / 3}`);
}

/** With exact rounding only additions differ from TFLite's bytes, so models without any do not differ at all. */
const EXACT_MODELS: Readonly<Record<string, WholeModel["check"]>> = {
  "mobilenet_v1_0.25_128_quant": checkEqual,
  "mobilenet_v1_1.0_224_quant": checkEqual,
  "mobilenet_v2_1.0_224_quant": classifier(0),
  yolox: checkEqual,
};

function checkEqual(got: Bytes, want: Bytes): void {
  for (const [i, bytes] of want.entries())
    assert.ok(equalShare(got[i]!, bytes, 1) === 1, `output ${i}`);
}

/** Every convolution is on the NPU, or its sentence says why not. */
function checkPlacement(report: CompileReport, { cpuConvolutions, share }: WholeModel): void {
  for (const { name, place, constraint, reason } of report.operators) {
    if (place === "npu" || !/CONV/.test(name)) continue;
    assert.is(constraint, cpuConvolutions, `${name} on the CPU`);
    assert.match(reason ?? "", /\.$/);
  }
  assert.ok(report.totals.npuMacShare >= share, `${report.totals.npuMacShare} on the NPU`);
}

/** Balanced accuracy is what every layer with a scale for each channel states. */
function checkBounds({ accuracies }: CompileReport, { perChannel = 0 }: WholeModel): void {
  assert.ok(accuracies.length >= perChannel, `${accuracies.length} layers`);
  // Bounds are rounded to binary32 in the executable.
  for (const { op, bound, withinOne } of accuracies)
    assert.ok(bound <= 3 + 1e-6 && withinOne >= 0.99, `#${op}: ${bound}, ${withinOne}`);
}

/** Recorded inputs and outputs of a picture. */
function recorded(model: string, picture: string): { inputs: Bytes; want: Bytes } {
  const directory = ["reference-pictures", model, picture];
  const count = readdirSync(corpusPath(...directory)).filter((file) => /^output-/.test(file));
  return {
    inputs: [corpusBytes(...directory, "input-0.bin.gz")],
    want: count.map((_, i) => corpusBytes(...directory, `output-${i}.bin.gz`)),
  };
}

async function computed(bytes: Uint8Array, picture: string) {
  const { graph } = readModel(bytes);
  const inputs = await readInputs([corpusPath("models", `${picture}.bmp`)], inputInfos(graph));
  const outputs = runGraph(await coreOf("release"), graph, inputs);
  return { inputs, want: graph.outputs.map((id) => outputs.get(id)!) };
}

async function checkModel(
  name: string,
  target: string,
  model: WholeModel,
  exactRounding: boolean,
): Promise<void> {
  const bytes = corpusBytes("models", `${name}.tflite`);
  const { executable, report } = await compile(bytes, { target, exactRounding });
  checkPlacement(report, model);
  checkBounds(report, model);
  const transport = await createSimTransport(chipByName(target)!);
  try {
    const session = await createSession(
      parseExecutable(serialiseExecutable(executable)),
      transport,
    );
    const pictures = readdirSync(corpusPath("reference-pictures", name)).sort();
    for (const picture of [...pictures, ...(model.furtherPictures ?? [])]) {
      const { inputs, want } = pictures.includes(picture)
        ? recorded(name, picture)
        : await computed(bytes, picture);
      const { outputs } = await session.run(inputs);
      try {
        model.check(outputs, want, target);
      } catch (error) {
        (error as Error).message = `${picture}: ${(error as Error).message}`;
        throw error;
      }
    }
  } finally {
    await transport.close();
  }
}

if (needCorpus(NAME))
  for (const target of ["a311d", "imx8mp"])
    for (const exactRounding of [false, true]) {
      const test = suite(`${NAME} on ${target}${exactRounding ? ", exact rounding" : ""}`);
      for (const [name, model] of Object.entries(MODELS)) {
        const check = (exactRounding && EXACT_MODELS[name]) || model.check;
        test(name, () => checkModel(name, target, { ...model, check }, exactRounding));
      }
      test.run();
    }
