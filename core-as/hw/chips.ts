// The twelve NPUs of the hardware database (spec/hardware.md 2). Chip differences live here and nowhere else.
// SPDX-License-Identifier: MIT

/** The five ids by which a kernel tells chips apart. */
export interface ChipIdentity {
  /** Values that the kernel reports (GET_PARAM 01, 02, 1C, 1E, 1D). */
  model: number;
  /** Revision of the model. */
  revision: number;
  /** Product id. */
  productId: number;
  /** Engineering change id. */
  ecoId: number;
  /** Customer id. */
  customerId: number;
}

/** An entry of the table of chips (spec/hardware.md 9). */
export interface Chip extends ChipIdentity {
  /** Target name for the command line, unique. */
  name: string;
  /** Further names that mean the same entry. */
  aliases: readonly string[];
  /** Name in the database. */
  part: string;
  /** Generation of the NN cores: descriptor and coefficient formats. */
  nnCoreVersion: 7 | 8;
  /** Number of NN cores. */
  nnCores: number;
  /** Multiply-add units per NN core. */
  madPerCore: number;
  /** Full TP cores; "lite" cores are not counted. */
  tpCores: number;
  /** Depth of an NN core's input buffer; bounds tiles (spec/lowering.md 7). */
  inputBufferDepth: number;
  /** Depth of an NN core's accumulation buffer; bounds tiles (spec/lowering.md 7). */
  accumulationBufferDepth: number;
  /** On-chip SRAM that image and kernel caches share, in bytes. */
  vipSramBytes: number;
  /** SRAM on the AXI bus in bytes; not reachable through the mainline kernel interface. */
  axiSramBytes: number;
  /** Largest zero-run width in bits of the coefficient stream. */
  zrlBits: number;
  /** Width of the input offset fields. */
  inputOffsetBits: number;
  /** Largest kernel side (spec/cost-model.md, Limits on freedom). */
  maxKernel: number;
  /** Whether the database entry has depthwise support; its format is not known. */
  depthwise: boolean;
  /** captured: bytes of the reference driver for this part exist; otherwise only the database knows it. */
  evidence: "captured" | "database only, never captured";
}

const DATABASE = "database only, never captured" as const;

const qi = {
  part: "vipnano-qi",
  model: 0x8000,
  productId: 0x45080009,
  nnCoreVersion: 7,
  nnCores: 8,
  madPerCore: 64,
  tpCores: 4,
  inputBufferDepth: 12,
  accumulationBufferDepth: 64,
  vipSramBytes: 0x80000,
  axiSramBytes: 0x100000,
  zrlBits: 5,
  maxKernel: 11,
  depthwise: false,
} as const;

const siPlus = {
  part: "vipnano-si+",
  model: 0x8000,
  revision: 0x8002,
  productId: 0x5080009,
  ecoId: 0x6000000,
  nnCoreVersion: 8,
  nnCores: 6,
  madPerCore: 64,
  tpCores: 3,
  inputBufferDepth: 9,
  accumulationBufferDepth: 32,
  vipSramBytes: 0x40000,
  axiSramBytes: 0,
  zrlBits: 8,
  inputOffsetBits: 5,
  maxKernel: 15,
  depthwise: true,
} as const;

const vip9000 = {
  model: 0x9000,
  productId: 0x5090009,
  nnCoreVersion: 8,
  madPerCore: 64,
  inputBufferDepth: 9,
  accumulationBufferDepth: 32,
  zrlBits: 8,
  inputOffsetBits: 5,
  maxKernel: 15,
  depthwise: true,
  evidence: DATABASE,
} as const;

const twoCoreV7 = {
  nnCoreVersion: 7,
  nnCores: 2,
  madPerCore: 64,
  tpCores: 1,
  inputBufferDepth: 6,
  accumulationBufferDepth: 64,
  axiSramBytes: 0,
  zrlBits: 8,
  inputOffsetBits: 4,
  maxKernel: 11,
  depthwise: false,
  evidence: DATABASE,
} as const;

