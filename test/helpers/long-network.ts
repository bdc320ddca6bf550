// A network of very many small convolutions: its command stream is longer than the kernel takes in one submit.
// SPDX-License-Identifier: MIT
import type { Executable } from "../../core-as/executable/executable.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { compileCase } from "./compile-case.ts";
import { coreOf } from "./cores.ts";
import { graph, op, PLAIN_CONV, tensor } from "./make-graph.ts";
import { rng } from "./prng.mjs";
import { inputsOfCase, simulate } from "./simulate.ts";

const CHANNELS = 4;

/** A chain of 1x1 convolutions of one pixel; weights differ, so that a missing or repeated job shows. */
function longModel(convolutions: number): Uint8Array {
  const random = rng("long network");
  const activation = () => tensor([1, 1, 1, CHANNELS], { scales: [0.05] });
  const tensors = [activation()];
  const ops = [];
  let now = 0;
  for (let i = 0; i < convolutions; i++) {
    const weights = tensor([CHANNELS, 1, 1, CHANNELS], { scales: [0.01] });
    weights.quant!.zeroPoints[0] = 128;
    weights.constant = Uint8Array.from({ length: CHANNELS ** 2 }, () => random.next() >>> 24);
    const weight = tensors.push(weights) - 1;
    const to = tensors.push({ ...activation() }) - 1;
    tensors[to]!.quant!.zeroPoints[0] = 128;
    ops.push(op("CONV_2D", [now, weight, -1], [to], PLAIN_CONV));
    now = to;
  }
  return writeModel({
    graph: graph(tensors, ops, [0], [now]),
    description: "",
    schemaVersion: 3,
    otherSubgraphs: [],
  });
}

export interface LongNetwork {
  executable: Executable;
  inputs: Uint8Array[];
  /** What the simulator makes of them, in one submit. */
  answer: Uint8Array[];
}

/** 40 bytes of stream a job: 3300 of them do not fit 128 KiB. */
export async function longNetwork(convolutions = 3300): Promise<LongNetwork> {
  const core = await coreOf("release");
  const off = { tileSearch: false, cacheSplit: false, depthwiseGroups: false } as const;
  const { executable, model } = compileCase(core, longModel(convolutions), {
    mode: "optimised",
    optimisations: off,
  });
  const inputs = inputsOfCase("long", model.graph);
  return { executable, inputs, answer: await simulate(executable, inputs) };
}
