// Where the reference puts tensors (spec/lowering.md 10).
// SPDX-License-Identifier: MIT
import { bytesOf } from "../../ir/extent.ts";
import type { Graph, Op } from "../../ir/graph.ts";
import type { BufferRef, Lowered, NnWork, TensorBuffer, TpWork } from "../jobs.ts";
import { extentOf, partitionBorder } from "../lower-shared.ts";

/** A job before its tensors have buffers. CONCAT and SPLIT place tensors and run nothing. */
export interface Draft {
  kind: "NN" | "TP" | "CONCAT" | "SPLIT";
  inputs: number[];
  outputs: number[];
  /** Bytes of each input; for CONCAT of every part. */
  inBytes: number[];
  outBytes: number[];
  build?: (input: BufferRef, input2: BufferRef | null, output: BufferRef) => NnWork | TpWork;
}

type Placed = Pick<Lowered, "jobs" | "buffers" | "inputs" | "outputs">;

/**
 * Gives every tensor of the drafts a place and builds the jobs.
 * @param drafts jobs in order
 */
export function placeDrafts(graph: Graph, ops: readonly Op[], drafts: readonly Draft[]): Placed {
  const buffers: TensorBuffer[] = [];
  const places = new Map<number, BufferRef>();
  const sizes = new Map<number, number>();
  const create = (id: number, bytes: number): BufferRef => {
    let place = places.get(id);
    if (place === undefined) {
      const buffer = { id: buffers.length, bytes };
      buffers.push(buffer);
      place = { buffer, offset: 0 };
      places.set(id, place);
      sizes.set(id, bytes);
    }
    return place;
  };
  for (const draft of drafts) {
    if (draft.kind === "CONCAT") {
      const { buffer, offset } = create(draft.outputs[0]!, draft.outBytes[0]!);
      let at = offset;
      draft.inputs.forEach((id, i) => {
        places.set(id, { buffer, offset: at });
        sizes.set(id, draft.inBytes[i]!);
        at += draft.inBytes[i]!;
      });
    } else if (draft.kind === "SPLIT") {
      const { buffer, offset } = create(draft.inputs[0]!, draft.inBytes[0]!);
      let at = offset;
      draft.outputs.forEach((id, i) => {
        places.set(id, { buffer, offset: at });
        sizes.set(id, draft.outBytes[i]!);
        at += draft.outBytes[i]!;
      });
    } else if (draft.inputs.length === 2) {
      // The addition takes its first operand's place over, wherever it was (Q46).
      const [first, second] = draft.inputs as [number, number];
      places.delete(first);
      const { buffer } = create(first, draft.inBytes[0]! + draft.inBytes[1]!);
      places.set(second, { buffer, offset: draft.inBytes[0]! });
      sizes.set(second, draft.inBytes[1]!);
    } else {
      create(draft.inputs[0]!, draft.inBytes[0]!);
    }
  }
  for (const draft of drafts) create(draft.outputs[0]!, draft.outBytes[0]!);

  const jobs = drafts.flatMap((draft) =>
    draft.build
      ? [
          draft.build(
            places.get(draft.inputs[0]!)!,
            draft.inputs.length === 2 ? places.get(draft.inputs[1]!)! : null,
            places.get(draft.outputs[0]!)!,
          ),
        ]
      : [],
  );
  const border = partitionBorder(graph, ops);
  const port = (tensor: number): { tensor: number; place: BufferRef; bytes: number } => ({
    tensor,
    place: places.get(tensor)!,
    bytes: bytesOf(extentOf(graph.tensors[tensor]!)),
  });
  return {
    jobs,
    buffers,
    inputs: border.entering.filter((id) => places.has(id)).map(port),
    outputs: border.leaving.filter((id) => places.has(id)).map(port),
  };
}
