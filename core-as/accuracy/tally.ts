// Sums of differences of many tensors.
// SPDX-License-Identifier: MIT
import {
  addReal,
  addStored,
  channelsOf,
  DifferenceSums,
  zeroOf,
  type TensorDifference,
  type TensorLayout,
} from "../inspect/accuracy.ts";
import type { Graph } from "../ir/graph.ts";

/** Differences by tensor of a graph. */
export class Tally {
  private readonly sums = new Map<number, DifferenceSums>();

  constructor(private readonly graph: Graph) {}

  /** Adds a pair as it is stored. */
  add(tensor: number, actual: Uint8Array, expected: Uint8Array): void {
    addStored(this.of(tensor), actual, expected, this.layoutOf(tensor));
  }

  /** Adds a tensor and the real numbers that it should stand for. */
  addReal(tensor: number, actual: Uint8Array, expected: ArrayLike<number>): void {
    addReal(this.of(tensor), actual, expected, this.layoutOf(tensor));
  }

  merge(other: Tally): void {
    for (const [tensor, sums] of other.sums) this.of(tensor).merge(sums);
  }

  /** Figures of a tensor; null when nothing was added. */
  statistics(tensor: number): TensorDifference | null {
    return this.sums.get(tensor)?.statistics() ?? null;
  }

  private layoutOf(tensor: number): TensorLayout {
    const { type, shape, quant } = this.graph.tensors[tensor]!;
    return { type, shape, quantisation: quant };
  }

  private of(tensor: number): DifferenceSums {
    const known = this.sums.get(tensor);
    if (known !== undefined) return known;
    const layout = this.layoutOf(tensor);
    const sums = new DifferenceSums(channelsOf(layout.shape), zeroOf(layout));
    this.sums.set(tensor, sums);
    return sums;
  }
}

/** The comparisons of a layer, each in a tally of its own. */
export interface Tallies {
  alone: Tally;
  chained: Tally;
  floatAlone: Tally;
  floatChained: Tally;
  floatReference: Tally;
  /** Outputs of the network as it is compiled for use. */
  whole: Tally;
  floatWhole: Tally;
}

export function newTallies(graph: Graph): Tallies {
  const tally = (): Tally => new Tally(graph);
  return {
    alone: tally(),
    chained: tally(),
    floatAlone: tally(),
    floatChained: tally(),
    floatReference: tally(),
    whole: tally(),
    floatWhole: tally(),
  };
}

export function mergeTallies(onto: Tallies, from: Tallies): void {
  for (const name of Object.keys(onto) as (keyof Tallies)[]) onto[name].merge(from[name]);
}
