// A model that no NPU takes: one float32 convolution.
// SPDX-License-Identifier: MIT
import type { Tensor } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { PLAIN_CONV } from "./make-graph.ts";

function floatTensor(id: number, name: string, shape: number[], isConstant: boolean): Tensor {
  const size = shape.reduce((product, side) => product * side, 1);
  const constant = isConstant ? new Uint8Array(4 * size) : null;
  return { id, name, type: "float32", shape, quant: null, constant };
}

export function writeFloatModel(): Uint8Array {
  return writeModel({
    description: "float convolution",
    schemaVersion: 3,
    otherSubgraphs: [],
    graph: {
      name: "main",
      tensors: [
        floatTensor(0, "input", [1, 4, 4, 2], false),
        floatTensor(1, "weights", [3, 1, 1, 2], true),
        floatTensor(2, "bias", [3], true),
        floatTensor(3, "output", [1, 4, 4, 3], false),
      ],
      ops: [
        {
          id: 0,
          kind: "CONV_2D",
          customName: null,
          version: 1,
          inputs: [0, 1, 2],
          outputs: [3],
          options: PLAIN_CONV,
          customOptions: null,
        },
      ],
      inputs: [0],
      outputs: [3],
    },
  });
}
