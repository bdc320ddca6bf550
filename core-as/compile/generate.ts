// Turns lowered jobs into bytes: coefficients, descriptors and the command stream, with relocations for every address.
// SPDX-License-Identifier: MIT
import { CommandJob, NnJob, TpJob, type CacheSplit } from "../assembly/abi.ts";
import type { Core } from "../core.ts";
import type { ErrorLocation } from "../errors.ts";
import { BLOCK_TABLES } from "../inspect/gen/fields.ts";
import type {
  BufferRole,
  ExecutableBuffer,
  ExecutableJob,
  ExecutablePartition,
  Port,
  Relocation,
} from "../executable/executable.ts";
import type {
  BufferRef,
  Lowered,
  NnWork,
  PortPlan,
  TpProgram,
  TpWork,
  WeightPlan,
} from "./jobs.ts";
import { finish, type Steps } from "./steps.ts";

const [NN_TABLE, TP_TABLE] = BLOCK_TABLES as [
  (typeof BLOCK_TABLES)[number],
  (typeof BLOCK_TABLES)[number],
];

/** Byte offset of the only word of an address field. */
function wordOffset(table: (typeof BLOCK_TABLES)[number], name: string): number {
  return table.fields.find((field) => field.name === name)!.parts[0]![0] * 4;
}

const NN_KERNEL = wordOffset(NN_TABLE, "KERNEL_ADDR");
const NN_INPUT = wordOffset(NN_TABLE, "IN_IMAGE_ADDR");
const NN_OUTPUT = wordOffset(NN_TABLE, "OUT_IMAGE_ADDR");
const TP_INPUT = wordOffset(TP_TABLE, "IN_BASE_ADDR");
const TP_TABLE_ADDR = wordOffset(TP_TABLE, "LUT_ADDR");
const TP_OUTPUT = wordOffset(TP_TABLE, "OUT_BASE_ADDR");

const enum AccessBits {
  READ = 1,
  WRITE = 2,
}

/** Value of state 0x03950 for all but the last core of a padding or look-up job. */
const PAD_STATE = 8;
const PAD_STATE_OPS: readonly string[] = ["pad", "lut"];

/** Finds the plan of an NN job whose coefficients are planned. */
export interface PlanFinder {
  best(words: ArrayLike<number>): {
    limitX: number;
    limitY: number;
    split: CacheSplit;
  };
}

/** What generation may choose once coefficients are planned. */
export interface GenerationChoices {
  plans: PlanFinder;
  /** Plans the coefficients of the job at `record` again, in a better order if there is one. */
  dealKernels(
    core: Core,
    job: { record: number; weights: number; biases: number },
    where: ErrorLocation,
  ): void;
}

/**
 * Generates one partition's buffers, jobs and stream.
 * @param core used inside a scope: nothing stays allocated
 * @param choices left out: tiles, caches and the order of kernels as the reference has them
 * @throws FieldRangeError, PlanError, EncodeError with the job and its TFLite operator
 */
export function generatePartition(
  core: Core,
  lowered: Lowered,
  choices?: GenerationChoices,
): ExecutablePartition {
  return finish(generateSteps(core, lowered, choices));
}

/** generatePartition, a job a step. */
export function generateSteps(
  core: Core,
  lowered: Lowered,
  choices?: GenerationChoices,
): Steps<ExecutablePartition> {
  return new PartitionGenerator(core, lowered, choices).run();
}

class PartitionGenerator {
  private readonly buffers: ExecutableBuffer[];
  private readonly relocations: Relocation[] = [];

  constructor(
    private readonly core: Core,
    private readonly lowered: Lowered,
    private readonly choices: GenerationChoices | undefined,
  ) {
    this.buffers = lowered.buffers.map(({ bytes }) => ({
      role: "tensor",
      bytes,
      contents: null,
      access: 0,
    }));
  }

  *run(): Steps<ExecutablePartition> {
    const { core, lowered } = this;
    const jobs: ExecutableJob[] = [];
    for (const [index, work] of lowered.jobs.entries()) {
      yield index / lowered.jobs.length;
      const job = core.scope(() =>
        work.kind === "NN" ? this.generateNn(work, index) : this.generateTp(work, index),
      );
      jobs.push(job);
    }
    const streamWords = this.generateStream(jobs);
    return {
      buffers: this.buffers,
      jobs,
      relocations: this.relocations,
      stream: streamWords,
      inputs: this.lowered.inputs.map(portOf),
      outputs: this.lowered.outputs.map(portOf),
    };
  }

  private addBuffer(role: BufferRole, contents: Uint8Array): number {
    return (
      this.buffers.push({ role, bytes: contents.length, contents, access: AccessBits.READ }) - 1
    );
  }

  private relocate(
    descriptor: number,
    byteOffset: number,
    target: number,
    addend: number,
    kind: Relocation["kind"] = "address",
  ): void {
    this.relocations.push({ buffer: descriptor, byteOffset, target, addend, kind });
  }

  private touch({ buffer }: BufferRef, access: AccessBits): void {
    this.buffers[buffer.id]!.access |= access;
  }

