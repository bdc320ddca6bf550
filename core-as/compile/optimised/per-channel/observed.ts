// What values of a network that reads pictures look like: the integer reference computes it for synthetic ones, and each channel's mean,
// deviation and likeness of neighbouring pixels are kept.
// SPDX-License-Identifier: MIT
import type { Core } from "../../../core.ts";
import { PlanError, UnsupportedError } from "../../../errors.ts";
import type { Graph, Op, Tensor } from "../../../ir/graph.ts";
import { runOperator } from "../../../runtime/cpu/index.ts";
import type { Steps } from "../../steps.ts";
import { SCENES } from "./figures.ts";
import { scenePicture, syntheticPicture } from "./pictures.ts";
import { Tally, type Looks, type Observation } from "./tally.ts";

export type Observations = ReadonlyMap<number, Observation>;

/** Synthetic pictures that are looked at: shapes, and scenes. */
const PICTURES = 1 + SCENES.length;

/** Sides from which on an image of one or three channels is taken for a picture. */
const PICTURE_SIDE = 64;

/** True for an 8-bit tensor of the sizes that photographs have. */
export function isPicture({ shape, type }: Tensor): boolean {
  const [images, rows = 0, columns = 0, channels = 0] = shape;
  return (
    shape.length === 4 &&
    images === 1 &&
    Math.min(rows, columns) >= PICTURE_SIDE &&
    (channels === 1 || channels === 3) &&
    isByte(type)
  );
}

const isByte = (type: string): boolean => type === "uint8" || type === "int8";

/**
 * Runs a network on synthetic pictures, an operator a step.
 * @param wanted tensors to look at, and how closely
 * @returns null when its inputs are not pictures, or when the CPU cannot compute what the wanted tensors need
 */
export function* observeValues(
  core: Core,
  graph: Graph,
  wanted: ReadonlyMap<number, Looks>,
): Steps<Observations | null> {
  const inputs = graph.inputs.map((id) => graph.tensors[id]!);
  if (inputs.length === 0 || !inputs.every(isPicture)) return null;
  const ops = opsFor(graph, wanted.keys());
  const lastReaders = new Map(ops.flatMap((op) => op.inputs.map((id) => [id, op.id])));
  const tallies = new Map<number, Tally>();
  for (let picture = 0; picture < PICTURES; picture++) {
    const values = new Map<number, Uint8Array>();
    const keep = (id: number, bytes: Uint8Array): void => {
      const looks = wanted.get(id);
      if (looks !== undefined) tallyOf(tallies, graph.tensors[id]!, looks)?.add(bytes);
      if (lastReaders.has(id)) values.set(id, bytes);
    };
    for (const input of inputs) keep(input.id, pictureFor(input, picture));
    for (const [index, op] of ops.entries()) {
      yield (picture + index / ops.length) / PICTURES;
      try {
        const outputs = runOperator(core, graph, op, (id) => values.get(id)!);
        op.outputs.forEach((id, i) => keep(id, outputs[i]!));
      } catch (cause) {
        // Such a network is planned by what its layers alone say.
        if (cause instanceof UnsupportedError || cause instanceof PlanError) return null;
        throw cause;
      }
      for (const id of op.inputs) if (lastReaders.get(id) === op.id) values.delete(id);
    }
  }
  return new Map([...tallies].map(([id, tally]) => [id, tally.result()]));
}

/** Operators, in plan order, that the wanted tensors depend on. */
function opsFor(graph: Graph, wanted: Iterable<number>): Op[] {
  const needed = new Set(wanted);
  const found: Op[] = [];
  for (const op of [...graph.ops].reverse()) {
    if (!op.outputs.some((id) => needed.has(id))) continue;
    found.push(op);
    for (const id of op.inputs) if (id >= 0) needed.add(id);
  }
  return found.reverse();
}

/** Of the first picture. Others are as good; how near whole networks come depends on it (docs/accuracy.md). */
const FIRST_SEED = 239_000;

function pictureFor({ shape, type }: Tensor, picture: number): Uint8Array {
  const [, rows = 1, columns = 1, channels = 1] = shape;
  const size = [rows, columns, channels] as const;
  const scene = SCENES[picture - 1];
  const bytes = scene
    ? scenePicture(size, scene, FIRST_SEED + picture)
    : syntheticPicture(size, FIRST_SEED + picture);
  return type === "int8" ? bytes.map((byte) => byte ^ 0x80) : bytes;
}

function tallyOf(tallies: Map<number, Tally>, tensor: Tensor, looks: Looks): Tally | undefined {
  let tally = tallies.get(tensor.id);
  if (tally === undefined && isByte(tensor.type) && tensor.shape.length > 1)
    tallies.set(tensor.id, (tally = new Tally(tensor, looks)));
  return tally;
}
