// Requantisation as the hardware does it, written apart from compiler and simulator.
// SPDX-License-Identifier: MIT
import type { OutputStage } from "../../core-as/compile/optimised/output-stage.ts";

/** The hardware's arithmetic on one accumulator: an exact product, halves to even (spec/hardware.md 7). */
export function hardwareByte(stage: OutputStage, accumulator: number, lowest: number): number {
  const bits = 24;
  const shift = bits - 1 - Math.floor(Math.log2(stage.factor));
  const multiplier = BigInt(stage.factor * 2 ** shift);
  const product = BigInt(accumulator + stage.offset) * multiplier;
  const down = product >> BigInt(shift);
  const twice = (product - (down << BigInt(shift))) * 2n;
  const unit = 1n << BigInt(shift);
  const up = twice > unit || (twice === unit && (down & 1n) === 1n);
  const byte = Number(down) + Number(up) + stage.zeroPoint;
  return Math.min(Math.max(byte, lowest), 255);
}