  private generateNn(work: NnWork, index: number): ExecutableJob {
    const { core } = this;
    const where: ErrorLocation = { job: index, op: work.sourceOp };
    const weights = prepareWeights(core, work.weights);
    const biases = core.allocWords(work.biases);
    const record = core.allocWords(
      denseRecord({ ...work.record, [NnJob.WEIGHT_BYTES]: weights.bytes }, NnJob.WORDS),
    );
    core.call("planTiles", where, record);
    core.call("planCoefs", where, record, weights.ptr, biases);
    if (this.choices) {
      if (this.replan(record, this.choices.plans, where))
        core.call("planCoefs", where, record, weights.ptr, biases);
      this.choices.dealKernels(core, { record, weights: weights.ptr, biases }, where);
    }
    core.call("planSram", where, record);
    const planned = core.readWords(record, NnJob.WORDS);
    const coefBytes = planned[NnJob.COEF_BYTES]!;
    const coefs = core.alloc(coefBytes);
    core.call("encodeCoefs", where, record, weights.ptr, biases, coefs);
    const descriptorBytes = NN_TABLE.words * 4;
    const descriptor = core.alloc(descriptorBytes);
    core.call("packNn", where, record, descriptor);

    const coefficientBuffer = this.addBuffer("coefficients", core.read(coefs, coefBytes));
    const buffer = this.addBuffer("descriptor", core.read(descriptor, descriptorBytes));
    this.relocate(buffer, NN_KERNEL, coefficientBuffer, 0, "address26shift6");
    this.relocate(buffer, NN_INPUT, work.input.buffer.id, work.input.offset);
    this.relocate(buffer, NN_OUTPUT, work.output.buffer.id, work.output.offset);
    this.touch(work.input, AccessBits.READ);
    if (work.input2) this.touch(work.input2, AccessBits.READ);
    this.touch(work.output, AccessBits.WRITE);
    return {
      kind: "NN",
      op: work.op,
      sourceOp: work.sourceOp,
      descriptors: [buffer],
      coefficients: coefficientBuffer,
      inputs: [work.input, ...(work.input2 ? [work.input2] : [])].map((ref) => ref.buffer.id),
      output: work.output.buffer.id,
    };
  }

  /** Plans tiles and caches anew; true when kernels are dealt in another way than before. */
  private replan(record: number, plans: PlanFinder, where: ErrorLocation): boolean {
    const { core } = this;
    const words = core.readWords(record, NnJob.WORDS);
    const { limitX, limitY, split } = plans.best(words);
    core.writeWords(record + NnJob.TILE_LIMIT_X * 4, [limitX, limitY]);
    core.writeWords(record + NnJob.CACHE_SPLIT * 4, [split]);
    core.call("planTiles", where, record);
    const superblocks = core.readWords(record + NnJob.SUPERBLOCKS * 4, 1)[0];
    return superblocks !== words[NnJob.SUPERBLOCKS];
  }

  private generateTp(work: TpWork, index: number): ExecutableJob {
    const where: ErrorLocation = { job: index, op: work.sourceOp };
    const table = work.table === undefined ? null : this.addBuffer("table", work.table);
    const descriptors = work.programs.map((program) => this.packTp(work, program, table, where));
    this.touch(work.input, AccessBits.READ);
    this.touch(work.output, AccessBits.WRITE);
    return {
      kind: "TP",
      op: work.op,
      sourceOp: work.sourceOp,
      descriptors,
      coefficients: table,
      inputs: [work.input.buffer.id],
      output: work.output.buffer.id,
    };
  }

  private packTp(
    work: TpWork,
    program: TpProgram,
    table: number | null,
    where: ErrorLocation,
  ): number {
    const { core } = this;
    const record = core.allocWords(denseRecord(program.record, TpJob.WORDS));
    const bytes = TP_TABLE.words * 4;
    const descriptor = core.alloc(bytes);
    core.call("packTp", where, record, descriptor);
    const buffer = this.addBuffer("descriptor", core.read(descriptor, bytes));
    this.relocate(buffer, TP_INPUT, work.input.buffer.id, work.input.offset + program.inOffset);
    if (table !== null) this.relocate(buffer, TP_TABLE_ADDR, table, 0);
    this.relocate(buffer, TP_OUTPUT, work.output.buffer.id, work.output.offset + program.outOffset);
    return buffer;
  }

