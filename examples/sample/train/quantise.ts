// The trained network as a quantised TFLite graph: uint8 weights and activations, int32 biases, all per tensor.
// SPDX-License-Identifier: MIT
import {
  elementCount,
  type ElementType,
  type Model,
  type Op,
  type OpOptions,
  type Tensor,
} from "../../../core-as/ir/graph.ts";
import { SIDE } from "./data.ts";
import type { Activations, Layer } from "./layer.ts";
import { CLASSES, type Network } from "./net.ts";
import { affineOf, quantiseValue, rangeOf, type Affine } from "./ranges.ts";

/** Pixels are used as they are: byte 255 stands for 1. */
const PIXEL: Affine = { scale: Math.fround(1 / 255), zeroPoint: 0 };
/** The quantisation that TFLite demands of a uint8 softmax. */
const PROBABILITY: Affine = { scale: 1 / 256, zeroPoint: 0 };

/** Name of the model inside the file. */
const DESCRIPTION = "Tilewright sample: handwritten digits, uint8";

/**
 * The network as a model for `writeModel`.
 * @param network trained and calibrated
 */
export function quantiseNetwork(network: Network): Model {
  const builder = new Builder();
  const image = builder.activation("image", [1, SIDE, SIDE, 1], PIXEL);
  const tensorOf = new Map<Activations, Tensor>([[network.input, image]]);
  for (const layer of network.layers)
    tensorOf.set(
      layer.output,
      builder.layer(
        layer,
        layer.inputs.map((input) => tensorOf.get(input)!),
      ),
    );

  const logits = tensorOf.get(network.logits)!;
  const flatShape = [1, CLASSES];
  const shape = builder.constant("scores/shape", [2], "int32", bytesOf(flatShape), null);
  const scores = builder.activation("scores", flatShape, affineOfTensor(logits));
  builder.op("RESHAPE", [logits, shape], scores, { newShape: flatShape });
  const probabilities = builder.activation("probabilities", flatShape, PROBABILITY);
  builder.op("SOFTMAX", [scores], probabilities, { beta: 1 });

  return {
    description: DESCRIPTION,
    schemaVersion: 3,
    graph: {
      name: "main",
      tensors: builder.tensors,
      ops: builder.ops,
      inputs: [image.id],
      outputs: [probabilities.id],
    },
    otherSubgraphs: [],
  };
}

class Builder {
  readonly tensors: Tensor[] = [];
  readonly ops: Op[] = [];

  activation(name: string, shape: number[], affine: Affine): Tensor {
    return this.#tensor(name, shape, "uint8", null, affine);
  }

  constant(
    name: string,
    shape: number[],
    type: ElementType,
    bytes: Uint8Array,
    affine: Affine | null,
  ): Tensor {
    return this.#tensor(name, shape, type, bytes, affine);
  }

  op<K extends keyof OpOptions>(
    kind: K,
    inputs: Tensor[],
    output: Tensor,
    options: OpOptions[K],
  ): Tensor {
    this.ops.push({
      id: this.ops.length,
      kind,
      customName: null,
      version: 1,
      inputs: inputs.map(({ id }) => id),
      outputs: [output.id],
      options: { ...options },
      customOptions: null,
    });
    return output;
  }

  /** The operator of a layer, with its constants; returns its output. */
  layer(layer: Layer, inputs: Tensor[]): Tensor {
    const { name, kernel, stride, output, range } = layer;
    if (!range) throw new Error(`${name} is not calibrated`);
    const x = inputs[0]!;
    const constants =
      layer.parameters.length > 0 ? this.#weightsAndBias(layer, affineOfTensor(x)) : [];
    const y = this.activation(name, [1, output.h, output.w, output.c], affineOf(range));
    const activation = layer.relu ? "relu" : "none";
    const same = { padding: "same", strideW: stride, strideH: stride } as const;
    const undilated = { dilationW: 1, dilationH: 1, activation } as const;
    switch (layer.kind) {
      case "conv":
        return this.op("CONV_2D", [x, ...constants], y, { ...same, ...undilated });
      case "depthwise":
        return this.op("DEPTHWISE_CONV_2D", [x, ...constants], y, {
          ...same,
          ...undilated,
          depthMultiplier: 1,
        });
      case "add":
        return this.op("ADD", inputs, y, { activation });
      case "average":
        return this.op("AVERAGE_POOL_2D", [x], y, {
          ...same,
          padding: "valid",
          filterW: kernel,
          filterH: kernel,
          activation,
        });
    }
  }

  #weightsAndBias(layer: Layer, input: Affine): Tensor[] {
    const { name, kernel, output } = layer;
    const [weights, bias] = layer.parameters as [Layer["parameters"][0], Layer["parameters"][0]];
    const affine = affineOf(rangeOf(weights.value));
    const quantised = Uint8Array.from(weights.value, (value) => quantiseValue(value, affine));
    const depth = weights.value.length / (kernel * kernel * output.c);
    const shape =
      layer.kind === "depthwise"
        ? [1, kernel, kernel, output.c]
        : [output.c, kernel, kernel, depth];

    // the unit of the accumulator, in binary32 as TFLite computes it
    const unit = Math.fround(input.scale * affine.scale);
    const biases = bytesOf(Array.from(bias.value, (value) => Math.round(value / unit)));
    return [
      this.constant(`${name}/weights`, shape, "uint8", quantised, affine),
      this.constant(`${name}/bias`, [output.c], "int32", biases, { scale: unit, zeroPoint: 0 }),
    ];
  }

  #tensor(
    name: string,
    shape: number[],
    type: ElementType,
    constant: Uint8Array | null,
    affine: Affine | null,
  ): Tensor {
    const quant = affine && {
      scales: Float32Array.of(affine.scale),
      zeroPoints: Int32Array.of(affine.zeroPoint),
      axis: 0,
    };
    const tensor = { id: this.tensors.length, name, type, shape, quant, constant };
    if (constant && type === "uint8" && constant.length !== elementCount(shape))
      throw new Error(`${name} has ${constant.length} bytes for shape [${shape}]`);
    this.tensors.push(tensor);
    return tensor;
  }
}

function affineOfTensor({ quant }: Tensor): Affine {
  return { scale: quant!.scales[0]!, zeroPoint: quant!.zeroPoints[0]! };
}

/** 32-bit numbers in the file's (little-endian) byte order. */
function bytesOf(values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setInt32(4 * index, value, true));
  return bytes;
}
