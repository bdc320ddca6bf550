// Functions of one binary32 or int32 element; those of one byte are tables (runCopyBlocks).
// SPDX-License-Identifier: MIT
import { Status } from "../abi";
import { Element, UnaryOperation, UnaryParam } from "../abi-kernels";
import { clearFault } from "../fault";
import { param, paramFloat, paramPtr } from "./requantise";

function applyFloat(operation: i32, value: f32, alpha: f32, beta: f32): f32 {
  switch (operation) {
    case UnaryOperation.ABS:
      return abs<f32>(value);
    case UnaryOperation.NEG:
      return -value;
    case UnaryOperation.SQRT:
      return sqrt<f32>(value);
    case UnaryOperation.CLAMP:
      return min<f32>(max<f32>(value, alpha), beta);
    default:
      return value > 0 ? value : value * alpha;
  }
}

/**
 * A function of every element; TFLite 2.14 reference semantics.
 * @param block UnaryParam words
 * @returns OK
 */
export function runUnary(block: usize): Status {
  clearFault();
  const operation = param(block, UnaryParam.OPERATION);
  const isFloat = param(block, UnaryParam.ELEMENT) == Element.F32;
  const alpha = paramFloat(block, UnaryParam.ALPHA);
  const beta = paramFloat(block, UnaryParam.BETA);
  let src = paramPtr(block, UnaryParam.INPUT);
  let dst = paramPtr(block, UnaryParam.OUTPUT);
  for (let i = param(block, UnaryParam.COUNT); i > 0; i--) {
    if (isFloat) {
      store<f32>(dst, applyFloat(operation, load<f32>(src), alpha, beta));
    } else {
      const value = load<i32>(src);
      // the one negation that does not fit wraps
      store<i32>(dst, operation == UnaryOperation.ABS && value >= 0 ? value : 0 - value);
    }
    src += 4;
    dst += 4;
  }
  return Status.OK;
}
