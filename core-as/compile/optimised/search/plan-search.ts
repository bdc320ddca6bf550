// Tile and cache plan of an NN job: the cheapest of those that the buffers allow (spec/cost-model.md, Limits on freedom).
// SPDX-License-Identifier: MIT
import { CacheSplit, Experiment, NnJob, Status } from "../../../assembly/abi.ts";
import type { Core } from "../../../core.ts";
import { jobTime } from "../../../cost/job-cost.ts";
import { nnCost, type NnShape } from "../../../cost/nn-cost.ts";
import type { Chip } from "../../../hw/chips.ts";
import type { System } from "../../../hw/systems.ts";
import type { NnRecord } from "../../jobs.ts";
import { ceilDiv } from "../../lower-shared.ts";

export interface SearchSwitches {
  /** Smaller tiles than the largest that fit. */
  tiles: boolean;
  /** Other splits of the on-chip memory than the reference's. */
  caches: boolean;
  /** Experiment bits of all jobs. */
  experiments: number;
}

/** Record members that a search sets, and what the job then costs. */
export interface PlanChoice {
  limitX: number;
  limitY: number;
  split: CacheSplit;
  /** Predicted time without the overhead of starting the job. */
  busyMs: number;
}

/** Plans that are not better by this share are not worth leaving the reference's choice. */
const WORTHWHILE = 0.002;

/** Rows of the tallest tile that captures of version 8 have. */
const CAPTURED_ROWS = 4;

/** Modes of the caches in a record. */
const OFF = 0;
const FULL = 1;

/** Searches plans with one core; remembers what it found, since many jobs of a model are alike. */
export class PlanSearch {
  private readonly known = new Map<string, PlanChoice>();

  constructor(
    private readonly core: Core,
    private readonly chip: Chip,
    private readonly system: System,
    private readonly switches: SearchSwitches,
  ) {}

  /**
   * The best plan of a job.
   * @param words the job's record with COEF_BYTES and COEF_CACHE_BYTES, which the plan hardly changes
   */
  best(words: ArrayLike<number>): PlanChoice {
    const key = PLAN_MEMBERS.map((member) => words[member]).join(",");
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const choice = this.core.scope(() => this.search(words));
    this.known.set(key, choice);
    return choice;
  }

  /** `best` for a record whose coefficients are known about. */
  bestOf(record: NnRecord, coefficientBytes: number): PlanChoice {
    const words = new Int32Array(NnJob.WORDS);
    for (const [member, value] of Object.entries(record)) words[Number(member)] = value!;
    words[NnJob.COEF_BYTES] = coefficientBytes;
    words[NnJob.COEF_CACHE_BYTES] = coefficientBytes;
    return this.best(words);
  }

  private search(words: ArrayLike<number>): PlanChoice {
    const record = this.core.allocWords(words);
    const shape = staticShape(words, this.chip);
    const { tiles, caches } = this.switches;
    let best = this.price(record, shape, 0, 0, CacheSplit.REFERENCE);
    if (best === null) throw new RangeError("a job without a plan has coefficients");
    const consider = (x: number, y: number, split: CacheSplit): Priced | null => {
      const plan = this.price(record, shape, x, y, split);
      if (plan !== null && isBetter(plan, best!)) best = plan;
      return plan;
    };
    /** All splits of a tile; returns its rows. */
    const considerTile = (x: number, y: number): number => {
      const plain = consider(x, y, CacheSplit.REFERENCE);
      if (caches && plain !== null && !plain.cachesAll) {
        consider(x, y, CacheSplit.KERNELS);
        consider(x, y, CacheSplit.IMAGE);
      }
      return plain?.tileY ?? 0;
    };
    // No tile is taller than the largest one: a narrow tile might be by the formulas, but no capture of a wide image has one.
    const tallest = considerTile(0, 0);
    if ((this.switches.experiments & Experiment.TALL_TILES) !== 0) considerTile(0, CAPTURED_ROWS);
    if (!tiles) return best;
    const { columns, rows } = tileSides(words);
    for (const x of columns) {
      const most = considerTile(x, tallest);
      for (const y of rows) if (y < most) considerTile(x, y);
    }
    return best;
  }

  /**
   * Time of a job with the tile of a plan, or with the largest tile, whichever is better: a quick look at one of many
   * variants of a job.
   */
  glance(words: ArrayLike<number>, { limitX, limitY }: PlanChoice): number {
    return this.core.scope(() => {
      const record = this.core.allocWords(words);
      const shape = staticShape(words, this.chip);
      const alike = this.price(record, shape, limitX, limitY, CacheSplit.REFERENCE);
      const plain = this.price(record, shape, 0, 0, CacheSplit.REFERENCE);
      return Math.min(alike?.busyMs ?? Infinity, plain?.busyMs ?? Infinity);
    });
  }

