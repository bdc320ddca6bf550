// Runs a model compiled for a chip on the simulator, through the same session that applications use.
// SPDX-License-Identifier: MIT
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import type { Graph } from "../../core-as/ir/graph.ts";
import { tensorBytes } from "../../core-as/ir/graph.ts";
import { checkExecutable } from "./check-executable.ts";
import { inputBytes } from "./prng.mjs";

/** The deterministic inputs of a named case, one for each graph input. */
export function inputsOfCase(name: string, graph: Graph): Uint8Array[] {
  return graph.inputs.map((id, index) => {
    const { type, shape } = graph.tensors[id]!;
    return inputBytes(name, index, tensorBytes(type, shape)!);
  });
}

/** Outputs of one simulated inference. What is simulated passes the pre-submit check first, as on a device. */
export async function simulate(
  executable: Executable,
  inputs: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  await checkExecutable(executable);
  const transport = createSimTransport(chipByName(executable.chip.name)!);
  const session = await createSession(executable, transport);
  try {
    return [...(await session.run(inputs)).outputs];
  } finally {
    await session.close();
    await transport.close();
  }
}

/** Largest difference of two byte arrays, as numbers of the tensor's type. */
export function maxDifference(type: string, got: Uint8Array, want: Uint8Array): number {
  if (got.length !== want.length) return Infinity;
  const flip = type === "int8" ? 0x80 : 0;
  let most = 0;
  for (let i = 0; i < got.length; i++)
    most = Math.max(most, Math.abs((got[i]! ^ flip) - (want[i]! ^ flip)));
  return most;
}

/**
 * How far optimised results may be from TFLite's: 1 where one operator computes, 2 where several do, each rounding
 * once where TFLite rounds twice. Nine layers in a row (chain-deep) may carry one more.
 */
export function toleranceOf(caseName: string): number {
  if (caseName.startsWith("chain-deep")) return 3;
  return /^(chain|add|concat|split|pad)/.test(caseName) ? 2 : 1;
}
