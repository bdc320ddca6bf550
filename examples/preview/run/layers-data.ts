// Every layer against the integer reference, on the inputs that were chosen. Runs in the worker.
// SPDX-License-Identifier: MIT
import { compareLayers, UsageError, type AccuracyReport } from "../../../core-as/index.ts";
import type { WorkerCompileOptions } from "../../../core-as/worker/index.ts";
import type { Held } from "../service.ts";

export interface LayersArguments {
  key: string;
  /** What the compilation was told. */
  options: WorkerCompileOptions;
  inputs: Uint8Array[];
  /** What the inputs are called. */
  name: string;
  /** Also against a float evaluation; takes several times as long. */
  float: boolean;
}

/**
 * Compares the model layer by layer.
 * @throws UsageError TW_USAGE for an executable, which holds no weights to compute a reference with
 * @throws what compareLayers throws; TransportError TW_IO_ABORTED
 */
export async function viewLayers(
  { model, core, signal, onProgress }: Held,
  { options, inputs, name, float }: LayersArguments,
): Promise<AccuracyReport> {
  if (model === undefined)
    throw new UsageError("an executable alone has no reference; open the model", "model");
  const settings = { ...options, core, signal, float };
  return compareLayers(model, settings, [{ name, inputs }], onProgress);
}