  /** Plans the record with these limits; null when nothing fits. */
  private price(
    record: number,
    shape: NnShape,
    limitX: number,
    limitY: number,
    split: CacheSplit,
  ): Priced | null {
    const { core } = this;
    core.writeWords(record + NnJob.TILE_LIMIT_X * 4, [limitX, limitY]);
    core.writeWords(record + NnJob.CACHE_SPLIT * 4, [split]);
    core.writeWords(record + NnJob.EXPERIMENTS * 4, [this.switches.experiments]);
    if (core.invoke("planTiles", record) !== Status.OK) return null;
    core.invoke("planSram", record);
    // TILE_X is the first planned member.
    const planned = core.readWords(record + NnJob.TILE_X * 4, NnJob.KERNEL_MODE - NnJob.TILE_X + 1);
    const value = (member: NnJob): number => planned[member - NnJob.TILE_X]!;
    const superblocks = value(NnJob.SUPERBLOCKS);
    const imageCached = value(NnJob.IMAGE_MODE) !== OFF;
    const kernelsCached = value(NnJob.KERNEL_MODE) === FULL;
    shape.tileX = value(NnJob.TILE_X);
    shape.tileY = value(NnJob.TILE_Y);
    shape.kernelsPerCore = value(NnJob.KERNELS_PER_CORE);
    shape.imageCached = imageCached;
    shape.kernelsCached = kernelsCached;
    const cost = nnCost(shape);
    const { computeMs, memoryMs } = jobTime(cost, this.system);
    return {
      limitX,
      limitY,
      split,
      busyMs: Math.max(computeMs, memoryMs),
      // Of two plans that take the same time, the one that leaves more of the other resource free.
      score: Math.max(computeMs, memoryMs) + (computeMs + memoryMs) / 64,
      tileY: shape.tileY,
      cachesAll: kernelsCached && (imageCached || superblocks === 1),
    };
  }
}

interface Priced extends PlanChoice {
  score: number;
  tileY: number;
  /** Nothing is read twice: no split of the memory can do better. */
  cachesAll: boolean;
}

const isBetter = (plan: Priced, than: Priced): boolean =>
  plan.score < than.score * (1 - WORTHWHILE);

/** What a plan depends on. */
const PLAN_MEMBERS = [
  NnJob.IN_X,
  NnJob.IN_Y,
  NnJob.IN_Z,
  NnJob.OUT_X,
  NnJob.OUT_Y,
  NnJob.OUT_Z,
  NnJob.KERNEL_X,
  NnJob.KERNEL_Y,
  NnJob.FIRST_PIXEL,
  NnJob.STRIDE,
  NnJob.NATIVE_DEPTHWISE,
  NnJob.COEF_BYTES,
  NnJob.COEF_CACHE_BYTES,
  NnJob.TILE_OUT_X,
  NnJob.TILE_OUT_Y,
  NnJob.TILE_OUT_Z,
  NnJob.TILE_KERNEL_X,
  NnJob.TILE_KERNEL_Y,
] as const;

/** The members of a shape that no plan changes. */
function staticShape(words: ArrayLike<number>, chip: Chip): NnShape {
  const value = (member: NnJob): number => words[member]!;
  return {
    nnCoreVersion: chip.nnCoreVersion,
    nnCores: chip.nnCores,
    madPerCore: chip.madPerCore,
    inX: value(NnJob.IN_X),
    inY: value(NnJob.IN_Y),
    inZ: value(NnJob.IN_Z),
    outX: value(NnJob.OUT_X),
    outY: value(NnJob.OUT_Y),
    outZ: value(NnJob.OUT_Z),
    kept: value(NnJob.FIRST_PIXEL) === 1 ? 2 : 1,
    kernelX: value(NnJob.KERNEL_X),
    kernelY: value(NnJob.KERNEL_Y),
    tileX: 1,
    tileY: 1,
    kernelsPerCore: 1,
    depthwise: value(NnJob.NATIVE_DEPTHWISE) === 1,
    imageCached: false,
    kernelsCached: false,
    coefficientBytes: value(NnJob.COEF_BYTES),
  };
}

const MAX_TILE = 64;
/** Narrower tiles are mostly halo; only narrow images have them. */
const MIN_TILE_X = 8;

/**
 * Sides to try: those that cut an axis into equal parts. Any other side makes as many tiles as the next smaller one of these,
 * larger ones. Dropping every second pixel wants even sides.
 */
function sidesOf(extent: number, even: boolean, least: number): number[] {
  const sides = new Set<number>();
  for (let parts = ceilDiv(extent, MAX_TILE); parts <= extent; parts++) {
    const side = ceilDiv(extent, parts);
    if (side < least && sides.size > 0) break;
    sides.add(even ? side + (side & 1) : side);
  }
  return [...sides].filter((side) => side <= MAX_TILE);
}

/** Sides of tiles to try, largest first. */
function tileSides(words: ArrayLike<number>): { columns: number[]; rows: number[] } {
  const even = words[NnJob.FIRST_PIXEL] === 1;
  return {
    columns: sidesOf(words[NnJob.TILE_OUT_X]!, even, MIN_TILE_X),
    rows: sidesOf(words[NnJob.TILE_OUT_Y]!, even || words[NnJob.STRIDE]! > 1, 1),
  };
}
