// Functions of one element through the look-up table of the TP cores (spec/newer-driver.md 2.1 to 2.3; not captured).
// The address program is that of a captured copy: padding by nothing.
// SPDX-License-Identifier: MIT
import { TpJob } from "../../../assembly/abi.ts";
import type { Extent } from "../../../ir/extent.ts";
import type { Op } from "../../../ir/graph.ts";
import { stepFunction } from "../../../legalise/lookup-functions.ts";
import { LARGEST_ENTRY, lookupEntries, TABLE_ENTRIES } from "../../../legalise/lookup-table.ts";
import { zp8 } from "../../lower-shared.ts";
import { padPrograms } from "../../tp-programs.ts";
import type { LoweringContext } from "../context.ts";

/** Drafts the job of a function of one element: in the layout that its input has, planes dealt to the TP cores. */
export function lowerLookup(context: LoweringContext, op: Op): void {
  const input = context.tensor(op.inputs[0]!);
  const output = context.tensor(op.outputs[0]!);
  const extent = dealtExtent(context.extent(input.id), context.chip.tpCores);
  const { from, to } = context.produceLike(input.id, output.id);
  const zp = { in: zp8(input), out: zp8(output) };
  const cores = Math.min(context.chip.tpCores, extent.c);
  const programs = padPrograms(extent, 0, zp, cores).map((program) => ({
    ...program,
    record: { ...program.record, [TpJob.LOOKUP]: 1 },
  }));
  const table = encodeTable(lookupEntries(stepFunction(op, input, output)));
  context.tp("lut", op.id, from, to, programs, table);
  context.publish(op);
}

/** Every byte is on its own, so rows can stand for planes where there are too few of those for all cores. */
function dealtExtent({ s, f, c }: Extent, cores: number): Extent {
  return c < cores ? { s: 1, f, c: c * s } : { s, f, c };
}

/** A table as the TP cores read it: 1024 words with FP21 numbers. */
export function encodeTable(entries: Float64Array): Uint8Array {
  const bytes = new Uint8Array(TABLE_ENTRIES * 4);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, index) => view.setUint32(index * 4, encodeFp21(entry), true));
  return bytes;
}

const FRACTION_BITS = 15;
const BIAS = 15;
const SIGN = 1 << 20;
/** Below this, numbers are subnormal in binary16 and so perhaps here; as output steps they are nothing. */
const SMALLEST_NORMAL = 2 ** -14;

/** FP21: sign, five bits of exponent, fifteen of fraction; rounded to the nearest, halves to even. */
export function encodeFp21(value: number): number {
  const sign = value < 0 ? SIGN : 0;
  const size = Math.min(Math.abs(value), LARGEST_ENTRY);
  if (size < SMALLEST_NORMAL) return 0;
  let exponent = Math.floor(Math.log2(size));
  // log2 may round up to the next whole number.
  if (2 ** exponent > size) exponent--;
  // The sum carries a fraction that rounds up to 1 into the exponent.
  const fraction = roundHalfEven((size / 2 ** exponent - 1) * 2 ** FRACTION_BITS);
  return sign | (((exponent + BIAS) << FRACTION_BITS) + fraction);
}

/** The number of an FP21 code; NaN for codes whose meaning is not known. */
export function decodeFp21(code: number): number {
  const exponent = (code >>> FRACTION_BITS) & 31;
  if (code >>> 21 !== 0 || exponent === 31) return NaN;
  const fraction = (code & (2 ** FRACTION_BITS - 1)) / 2 ** FRACTION_BITS;
  const size =
    exponent === 0 ? fraction * SMALLEST_NORMAL : (1 + fraction) * 2 ** (exponent - BIAS);
  return (code & SIGN) !== 0 ? -size : size;
}

function roundHalfEven(value: number): number {
  const whole = Math.floor(value);
  const rest = value - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole;
}
