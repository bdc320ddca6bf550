// Coefficient buffers bit by bit: what every bit is, and which weight it yields. Written from spec/coefficients-v7.md and
// coefficients-v8.md, and knows only what the hardware knows: the buffer and the fields of the NN descriptor.
// SPDX-License-Identifier: MIT
import { chipByIdentity } from "../hw/chips.ts";
import type { Executable } from "../executable/executable.ts";
import { fieldReader } from "./decode.ts";
import { annotateV7 } from "./coefficient-bits-v7.ts";
import { annotateV8 } from "./coefficient-bits-v8.ts";
import {
  badCoefficients,
  type AnnotatedCoefficients,
  type CoefficientFields,
} from "./bit-spans.ts";

export type {
  AnnotatedCoefficients,
  BitSpan,
  CoefficientFields,
  CoreStream,
  SpanKind,
  SpanList,
  StreamKernel,
  WeightPlace,
} from "./bit-spans.ts";

const ANNOTATORS: Readonly<
  Record<
    number,
    (contents: Uint8Array, fields: CoefficientFields, only: number | null) => AnnotatedCoefficients
  >
> = { 7: annotateV7, 8: annotateV8 };

/**
 * Splits a coefficient buffer into spans of bits, each with its meaning, value and the weights that it yields.
 * Spans cover every bit of what the job reads exactly once; a driver's buffer may be longer.
 * @param only the core whose stream is wanted; the others are left out of the result. Default: all.
 * @throws SimFault TW_SIM_BAD_COEFFICIENTS when the streams contradict the fields, or the format is not known
 */
export function annotateCoefficients(
  contents: Uint8Array,
  fields: CoefficientFields,
  only: number | null = null,
): AnnotatedCoefficients {
  const annotate = ANNOTATORS[fields.nnCoreVersion];
  if (annotate === undefined)
    throw badCoefficients(`no coefficient format is known for NN cores ${fields.nnCoreVersion}`);
  const { kernelX, kernelY, kernelZ, outZ, kernelsPerCore, nnCores } = fields;
  const least = Math.min(kernelX, kernelY, kernelZ, outZ, kernelsPerCore, nnCores);
  if (!(least >= 1))
    throw badCoefficients(`a descriptor with a size of ${least} has no kernels to read`);
  return annotate(contents, fields, only);
}

/**
 * The fields that say how a job's coefficients are to be read.
 * @returns null for a TP job, a job without coefficients, or a chip that is not known
 * @throws RangeError when there is no such job
 */
export function coefficientFieldsOf(
  { chip, partitions }: Executable,
  partition: number,
  job: number,
): CoefficientFields | null {
  const owner = partitions[partition];
  const entry = owner?.jobs[job];
  if (!owner || !entry)
    throw new RangeError(
      `there is no job ${partition}.${job}: ` +
        (owner
          ? `partition ${partition} has ${owner.jobs.length}`
          : `partitions are ${partitions.length}`),
    );
  const known = chipByIdentity(chip);
  if (entry.kind !== "NN" || entry.coefficients === null || !known) return null;
  const descriptor = owner.buffers[entry.descriptors[0]!]?.contents;
  const value = fieldReader("NN", descriptor, known.nnCoreVersion);
  return {
    nnCoreVersion: known.nnCoreVersion,
    nnCores: known.nnCores,
    kernelX: value("KERNEL_X_SIZE"),
    kernelY: value("KERNEL_Y_SIZE"),
    kernelZ: value("KERNEL_Z_SIZE"),
    outZ: value("OUT_Z_SIZE"),
    kernelsPerCore: value("KERNELS_PER_CORE"),
    weightZeroPoint: value("COEF_ZERO_POINT"),
    depthwise: value("DEPTHWISE") === 1,
    outPlane: value("OUT_X_STRIDE") * value("OUT_Y_STRIDE"),
  };
}
