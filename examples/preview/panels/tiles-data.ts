// What the tiles panel shows: how a job cuts its output and deals its kernels, from the descriptor's bytes alone.
// SPDX-License-Identifier: MIT
import { annotateCoefficients, blockTable, coefficientFieldsOf } from "../../../core-as/index.ts";
import type { Held } from "../service.ts";
import { fieldsOfJob, type JobArgs, type JobFields } from "./job-fields.ts";
import {
  inputOf,
  tileAt,
  tileColumns,
  tileRows,
  type Rect,
  type TileShape,
} from "./tile-geometry.ts";

export interface NnTiles {
  kind: "NN";
  shape: TileShape;
  columns: number;
  rows: number;
  /** Of every second column and row only the first is written. */
  pooled: boolean;
  /** Pixels that memory gets, after pooling. */
  written: { x: number; y: number };
  depthwise: boolean;
  kernelsPerSuperblock: number;
  /** Kernels of each core that takes part, superblock by superblock; null when the coefficients cannot be read. */
  dealing: number[][] | null;
  /** Input bytes that the first tile reads, which is as large as any, border included, all planes. */
  tileInputBytes: number;
  /** Input bytes that all tiles together read, inside the image, for each input byte: 1 = no halo. */
  overlap: number;
}

/** What one TP core walks. */
export interface TpCore {
  core: number;
  /** Columns, rows and planes of its part of the input. */
  input: { x: number; y: number; z: number };
  window: Rect;
  /** Bytes from the start of the tensor buffer to the core's first input and output byte. */
  inputAt: { buffer: number; offset: number } | null;
  outputAt: { buffer: number; offset: number } | null;
  /** Output loops from the innermost: how often, and bytes from step to step; the last one runs as long as there is input. */
  loops: { count: number | null; step: number }[];
}

export interface TpTiles {
  kind: "TP";
  cores: TpCore[];
}

export type TilesData = (NnTiles | TpTiles) & JobArgs;

/**
 * Tiles of a job: all sizes in pixels.
 * @throws UsageError TW_USAGE when there is no such job
 */
export function tilesData(held: Held, args: JobArgs): TilesData {
  const fields = fieldsOfJob(held, args);
  const tiles = fields.job.kind === "NN" ? nnTiles(held, args, fields.cores[0]!) : tpTiles(fields);
  return { partition: args.partition, job: args.job, ...tiles };
}

function nnTiles(held: Held, args: JobArgs, value: (name: string) => number): NnTiles {
  const size = (x: string, y: string, z: string) => ({ x: value(x), y: value(y), z: value(z) });
  const shape: TileShape = {
    input: size("IN_X_SIZE", "IN_Y_SIZE", "KERNEL_Z_SIZE"),
    output: size("OUT_X_SIZE", "OUT_Y_SIZE", "OUT_Z_SIZE"),
    kernel: size("KERNEL_X_SIZE", "KERNEL_Y_SIZE", "KERNEL_Z_SIZE"),
    // An executable of others may say 0: tiles of nothing would never cover the output.
    tile: { x: Math.max(value("TILE_X_SIZE"), 1), y: Math.max(value("TILE_Y_SIZE"), 1) },
    offset: { x: value("IN_X_OFFSET"), y: value("IN_Y_OFFSET") },
  };
  const pooled = value("POOLING") !== 0;
  const kept = pooled ? 2 : 1;
  const { input, output } = shape;
  const largest = inputOf(shape, tileAt(shape, 0, 0));
  return {
    kind: "NN",
    shape,
    columns: tileColumns(shape),
    rows: tileRows(shape),
    pooled,
    written: { x: Math.floor(output.x / kept), y: Math.floor(output.y / kept) },
    depthwise: value("DEPTHWISE") === 1,
    kernelsPerSuperblock: value("KERNELS_PER_CORE"),
    dealing: dealingOf(held, args),
    tileInputBytes: largest.width * largest.height * input.z,
    overlap: (readAlong("x", shape) * readAlong("y", shape)) / Math.max(input.x * input.y, 1),
  };
}

/** Input columns (or rows) that the tiles of one row (or column) read inside the image, each tile's own counted. */
function readAlong(axis: "x" | "y", { input, output, kernel, tile, offset }: TileShape): number {
  let read = 0;
  for (let at = 0; at < output[axis]; at += tile[axis]) {
    const from = at + offset[axis];
    const length = Math.min(tile[axis], output[axis] - at) + kernel[axis] - 1;
    read += Math.max(0, Math.min(from + length, input[axis]) - Math.max(from, 0));
  }
  return read;
}

function dealingOf({ executable }: Held, { partition, job }: JobArgs): number[][] | null {
  const fields = coefficientFieldsOf(executable, partition, job);
  const { buffers, jobs } = executable.partitions[partition]!;
  const contents = fields && buffers[jobs[job]!.coefficients!]?.contents;
  if (!fields || !contents) return null;
  const { kernels } = annotateCoefficients(contents, fields, 0);
  const most = Math.max(...kernels);
  const superblocks = Math.ceil(most / fields.kernelsPerCore);
  return kernels.map((count) =>
    Array.from({ length: superblocks }, (_, superblock) => {
      const left = count - superblock * fields.kernelsPerCore;
      return Math.max(0, Math.min(fields.kernelsPerCore, left));
    }),
  );
}

function tpTiles({ partition, job, cores }: JobFields): TpTiles {
  const place = (descriptor: number, field: string): TpCore["inputAt"] => {
    const word = blockTable("TP").fields.find(({ name }) => name === field)!.parts[0]![0];
    const found = partition.relocations.find(
      ({ buffer, byteOffset }) => buffer === descriptor && byteOffset === 4 * word,
    );
    return found ? { buffer: found.target, offset: found.addend } : null;
  };
  return {
    kind: "TP",
    cores: cores.map((value, core): TpCore => {
      const [x, y] = [value("WINDOW_X_START"), value("WINDOW_Y_START")];
      const descriptor = job.descriptors[core]!;
      return {
        core,
        input: { x: value("IN_X_SIZE"), y: value("IN_Y_SIZE"), z: value("IN_Z_SIZE") },
        window: {
          x,
          y,
          width: value("WINDOW_X_END") - x + 1,
          height: value("WINDOW_Y_END") - y + 1,
        },
        inputAt: place(descriptor, "IN_BASE_ADDR"),
        outputAt: place(descriptor, "OUT_BASE_ADDR"),
        loops: loopsOf(value),
      };
    }),
  };
}

/** Loops that do something: more than one iteration, or the last one. */
function loopsOf(value: (name: string) => number): TpCore["loops"] {
  const loops: TpCore["loops"] = [];
  for (let loop = 0; loop < 6; loop++) {
    const count = Math.max(value(`OUT_LOOP_${loop}_COUNT`), 1);
    if (count > 1) loops.push({ count, step: value(`OUT_LOOP_${loop}_INC`) });
  }
  loops.push({ count: null, step: value("OUT_LOOP_6_INC") });
  return loops;
}
