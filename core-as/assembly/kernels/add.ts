// ADD with TFLite's integer algorithm: both operands are rescaled to a common scale with 20 extra bits.
// SPDX-License-Identifier: MIT
import { AddParam, Status } from "../abi";
import { clearFault } from "../fault";
import { clampTo, multiplyByQuantised, param, paramPtr } from "./requantise";

/** Bits of precision that an operand gains before it is rescaled. */
const LEFT_SHIFT: i32 = 20;
const DIMENSIONS: i32 = 6;

// An operand has 256 possible values only: each is rescaled once. Indexed by the element's byte.
const scaled1 = memory.data(1024, 16);
const scaled2 = memory.data(1024, 16);

function fillScaled(
  table: usize,
  zeroPoint: i32,
  multiplier: i32,
  shift: i32,
  isSigned: bool,
): void {
  for (let byte = 0; byte < 256; byte++) {
    const element = isSigned ? <i32>(<i8>byte) : byte;
    const shifted = (element - zeroPoint) << LEFT_SHIFT;
    store<i32>(table + ((<usize>byte) << 2), multiplyByQuantised(shifted, multiplier, shift));
  }
}

/**
 * ADD on int8 or uint8 tensors of up to six dimensions, with broadcasting; TFLite 2.14 reference semantics.
 * @param block AddParam words; none of the three shifts is positive
 * @returns OK
 */
export function runAdd(block: usize): Status {
  clearFault();
  const isSigned = param(block, AddParam.SIGNED) != 0;
  fillScaled(
    scaled1,
    param(block, AddParam.ZERO_1),
    param(block, AddParam.MULTIPLIER_1),
    param(block, AddParam.SHIFT_1),
    isSigned,
  );
  fillScaled(
    scaled2,
    param(block, AddParam.ZERO_2),
    param(block, AddParam.MULTIPLIER_2),
    param(block, AddParam.SHIFT_2),
    isSigned,
  );
  addDimension(
    block,
    0,
    paramPtr(block, AddParam.INPUT_1),
    paramPtr(block, AddParam.INPUT_2),
    paramPtr(block, AddParam.OUTPUT),
  );
  return Status.OK;
}

/** Adds everything from `dimension` inwards; returns the output address behind it. */
function addDimension(block: usize, dimension: i32, from1: usize, from2: usize, to: usize): usize {
  const size = param(block, AddParam.SIZES + dimension);
  const stride1 = param(block, AddParam.STRIDES_1 + dimension);
  const stride2 = param(block, AddParam.STRIDES_2 + dimension);
  if (dimension == DIMENSIONS - 1) {
    addRow(block, from1, stride1, from2, stride2, to, size);
    return to + size;
  }
  for (let i = 0; i < size; i++) {
    to = addDimension(block, dimension + 1, from1, from2, to);
    from1 += stride1;
    from2 += stride2;
  }
  return to;
}

function addRow(
  block: usize,
  from1: usize,
  stride1: i32,
  from2: usize,
  stride2: i32,
  to: usize,
  size: i32,
): void {
  const multiplier = param(block, AddParam.OUTPUT_MULTIPLIER);
  const shift = param(block, AddParam.OUTPUT_SHIFT);
  const zeroPoint = param(block, AddParam.OUTPUT_ZERO);
  const clampMin = param(block, AddParam.CLAMP_MIN);
  const clampMax = param(block, AddParam.CLAMP_MAX);
  for (let i = 0; i < size; i++) {
    const sum =
      load<i32>(scaled1 + ((<usize>load<u8>(from1)) << 2)) +
      load<i32>(scaled2 + ((<usize>load<u8>(from2)) << 2));
    const value = multiplyByQuantised(sum, multiplier, shift) + zeroPoint;
    store<u8>(to + i, <u8>clampTo(value, clampMin, clampMax));
    from1 += stride1;
    from2 += stride2;
  }
}