  /** Emits the stream; returns its buffer's index. */
  private generateStream(jobs: readonly ExecutableJob[]): number {
    const { core } = this;
    return core.scope(() => {
      const list = core.allocWords(
        jobs.flatMap((job, index) => {
          const entry = new Array<number>(CommandJob.WORDS).fill(0);
          entry[CommandJob.KIND] = job.kind === "NN" ? 0 : 1;
          entry[CommandJob.DESCRIPTORS] = job.descriptors.length;
          entry[CommandJob.UNK_03950] = PAD_STATE_OPS.includes(job.op) ? PAD_STATE : 0;
          const { tag, waits } = this.lowered.schedule?.[index] ?? { tag: 0, waits: [] };
          entry[CommandJob.TAG] = tag;
          [entry[CommandJob.WAIT_A], entry[CommandJob.WAIT_B]] = [waits[0] ?? 0, waits[1] ?? 0];
          return entry;
        }),
      );
      const descriptors = jobs.reduce((sum, job) => sum + job.descriptors.length, 0);
      const words = core.invoke("emitCommands", list, jobs.length, 0, 0);
      const stream = core.alloc(words * 4);
      const relocations = core.alloc(descriptors * 12);
      core.invoke("emitCommands", list, jobs.length, stream, relocations);
      const buffer = this.addBuffer("stream", core.read(stream, words * 4));
      const entries = core.readWords(relocations, descriptors * 3);
      for (let i = 0; i < descriptors; i++) {
        const [word, job, slot] = entries.slice(i * 3, i * 3 + 3) as unknown as [
          number,
          number,
          number,
        ];
        this.relocate(buffer, word * 4, jobs[job]!.descriptors[slot]!, 0, "descriptor");
      }
      return buffer;
    });
  }
}

function portOf({ tensor, place, bytes, planar }: PortPlan): Port {
  const port = { tensor, buffer: place.buffer.id, offset: place.offset, bytes };
  return planar ? { ...port, planar } : port;
}

/** A record with every member that lowering did not set at 0. */
function denseRecord(values: Partial<Record<number, number>>, words: number): Int32Array {
  const record = new Int32Array(words);
  for (const [index, value] of Object.entries(values)) record[Number(index)] = value!;
  return record;
}

/** Brings TFLite weights into the encoder's order; the result stays allocated until the caller's scope ends. */
function prepareWeights(core: Core, plan: WeightPlan): { ptr: number; bytes: number } {
  const { outC, inC, flip, pad } = plan;
  const { src, length, kS, kF } = dilate(core, plan);
  const { x, y } = plan.strides ?? { x: 2, y: 2 };
  const taps = kS * kF;
  const folded = x * y * Math.ceil(kS / y) * Math.ceil(kF / x);
  switch (plan.layout) {
    case "as-is": {
      if (flip !== 0) core.invoke("flipBytes", src, src, length, flip);
      return { ptr: src, bytes: length };
    }
    case "widened":
      return { ptr: widen(core, src, plan, flip), bytes: outC * 4 };
    case "transposed": {
      const ptr = core.alloc(length);
      core.invoke("transposeWeights", src, ptr, outC, taps, inC, flip);
      return { ptr, bytes: length };
    }
    case "destrided": {
      const from = plan.widen ? widen(core, src, plan, 0) : src;
      const bytes = outC * inC * folded;
      const ptr = core.alloc(bytes);
      core.invoke("destrideWeights", from, ptr, outC, kS, kF, inC, y, x, pad, flip);
      return { ptr, bytes };
    }
    case "depthwise": {
      const from = plan.widen ? widen(core, src, plan, 0) : src;
      const small = plan.channels * taps;
      const gathered = core.alloc(small);
      core.invoke("gatherDepthwise", from, gathered, plan.channels, taps, inC, flip);
      if (!plan.destride) return expand(core, plan, gathered, small);
      const bytes = plan.channels * folded;
      const ptr = core.alloc(bytes);
      core.invoke("destrideWeights", gathered, ptr, plan.channels, kS, kF, 1, y, x, pad, 0);
      return expand(core, plan, ptr, bytes);
    }
  }
}

/** 1x1 kernels of one channel as 2x2 kernels. */
function widen(core: Core, src: number, { outC, pad }: WeightPlan, flip: number): number {
  const ptr = core.alloc(outC * 4);
  core.invoke("widenPointwise", src, ptr, outC, pad, flip);
  return ptr;
}

/** Depthwise kernels with the planes of all input channels, if the plan wants them. */
function expand(
  core: Core,
  { expand: inC, channels, pad }: WeightPlan,
  src: number,
  bytes: number,
): { ptr: number; bytes: number } {
  if (inC === undefined) return { ptr: src, bytes };
  const ptr = core.alloc(bytes * inC);
  core.invoke("expandDepthwise", src, ptr, channels, bytes / channels, inC, pad);
  return { ptr, bytes: bytes * inC };
}

/** The plan's weights in the core's memory, with the gaps of dilated kernels filled. */
function dilate(
  core: Core,
  plan: WeightPlan,
): { src: number; length: number; kS: number; kF: number } {
  const { bytes, kS, kF, inC, dilation, pad, flip } = plan;
  const src = core.allocCopy(bytes);
  if (!dilation || (dilation.x === 1 && dilation.y === 1))
    return { src, length: bytes.length, kS, kF };
  const { x, y } = dilation;
  const wide = { kS: y * (kS - 1) + 1, kF: x * (kF - 1) + 1 };
  // Depthwise weights are one kernel with all channels innermost.
  const kernels = plan.layout === "depthwise" ? 1 : plan.outC;
  const length = kernels * wide.kS * wide.kF * inC;
  const ptr = core.alloc(length);
  core.invoke("dilateWeights", src, ptr, kernels, kS, kF, inC, y, x, pad ^ flip);
  return { src: ptr, length, ...wide };
}