/** Order as in the database: Amlogic, NXP, ST; within a vendor as listed. */
export const CHIPS: readonly Chip[] = [
  {
    ...qi,
    name: "vipnano-qi-7d0",
    aliases: [],
    revision: 0x7004,
    ecoId: 0,
    customerId: 0x7d,
    inputOffsetBits: 3,
    evidence: DATABASE,
  },
  {
    ...qi,
    name: "vipnano-qi-7d1",
    aliases: [],
    revision: 0x7004,
    ecoId: 1,
    customerId: 0x7d,
    inputOffsetBits: 3,
    evidence: DATABASE,
  },
  {
    ...qi,
    name: "a311d",
    aliases: ["vipnano-qi", "vim3"],
    revision: 0x7120,
    ecoId: 0,
    customerId: 0x88,
    inputOffsetBits: 4,
    evidence: "captured",
  },
  {
    ...qi,
    name: "vipnano-qi-a1",
    aliases: [],
    revision: 0x7131,
    productId: 0x5000009,
    ecoId: 0x8000000,
    customerId: 0xa1,
    tpCores: 6,
    vipSramBytes: 0x100000,
    axiSramBytes: 0x43f000,
    zrlBits: 8,
    inputOffsetBits: 4,
    evidence: DATABASE,
  },
  {
    ...twoCoreV7,
    name: "vippico-v3",
    aliases: [],
    part: "vippico_v3",
    model: 0x8000,
    revision: 0x7131,
    productId: 0x8000001,
    ecoId: 0x2000000,
    customerId: 0x99,
    vipSramBytes: 0x80000,
  },
  {
    ...siPlus,
    name: "imx8mp",
    aliases: ["vipnano-si+"],
    customerId: 0x9f,
    evidence: "captured",
  },
  { ...siPlus, name: "vipnano-si+-a0", aliases: [], customerId: 0xa0, evidence: DATABASE },
  {
    ...vip9000,
    name: "vip9000nano-di-e8",
    aliases: [],
    part: "vip9000nano-di",
    revision: 0x8302,
    ecoId: 0x8000000,
    customerId: 0xe8,
    nnCores: 8,
    tpCores: 1,
    vipSramBytes: 0x100000,
    axiSramBytes: 0,
  },
  {
    ...vip9000,
    name: "vip9000nano-si",
    aliases: [],
    part: "vip9000nano-si",
    revision: 0x8101,
    ecoId: 0x4000000,
    customerId: 0xb9,
    nnCores: 4,
    tpCores: 1,
    vipSramBytes: 0x80000,
    axiSramBytes: 0,
  },
  {
    ...vip9000,
    name: "vip9000nano-di-be",
    aliases: ["vip9000nano-di"],
    part: "vip9000nano-di",
    revision: 0x8102,
    ecoId: 0x8000000,
    customerId: 0xbe,
    nnCores: 8,
    tpCores: 3,
    vipSramBytes: 0x100000,
    axiSramBytes: 0x3e000,
  },
  {
    ...twoCoreV7,
    name: "gcnanoultra31-6204",
    aliases: [],
    part: "GCNANOULTRA31_VIP2",
    model: 0x7000,
    revision: 0x6204,
    productId: 0x70007,
    ecoId: 0,
    customerId: 0x13,
    vipSramBytes: 0x200,
  },
  {
    ...twoCoreV7,
    name: "stm32mp2",
    aliases: ["gcnanoultra31-6205"],
    part: "GCNANOULTRA31_VIP2",
    model: 0x8000,
    revision: 0x6205,
    productId: 0x80003,
    ecoId: 0,
    customerId: 0x15,
    vipSramBytes: 0x20000,
  },
];

/** What follows from the generation of the NN cores. */
export interface CoreGeneration {
  /** Additions: two operands as two planes of one image, or as the channels of a 1x1 convolution (spec/lowering.md 5). */
  addition: "planes" | "channels";
  /** Captures keep every second pixel of kernels that read all channels. */
  densePixelDropping: boolean;
  /** Requantisation factors are below this (spec/hardware.md 7). */
  maxFactor: number;
  /** Bits of the multiplier of such a factor, the leading one included. */
  multiplierBits: number;
  /** Kernels say where their output goes, so that they may stand in any order. */
  kernelsAnywhere: boolean;
  /** What shortens coefficient streams: runs of zeros, or a map of symbols that has short ones for the most frequent weights. */
  compression: "runs" | "symbols";
  /** Captures have caches, tall tiles and zero runs switched off. */
  experiments: boolean;
}

const GENERATIONS: Record<Chip["nnCoreVersion"], CoreGeneration> = {
  7: {
    addition: "planes",
    densePixelDropping: true,
    maxFactor: 2 ** 16,
    multiplierBits: 16,
    kernelsAnywhere: true,
    compression: "runs",
    experiments: false,
  },
  8: {
    addition: "channels",
    densePixelDropping: false,
    maxFactor: 2,
    multiplierBits: 24,
    kernelsAnywhere: false,
    compression: "symbols",
    experiments: true,
  },
};

export const generationOf = (chip: Chip): CoreGeneration => GENERATIONS[chip.nnCoreVersion];

/** The chip with this target name or alias (any case), or undefined. */
export function chipByName(name: string): Chip | undefined {
  const wanted = name.toLowerCase();
  return CHIPS.find((chip) => chip.name === wanted || chip.aliases.includes(wanted));
}

const ID_LIST = /^(?:[0-9a-f]+:){4}[0-9a-f]+$/i;

/**
 * The ids that a text of five hexadecimal numbers stands for, model:revision:product:eco:customer as the kernel
 * reports them, e.g. "8000:7120:45080009:0:88"; undefined for any other text.
 */
export function parseIdentity(text: string): ChipIdentity | undefined {
  if (!ID_LIST.test(text)) return undefined;
  const [model, revision, productId, ecoId, customerId] = text
    .split(":")
    .map((id) => parseInt(id, 16)) as [number, number, number, number, number];
  return { model, revision, productId, ecoId, customerId };
}

/**
 * The chip with these ids: model, product, eco and customer equal, revision equal in bits 4..15
 * (all entries are non-formal; spec/hardware.md 2), or undefined.
 */
export function chipByIdentity(identity: ChipIdentity): Chip | undefined {
  return CHIPS.find(
    (chip) =>
      chip.model === identity.model &&
      chip.productId === identity.productId &&
      chip.ecoId === identity.ecoId &&
      chip.customerId === identity.customerId &&
      (chip.revision & 0xfff0) === (identity.revision & 0xfff0),
  );
}
