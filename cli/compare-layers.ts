// The comparison behind "tilewright compare": every operator alone, and all of them in a chain.
// SPDX-License-Identifier: MIT
import {
  compile,
  Core,
  createSession,
  elementsOf,
  inputInfos,
  readModel,
  writeModel,
  type Evidence,
  type Graph,
  type Model,
  type Op,
  type Tensor,
  type Transport,
} from "../core-as/index.ts";
import { runOperator } from "../core-as/runtime/cpu/index.ts";
import type { CompileChoices } from "./flags.ts";
import { readInputs } from "./tensors.ts";

/** How far two tensors of the same shape are apart, in steps of the stored integers. */
export interface Difference {
  elements: number;
  different: number;
  max: number;
  mean: number;
  /** Cosine of the angle between the two, zero point taken off; 1 = same direction. */
  cosine: number;
  /** Place and both values of the first difference; null when there is none. */
  first: string | null;
}

export interface LayerComparison {
  op: number;
  name: string;
  output: string;
  place: "npu" | "cpu";
  /** Fed with the reference's inputs; null on the CPU, where the reference itself runs. */
  alone: Difference | null;
  /** Fed with what the operators before it gave. */
  chained: Difference | null;
}

export interface ModelComparison {
  layers: LayerComparison[];
  /** The model as it is really compiled, output by output. */
  wholeModel: (Difference & { name: string })[];
  /** What the answers are worth. */
  evidence: Evidence;
}

type Values = Map<number, Uint8Array>;

/**
 * Compares a model.
 *
 * Tensors inside a partition never reach the host, so every operator is also compiled as a model of its own: that works
 * in both modes and does not disturb how the whole model is compiled, which runs once more at the end.
 * @param transport runs them; for the chip of `flags.target`
 */
export async function compareModel(
  bytes: Uint8Array,
  inputPaths: readonly string[],
  flags: CompileChoices,
  transport: Transport,
  onProgress: (what: string, done: number) => void,
): Promise<ModelComparison> {
  const core = await Core.create();
  const { executable } = await compile(bytes, { ...flags, core });
  const model = readModel(bytes);
  const { graph } = model;
  const inputs = await readInputs(inputPaths, inputInfos(graph));
  const reference: Values = new Map(graph.inputs.map((id, i) => [id, inputs[i]!]));
  const simulated: Values = new Map(reference);
  const layers: LayerComparison[] = [];
  for (const op of graph.ops) {
    onProgress(`operator ${op.id} ${op.kind}`, op.id / (graph.ops.length + 1));
    const place = executable.placements[op.id]!.place;
    const referenceOutputs = referenceOf(core, graph, op, reference);
    const npu = place === "npu" ? await operatorOnNpu(model, op, flags, transport, core) : null;
    const alone = npu && (await npu.run(reference));
    const sameInputs = op.inputs.every((id) => same(reference.get(id), simulated.get(id)));
    const chained = sameInputs
      ? (alone ?? referenceOutputs)
      : npu
        ? await npu.run(simulated)
        : referenceOf(core, graph, op, simulated);
    // Boards hold only so many at a time.
    await npu?.close();
    layers.push(layerOf(graph, op, place, referenceOutputs, alone, chained));
    for (const [i, id] of op.outputs.entries()) {
      reference.set(id, referenceOutputs[i]!);
      simulated.set(id, chained[i]!);
    }
  }
  onProgress("the whole model", graph.ops.length / (graph.ops.length + 1));
  const session = await createSession(executable, transport);
  const { outputs, evidence } = await session.run(inputs);
  await session.close();
  const wholeModel = graph.outputs.map((id, i) => {
    const tensor = graph.tensors[id]!;
    return { name: tensor.name, ...differenceOf(tensor, reference.get(id)!, outputs[i]!) };
  });
  return { layers, wholeModel, evidence };
}

function referenceOf(core: Core, graph: Graph, op: Op, values: Values): Uint8Array[] {
  return runOperator(core, graph, op, (id) => values.get(id)!);
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);
}

/** Compiles one operator as a model of its own, and loads it. */
async function operatorOnNpu(
  model: Model,
  op: Op,
  flags: CompileChoices,
  transport: Transport,
  core: Core,
): Promise<{ run(values: Values): Promise<Uint8Array[]>; close(): Promise<void> }> {
  const { graph } = model;
  const inputs = [...new Set(op.inputs)].filter(
    (id) => id >= 0 && graph.tensors[id]!.constant === null,
  );
  const single: Graph = { ...graph, ops: [{ ...op, id: 0 }], inputs, outputs: [...op.outputs] };
  const bytes = writeModel({ ...model, graph: single, otherSubgraphs: [] });
  const { executable } = await compile(bytes, { ...flags, core });
  const session = await createSession(executable, transport);
  return {
    run: async (values) => (await session.run(inputs.map((id) => values.get(id)!))).outputs,
    close: () => session.close(),
  };
}

function layerOf(
  graph: Graph,
  op: Op,
  place: "npu" | "cpu",
  reference: readonly Uint8Array[],
  alone: readonly Uint8Array[] | null,
  chained: readonly Uint8Array[],
): LayerComparison {
  const compare = (other: readonly Uint8Array[]): Difference =>
    op.outputs
      .map((id, i) => differenceOf(graph.tensors[id]!, reference[i]!, other[i]!))
      .reduce((a, b) => (b.different > 0 && b.max > a.max ? b : a));
  return {
    op: op.id,
    name: op.customName ?? op.kind,
    output: graph.tensors[op.outputs[0]!]?.name ?? "",
    place,
    alone: alone && compare(alone),
    chained: compare(chained),
  };
}

/** Compares the stored integers of two tensors. */
export function differenceOf(tensor: Tensor, a: Uint8Array, b: Uint8Array): Difference {
  const left = elementsOf(tensor.type, a) ?? Float64Array.from(a);
  const right = elementsOf(tensor.type, b) ?? Float64Array.from(b);
  const zero = tensor.quant?.zeroPoints[0] ?? 0;
  const sums = { different: 0, max: 0, total: 0, dot: 0, left: 0, right: 0 };
  let first: number | null = null;
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i]!, right[i]!];
    const distance = Math.abs(x - y);
    if (distance > 0) {
      first ??= i;
      sums.different++;
      sums.total += distance;
      sums.max = Math.max(sums.max, distance);
    }
    sums.dot += (x - zero) * (y - zero);
    sums.left += (x - zero) ** 2;
    sums.right += (y - zero) ** 2;
  }
  const norms = Math.sqrt(sums.left * sums.right);
  return {
    elements: left.length,
    different: sums.different,
    max: sums.max,
    mean: left.length === 0 ? 0 : sums.total / left.length,
    cosine: sums.different === 0 ? 1 : norms === 0 ? 0 : sums.dot / norms,
    first:
      first === null ? null : `${placeOf(tensor.shape, first)}: ${left[first]} / ${right[first]}`,
  };
}

/** "channel 3, row 1, column 7" for four dimensions, otherwise the plain index. */
function placeOf(shape: readonly number[], index: number): string {
  if (shape.length !== 4) return `element ${index}`;
  const [, , width, channels] = shape as [number, number, number, number];
  const channel = index % channels;
  const column = Math.floor(index / channels) % width;
  const row = Math.floor(index / (channels * width)) % shape[1]!;
  return `channel ${channel}, row ${row}, column ${column}`;
}
