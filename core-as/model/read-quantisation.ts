// QuantizationParameters of a tensor -> Quantisation.
// SPDX-License-Identifier: MIT
import { UnsupportedError } from "../errors.ts";
import type { ElementType, Quantisation } from "../ir/graph.ts";
import { QUANTIZATION_DETAILS, TABLES } from "./schema.ts";
import { COST, type VerifiedTable, type VerifiedVector } from "./verified-buffer.ts";

type TensorTable = VerifiedTable<keyof typeof TABLES.Tensor.ids>;
type QuantTable = VerifiedTable<keyof typeof TABLES.QuantizationParameters.ids>;

/** Smallest and largest value of the types whose zero points are checked against their type. */
const TYPE_RANGE: Partial<Record<ElementType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
};

/**
 * Affine quantisation of a tensor: per tensor when there is one scale, otherwise one scale per index of a dimension.
 * Without scales there is none (null); without zero points they are 0; one zero point counts for all scales.
 * @param id tensor index, for messages
 * @throws ModelFormatError CORRUPT when counts, axis or values contradict each other
 * @throws UnsupportedError for quantisation of another kind (custom, by block, along several axes)
 */
export function readQuantisation(
  tensor: TensorTable,
  id: number,
  type: ElementType,
  shape: readonly number[],
): Quantisation | null {
  const quant = tensor.table("quantization", TABLES.QuantizationParameters);
  if (quant === null) return null;
  refuseOtherKinds(quant, id);

  // Not used, but a pointer behind the end is worth knowing.
  quant.vector("min", 4);
  quant.vector("max", 4);
  const scaleVector = quant.vector("scale", 4);
  const zeroVector = quant.vector("zeroPoint", 8);
  if (scaleVector === null || scaleVector.length === 0) return null;

  tensor.file.charge(COST.object, quant.start);
  const scales = readScales(scaleVector);
  const zeroPoints = readZeroPoints(zeroVector, scales.length, type, quant);
  const axis = scales.length === 1 ? 0 : readAxis(quant, scaleVector, shape, id);
  return { scales, zeroPoints, axis };
}

function refuseOtherKinds(quant: QuantTable, id: number): void {
  const details = quant.uint8("detailsType", 0);
  if (details === 0) return;
  const kind = QUANTIZATION_DETAILS[details];
  if (kind === undefined)
    quant.file.fail(
      "TW_MODEL_CORRUPT",
      `${quant.label("detailsType")} is ${details}`,
      quant.at("detailsType", 1),
    );
  throw new UnsupportedError("TW_UNSUP_OPERATOR", `tensor ${id} has ${kind} quantisation`, {
    tensor: id,
    byteOffset: quant.start,
  });
}

function readScales(vector: VerifiedVector): Float32Array {
  const scales = vector.floats();
  for (let i = 0; i < scales.length; i++)
    // Zero is left to the graph's verification: tensors that nobody reads may have it.
    if (!(scales[i]! >= 0 && scales[i]! < Infinity))
      vector.file.fail(
        "TW_MODEL_CORRUPT",
        `${vector.label}[${i}] is ${scales[i]}`,
        vector.start + 4 * i,
      );
  return scales;
}

function readZeroPoints(
  vector: VerifiedVector | null,
  count: number,
  type: ElementType,
  quant: QuantTable,
): Int32Array {
  quant.file.charge(COST.typedArray + 4 * count, quant.start);
  const zeroPoints = new Int32Array(count);
  if (vector === null || vector.length === 0) return zeroPoints;
  if (vector.length !== 1 && vector.length !== count)
    vector.file.fail(
      "TW_MODEL_CORRUPT",
      `${vector.length} zero points for ${count} scales`,
      vector.start - 4,
    );

  const [low, high] = TYPE_RANGE[type] ?? [-(2 ** 31), 2 ** 31 - 1];
  for (let i = 0; i < vector.length; i++) {
    const value = vector.int64(i);
    if (value < low || value > high)
      vector.file.fail(
        "TW_MODEL_CORRUPT",
        `${vector.label}[${i}] is ${value}, outside ${type}`,
        vector.start + 8 * i,
      );
    zeroPoints[i] = value;
  }
  if (vector.length === 1) zeroPoints.fill(zeroPoints[0]!);
  return zeroPoints;
}

function readAxis(
  quant: QuantTable,
  scales: VerifiedVector,
  shape: readonly number[],
  id: number,
): number {
  const axis = quant.int32("quantizedDimension", 0);
  if (axis < 0 || axis >= shape.length)
    quant.file.fail(
      "TW_MODEL_CORRUPT",
      `${quant.label("quantizedDimension")} is ${axis} in a tensor of rank ${shape.length}`,
      quant.at("quantizedDimension", 4) || scales.start - 4,
    );
  if (scales.length !== shape[axis])
    quant.file.fail(
      "TW_MODEL_CORRUPT",
      `tensor ${id} has ${scales.length} scales for dimension ${axis} of size ${shape[axis]}`,
      scales.start - 4,
    );
  return axis;
}
