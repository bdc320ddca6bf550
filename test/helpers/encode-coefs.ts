// Calls the coefficient encoder on plain numbers, and decodes what it wrote.
// SPDX-License-Identifier: MIT
import { CoefOrder, NnJob, RunSearch, WeightSource } from "../../core-as/assembly/abi.ts";
import type { Core } from "../../core-as/core.ts";
import { decodeCoefs } from "./decode-coefs.ts";

export interface EncodeRequest {
  /** NN core version; default 7. */
  version?: 7 | 8;
  kernels: number;
  planes: number;
  rows: number;
  cols: number;
  /** Kernel-major, [z][row][col]; depthwise: the stored planes only. */
  weights: Uint8Array;
  biases: Int32Array;
  weightZp: number;
  inZp: number;
  /** Output values per channel. */
  outPlane: number;
  search: RunSearch;
  zrlBits?: number;
  zrlMax?: number;
  superblocks?: number;
  cores?: number;
  quirks?: number;
  /** Experiment bits. */
  experiments?: number;
  /** Channels in the order in which kernels are dealt; "dealt": as the core deals them. Default: 0, 1, … */
  order?: readonly number[] | "dealt";
  depthwise?: { planes: number; multiplier: number; pad: number };
}

export interface Encoded {
  bytes: Uint8Array;
  zrlBits: number;
  kernelsPerCore: number;
  /** Rounded sizes of the streams. */
  coreBytes: number[];
  /** The order of kernels, when the request has one. */
  order: number[];
}

const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** Order that a descriptor with these sizes implies. */
function orderOf({ rows, cols, kernels }: EncodeRequest): CoefOrder {
  return rows * cols === 1 && kernels > 8 ? CoefOrder.POINTWISE : CoefOrder.INTERLEAVED;
}

/** Sets the order of kernels and plans again; returns it. */
function orderKernels(
  core: Core,
  { order, kernels }: EncodeRequest,
  job: [record: number, weights: number, biases: number],
): number[] {
  if (order === undefined) return [];
  const table = core.alloc(kernels * 4);
  if (order === "dealt") core.call("dealKernels", {}, ...job, table);
  else core.writeWords(table, order);
  core.writeWords(job[0] + NnJob.KERNEL_ORDER * 4, [table]);
  core.call("planCoefs", {}, ...job);
  return [...core.readWords(table, kernels)];
}

export function encode(core: Core, request: EncodeRequest): Encoded {
  const { kernels, cores = 8, superblocks = 1 } = request;
  const members: [number, number][] = [
    [NnJob.CORE_VERSION, request.version ?? 7],
    [NnJob.NN_CORES, cores],
    [NnJob.ZRL_MAX, request.zrlMax ?? 8],
    [NnJob.IN_ZP, request.inZp],
    [NnJob.WEIGHT_ZP, request.weightZp],
    [NnJob.QUIRKS, request.quirks ?? 0],
    [NnJob.EXPERIMENTS, request.experiments ?? 0],
    [NnJob.ORDER, orderOf(request)],
    [NnJob.COEF_PLANES, request.planes],
    [NnJob.COEF_KERNELS, kernels],
    [NnJob.ROWS, request.rows],
    [NnJob.COLS, request.cols],
    [NnJob.REST_END, request.cols],
    [NnJob.SPLIT_ROWS, 1],
    [NnJob.SOURCE, request.depthwise ? WeightSource.DEPTHWISE : WeightSource.DENSE],
    [NnJob.DW_PLANES, request.depthwise?.planes ?? 1],
    [NnJob.DW_MULTIPLIER, request.depthwise?.multiplier ?? 1],
    [NnJob.PAD_BYTE, request.depthwise?.pad ?? 0],
    [NnJob.WEIGHT_BYTES, request.weights.length],
    [NnJob.OUT_PLANE, request.outPlane],
    [NnJob.RUN_SEARCH, request.search],
    [NnJob.ZRL_BITS, request.zrlBits ?? 0],
    [NnJob.SUPERBLOCKS, superblocks],
  ];
  return core.scope(() => {
    const record = new Int32Array(NnJob.WORDS);
    for (const [index, value] of members) record[index] = value;
    const job = core.allocWords(record);
    const weights = core.allocCopy(request.weights);
    const biases = core.allocWords(request.biases);
    core.call("planCoefs", {}, job, weights, biases);
    const order = orderKernels(core, request, [job, weights, biases]);
    const planned = core.readWords(job, NnJob.WORDS);
    const dst = core.alloc(planned[NnJob.COEF_BYTES]!);
    core.call("encodeCoefs", {}, job, weights, biases, dst);
    return {
      bytes: core.read(dst, planned[NnJob.COEF_BYTES]!),
      zrlBits: planned[NnJob.ZRL_BITS]!,
      coreBytes: [
        ...planned.subarray(NnJob.CORE_BYTES, NnJob.CORE_BYTES + Math.min(kernels, cores)),
      ],
      order,
      kernelsPerCore: ceilDiv(ceilDiv(kernels, Math.min(kernels, cores)), superblocks),
    };
  });
}

export interface DecodedKernel {
  /** weight - zero point, [z][row][col]. */
  weights: Int16Array;
  bias: number;
  offset: number;
}

/** Decodes with the simulator's decoder; kernels in stream order. */
export function decode(core: Core, request: EncodeRequest, encoded: Encoded): DecodedKernel[] {
  const depthwise = request.version === 8 && request.depthwise !== undefined;
  const decoded = decodeCoefs(core, request.version ?? 7, encoded.bytes, {
    kernelX: request.cols,
    kernelY: request.rows,
    kernelZ: request.planes,
    outZ: request.kernels,
    perCore: encoded.kernelsPerCore,
    weightZp: request.weightZp,
    cores: request.cores ?? 8,
    depthwise,
  });
  const taps = (depthwise ? 1 : request.planes) * request.rows * request.cols;
  return Array.from(decoded.offsets, (offset, kernel) => ({
    weights: decoded.weights.slice(kernel * taps, (kernel + 1) * taps),
    bias: decoded.biases[kernel]!,
    offset,
  }));
}
