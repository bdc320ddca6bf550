// What "tilewright run" makes of the recorded outputs of whole models.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readLabels } from "../../cli/answers.ts";
import { describeOutputs, outputInfos, readModel, type ModelAnswer } from "../../core-as/index.ts";
import { corpusBytes, corpusPath, needCorpus } from "../helpers/corpus.ts";

function answer(model: string, picture: string, labels: string): ModelAnswer {
  const { graph } = readModel(corpusBytes("models", `${model}.tflite`));
  const infos = outputInfos(graph);
  const outputs = infos.map((_, i) =>
    corpusBytes("reference-pictures", model, picture, `output-${i}.bin.gz`),
  );
  const options = { top: 2, labels: readLabels(corpusPath("models", labels)) };
  return describeOutputs(graph, infos, outputs, options);
}

if (needCorpus("answers")) {
  const test = suite("answers");

  test("boxes of a detection model", () => {
    const { kind, detections } = answer(
      "ssdlite_mobiledet_coco_qat_postprocess",
      "grace_hopper",
      "coco_labels.txt",
    );
    assert.is(kind, "detection");
    assert.is(detections!.length, 10);
    const [person, tie] = detections!;
    assert.equal([person!.class, person!.label, tie!.label], [0, "person", "tie"]);
    assert.ok(person!.score > 0.7 && tie!.box.top > 0.6 && tie!.box.right < 0.6);
  });

  test("areas of a segmentation model", () => {
    const { kind, mask } = answer(
      "deeplabv3_mnv2_dm05_pascal_quant",
      "bird_segmentation",
      "pascal_voc_segmentation_labels.txt",
    );
    assert.is(kind, "segmentation");
    assert.equal(
      mask!.slice(0, 2).map(({ index, label }) => [index, label]),
      [
        [0, "background"],
        [3, "bird"],
      ],
    );
    assert.is(
      mask!.reduce((sum, { pixels }) => sum + pixels, 0),
      513 * 513,
    );
  });

  test("classes, and no classes", () => {
    const { kind, outputs } = answer(
      "mobilenet_v1_1.0_224_quant",
      "grace_hopper",
      "imagenet_labels.txt",
    );
    assert.is(kind, "tensors");
    assert.equal(
      outputs[0]!.top!.map(({ label }) => label),
      ["military uniform", "Windsor tie"],
    );
    const pose = answer("movenet_single_pose_lightning_ptq", "cat", "coco_labels.txt");
    assert.is(pose.kind, "pose");
    assert.equal([pose.keypoints!.length, pose.keypoints![0]!.name], [17, "nose"]);
    assert.is(pose.outputs[0]!.top, null);
    assert.ok(pose.outputs[0]!.range!.max <= 1.1);
  });

  test.run();
}
