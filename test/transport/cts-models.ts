// Models and answers of the transports' conformance suite, computed once for each chip.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import { compile } from "../../core-as/compile/compile.ts";
import { Core } from "../../core-as/core.ts";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import type { Graph } from "../../core-as/ir/graph.ts";
import { writeModel } from "../../core-as/model/write.ts";
import { runGraph } from "../../core-as/runtime/cpu/index.ts";
import { createSession, type Session } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { inputInfos, outputInfos } from "../../core-as/runtime/tensor-info.ts";
import { cliModel } from "../helpers/cli-models.ts";
import { single, tensor } from "../helpers/make-graph.ts";
import { rng } from "../helpers/prng.mjs";

/** Models by what they are in the suite for; `tolerance`: greatest distance from the integer reference. */
const MODELS = {
  /** One input, two outputs; both on the NPU. */
  twoOutputs: { bytes: () => cliModel("chain-tap-i10x10x8-o16-k3-u8"), tolerance: 1 },
  /** Signed tensors, which move by 128 on their way to the NPU and back. */
  signed: { bytes: () => cliModel("chain-mbv1-i24x40x3-o8-i8"), tolerance: 1 },
  /** NPU, CPU, NPU. */
  mixed: { bytes: () => cliModel("chain-pool-i16x16x8-o16-k3-u8"), tolerance: 2 },
  /** Nothing for the NPU. */
  cpuOnly: { bytes: maxPool, tolerance: 0 },
  /** 1 MiB in, 2 MiB out. */
  big: { bytes: () => cliModel("pw-i256x256x16-o32-u8"), tolerance: 1 },
} as const;

export type ModelName = keyof typeof MODELS;
export const MODEL_NAMES = Object.keys(MODELS) as ModelName[];

function maxPool(): Uint8Array {
  const options = { padding: "valid", strideW: 2, strideH: 2, filterW: 2, filterH: 2 };
  const graph = single("MAX_POOL_2D", [tensor([1, 4, 4, 8])], [tensor([1, 2, 2, 8])], {
    ...options,
    activation: "none",
  });
  const named = { ...graph, tensors: graph.tensors.map((t) => ({ ...t, name: `t${t.id}` })) };
  return writeModel({
    description: "maximum pooling",
    schemaVersion: 3,
    otherSubgraphs: [],
    graph: named,
  });
}

/** A compiled model with inputs by number and the answers to them. */
export class Model {
  private readonly answers = new Map<number, Promise<Uint8Array[]>>();

  private constructor(
    readonly name: ModelName,
    readonly executable: Executable,
    private readonly graph: Graph,
    private readonly core: Core,
    private readonly session: Session,
  ) {}

  static async create(name: ModelName, chip: string): Promise<Model> {
    const core = await Core.create();
    const { executable, model } = await compile(MODELS[name].bytes(), { target: chip, core });
    const session = await createSession(executable, createSimTransport(chipByName(chip)!));
    return new Model(name, executable, model.graph, core, session);
  }

  get jobs(): { partition: number; job: number }[] {
    return this.executable.partitions.flatMap(({ jobs }, partition) =>
      jobs.map((_, job) => ({ partition, job })),
    );
  }

  /** Random inputs; the same for the same number. */
  inputs(number: number): Uint8Array[] {
    return inputInfos(this.executable.graph).map(({ bytes }, i) => {
      const random = rng(`cts/${this.name}/${number}/${i}`);
      return Uint8Array.from({ length: bytes }, () => random.byte());
    });
  }

  /** What the simulator answers to these inputs, checked against the integer reference. */
  answer(number: number): Promise<Uint8Array[]> {
    let answer = this.answers.get(number);
    if (answer === undefined) this.answers.set(number, (answer = this.compute(number)));
    return answer;
  }

  private async compute(number: number): Promise<Uint8Array[]> {
    const inputs = this.inputs(number);
    const { outputs } = await this.session.run(inputs);
    const reference = runGraph(this.core, this.graph, inputs);
    for (const [i, { tensor: id, type }] of outputInfos(this.graph).entries()) {
      const worst = distance(type, outputs[i]!, reference.get(id)!);
      const { tolerance } = MODELS[this.name];
      assert.ok(
        worst <= tolerance,
        `${this.name}: output ${i} of the simulator is off by ${worst}`,
      );
    }
    return outputs;
  }
}

/** Largest difference of two tensors of 8-bit values. */
function distance(type: string, a: Uint8Array, b: Uint8Array): number {
  const value = (byte: number): number => (type === "int8" ? (byte << 24) >> 24 : byte);
  return a.reduce((worst, byte, i) => Math.max(worst, Math.abs(value(byte) - value(b[i]!))), 0);
}

const made = new Map<string, Promise<Model>>();

/** A model for a chip; compiled once in a process. */
export function modelFor(name: ModelName, chip: string): Promise<Model> {
  const key = `${name} ${chip}`;
  if (!made.has(key)) made.set(key, Model.create(name, chip));
  return made.get(key)!;
}

/** An executable with an operator that runs nowhere. */
export async function withoutKernel(chip: string): Promise<Executable> {
  return (await compile(cliModel("float"), { target: chip })).executable;
}

/** The model's executable with coefficients that no encoder writes: it passes every check of addresses and faults when it runs. */
export function withBadCoefficients({ executable }: Model): Executable {
  const partitions = executable.partitions.map((partition) => {
    const job = partition.jobs.find(({ kind }) => kind === "NN")!;
    const buffers = [...partition.buffers];
    const buffer = buffers[job.coefficients!]!;
    // A coefficient stream whose first core claims no bytes.
    const contents = buffer.contents!.slice().fill(0xff, 64, 128);
    buffers[job.coefficients!] = { ...buffer, contents };
    return { ...partition, buffers };
  });
  return { ...executable, partitions };
}
