// What no choice of the optimiser may leave (spec/cost-model.md, Limits on freedom), read from an executable's bytes.
// SPDX-License-Identifier: MIT
import * as assert from "uvu/assert";
import type { Executable } from "../../core-as/executable/executable.ts";
import { chipByIdentity, type Chip } from "../../core-as/hw/chips.ts";
import { blockTable, blockWords, readFieldValue } from "../../core-as/inspect/decode.ts";

type Field = (name: string) => number;

/** Rows that share a line of the input buffer, and the largest tile, as the specification has them (spec/lowering.md 7). */
function interleave(chip: Chip, tileX: number, kernelX: number): number {
  const footprint = kernelX - 1 + tileX;
  if (footprint > 36) return 1;
  if (chip.nnCoreVersion === 7) {
    const m = tileX > 32 ? 1 : tileX > 16 ? 2 : tileX > 8 ? 4 : 8;
    return Math.min(m, footprint > 18 ? 4 : 2);
  }
  const m = tileX > 32 ? 1 : tileX > 16 ? 2 : 4;
  return footprint > 18 ? Math.min(m, 2) : m;
}

function checkTile(chip: Chip, field: Field, experimental: boolean): void {
  const [tileX, tileY] = [field("TILE_X_SIZE"), field("TILE_Y_SIZE")];
  const [kernelX, kernelY] = [field("KERNEL_X_SIZE"), field("KERNEL_Y_SIZE")];
  const { inputBufferDepth, accumulationBufferDepth: depth } = chip;
  const m = interleave(chip, tileX, kernelX);
  const widest = interleave(chip, Math.min(field("OUT_X_SIZE"), 64), kernelX);
  assert.ok(tileX >= 1 && tileX <= 64 && tileX <= field("OUT_X_SIZE"), `tile of ${tileX} columns`);
  // By the formulas for its own width, and not taller than the reference's tile, which is as wide as possible.
  const rows = Math.min(
    chip.nnCoreVersion === 8 && !experimental ? 4 : Infinity,
    ...[m, widest].map((mode) =>
      Math.max(1, Math.min(inputBufferDepth * mode - kernelY + 1, mode * depth)),
    ),
  );
  assert.ok(tileY >= 1 && tileY <= rows && tileY <= field("OUT_Y_SIZE"), `tile of ${tileY} rows`);
  if (field("POOLING") !== 0 && field("OUT_Y_SIZE") > 1)
    assert.is(tileY % 2, 0, "a tile that starts at a dropped row");
  const oneRow = kernelX === 1 || kernelY === 1;
  const kernels = field("KERNELS_PER_CORE");
  const most =
    chip.nnCoreVersion === 7
      ? Math.min(Math.floor((depth * m) / tileY), oneRow ? Math.floor(depth / 3) : Infinity)
      : oneRow
        ? Math.floor(depth / Math.ceil(tileY / m))
        : Math.floor(depth / Math.ceil((tileX * tileY) / 64));
  assert.ok(kernels >= 1 && kernels <= Math.min(most, 127), `${kernels} kernels, at most ${most}`);
}

function checkCaches(chip: Chip, field: Field, experimental: boolean): void {
  const OFF = 0;
  const range = (which: string): [number, number, number] => [
    field(`${which}_CACHING_MODE`),
    field(`${which}_CACHE_START`),
    field(`${which}_CACHE_END`),
  ];
  const [kernelMode, kernelStart, kernelEnd] = range("KERNEL");
  const [imageMode, imageStart, imageEnd] = range("IMAGE");
  if (chip.nnCoreVersion === 8 && !experimental) assert.equal([kernelMode, imageMode], [OFF, OFF]);
  assert.is(kernelStart, 0x800);
  assert.ok(kernelEnd > kernelStart && kernelEnd <= chip.vipSramBytes, `kernels to ${kernelEnd}`);
  assert.ok(imageEnd <= chip.vipSramBytes, `image to ${imageEnd}`);
  if (imageMode === OFF) return;
  assert.ok(imageEnd > imageStart);
  assert.ok(imageStart >= kernelEnd || imageEnd <= kernelStart, "caches overlap");
}

/**
 * Asserts that all NN jobs stay inside.
 * @param experimental version 8 may use caches and tall tiles, inside the same limits otherwise
 */
export function assertFreedom(executable: Executable, experimental = false): void {
  const chip = chipByIdentity(executable.chip)!;
  const block = blockTable("NN");
  for (const [p, { jobs, buffers }] of executable.partitions.entries())
    for (const [j, { kind, descriptors }] of jobs.entries()) {
      if (kind !== "NN") continue;
      const words = blockWords(block, buffers[descriptors[0]!]!.contents!);
      const field: Field = (name) => readFieldValue(block, words, name, chip.nnCoreVersion);
      try {
        checkTile(chip, field, experimental);
        checkCaches(chip, field, experimental);
      } catch (error) {
        (error as Error).message = `job ${p}.${j}: ${(error as Error).message}`;
        throw error;
      }
    }
}
