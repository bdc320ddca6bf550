// GATHER_ND: copies the slices that a list of indices names.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { GatherParam } from "../abi-kernels";
import { clearFault, fail, noteFault } from "../fault";
import { param, paramPtr } from "./requantise";

/**
 * GATHER_ND of elements of any size; TFLite 2.14 reference semantics.
 * @param block GatherParam words
 * @returns OK, or BAD_DATA when an index is outside of the input
 */
export function runGatherNd(block: usize): Status {
  clearFault();
  const input = paramPtr(block, GatherParam.INPUT);
  const depth = param(block, GatherParam.DEPTH);
  const isWide = param(block, GatherParam.WIDE) != 0;
  const bytes = <usize>param(block, GatherParam.SLICE_BYTES);
  let indices = paramPtr(block, GatherParam.INDICES);
  let dst = paramPtr(block, GatherParam.OUTPUT);
  for (let i = param(block, GatherParam.COUNT); i > 0; i--) {
    let src = input;
    for (let d = 0; d < depth; d++) {
      const size = param(block, GatherParam.SIZES + d);
      const index = isWide ? load<i64>(indices) : <i64>load<i32>(indices);
      if (index < 0 || index >= <i64>size) {
        noteFault(Fault.VALUE, <i32>index);
        noteFault(Fault.LIMIT, size);
        return fail(Status.BAD_DATA);
      }
      src += <usize>index * <usize>param(block, GatherParam.STRIDES + d);
      indices += isWide ? 8 : 4;
    }
    memory.copy(dst, src, bytes);
    dst += bytes;
  }
  return Status.OK;
}
