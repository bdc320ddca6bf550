// Changes of layout on all TP cores: each takes some rows, or some channels.
// SPDX-License-Identifier: MIT
import { TpJob } from "../../../assembly/abi.ts";
import type { TpProgram, TpRecord, TpWork } from "../../jobs.ts";
import { ceilDiv } from "../../lower-shared.ts";

/** Fewer elements than this are not worth a descriptor more. */
const MIN_ELEMENTS = 2048;

/** Deals a change of layout to the cores; any other job stays as it is. */
export function dealTranspose(work: TpWork, tpCores: number): TpWork {
  const [program, ...more] = work.programs;
  if (program === undefined || more.length > 0) return work;
  const deal = work.op === "transpose" ? byRows : work.op === "detranspose" ? byChannels : null;
  if (deal === null || elementsOf(program.record) < MIN_ELEMENTS) return work;
  return { ...work, programs: deal(program, tpCores) };
}

const elementsOf = (record: TpRecord): number =>
  record[TpJob.IN_X_SIZE]! * record[TpJob.IN_Y_SIZE]! * record[TpJob.IN_Z_SIZE]!;

type Share = (first: number, count: number) => TpProgram;

/** Programs of up to `cores` cores that share `total` steps. */
function shares(total: number, cores: number, share: Share): TpProgram[] {
  const used = Math.min(cores, total);
  const programs: TpProgram[] = [];
  let done = 0;
  for (let core = 0; core < used; core++) {
    const count = ceilDiv(total - done, used - core);
    const program = share(done, count);
    const flush = core === used - 1 ? {} : { [TpJob.NO_FLUSH]: 1 };
    programs.push({ ...program, record: { ...program.record, ...flush } });
    done += count;
  }
  return programs;
}

/** NHWC to planar: the planes of the walk are rows of the image. */
function byRows({ inOffset, outOffset, record }: TpProgram, cores: number): TpProgram[] {
  return shares(record[TpJob.IN_Z_SIZE]!, cores, (first, count) => ({
    inOffset: inOffset + first * record[TpJob.IN_SLICE]!,
    outOffset: outOffset + first * record[TpJob.INC_2]!,
    record: { ...record, [TpJob.IN_Z_SIZE]: count, [TpJob.COUNT_2]: count },
  }));
}

/** Planar to NHWC: channels are planes of the walk, or lie behind each other in its only plane. */
function byChannels({ inOffset, outOffset, record }: TpProgram, cores: number): TpProgram[] {
  const channels = record[TpJob.COUNT_3]!;
  const planes = record[TpJob.IN_Z_SIZE]!;
  const rows = record[TpJob.IN_Y_SIZE]! / channels;
  const plane = planes === 1 ? record[TpJob.IN_X_SIZE]! * rows : record[TpJob.IN_SLICE]!;
  return shares(channels, cores, (first, count) => ({
    inOffset: inOffset + first * plane,
    outOffset: outOffset + first * record[TpJob.INC_3]!,
    record: {
      ...record,
      [TpJob.COUNT_3]: count,
      ...(planes === 1
        ? { [TpJob.IN_Y_SIZE]: rows * count, [TpJob.WINDOW_Y_END]: rows * count - 1 }
        : { [TpJob.IN_Z_SIZE]: count }),
    },
  }));
}
