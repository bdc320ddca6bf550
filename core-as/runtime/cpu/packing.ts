// PACK and UNPACK: constraints and copies.
// SPDX-License-Identifier: MIT
import { elementCount, optionsOf, type Graph, type Op } from "../../ir/graph.ts";
import * as check from "./check.ts";
import type { Refusal } from "./check.ts";
import { bytesFrom, copyCall } from "./movement.ts";
import type { CpuOperator } from "./plan.ts";

const MOST = 4096;

function checkPacking(graph: Graph, op: Op, inputs: number): Refusal | null {
  const outputs = op.kind === "PACK" ? 1 : null;
  const refusal = check.checkOperands(graph, op, { required: inputs, most: MOST }, outputs);
  if (refusal !== null) return refusal;
  return check.firstRefusal(check.checkRule(graph, op), () =>
    check.checkCopyable(check.tensorAt(graph, op.inputs[0])),
  );
}

/** PACK: the inputs along a new dimension. */
export const pack: CpuOperator = {
  check: (graph, op) => checkPacking(graph, op, op.inputs.length || 1),

  plan(context, op) {
    const { graph, addressOf } = context;
    const output = check.tensorAt(graph, op.outputs[0]);
    const axis = check.resolveAxis(optionsOf(op, "PACK").axis, output.shape.length)!;
    const blockBytes = bytesFrom(output, axis + 1);
    const outputStride = bytesFrom(output, axis);
    const blocks = elementCount(output.shape.slice(0, axis));
    return op.inputs.map((id, i) =>
      copyCall(context, addressOf(id), addressOf(output.id) + i * blockBytes, {
        blocks,
        blockBytes,
        inputStride: blockBytes,
        outputStride,
      }),
    );
  },
};

/** UNPACK: the entries along a dimension. */
export const unpack: CpuOperator = {
  check: (graph, op) => checkPacking(graph, op, 1),

  plan(context, op) {
    const { graph, addressOf } = context;
    const input = check.tensorAt(graph, op.inputs[0]);
    const axis = check.resolveAxis(optionsOf(op, "UNPACK").axis, input.shape.length)!;
    const blockBytes = bytesFrom(input, axis + 1);
    const inputStride = bytesFrom(input, axis);
    const blocks = elementCount(input.shape.slice(0, axis));
    return op.outputs.map((id, i) =>
      copyCall(context, addressOf(input.id) + i * blockBytes, addressOf(id), {
        blocks,
        blockBytes,
        inputStride,
        outputStride: blockBytes,
      }),
    );
  },
};
