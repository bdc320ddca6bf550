// Headers of coefficient buffers: version 7 (table of sizes) and version 8 (symbol map, bit lengths).
// SPDX-License-Identifier: MIT
import { block, field } from "./block.ts";

/** Start of a core's stream, NN core version 7 (spec/coefficients-v7.md 4). */
export const COEF_STREAM_V7 = block(
  { id: 3, name: "COEF_STREAM_V7", doc: "first bits of each core's stream", words: 1, align: 64 },
  {
    ZRL_BITS: field(0, 7, 0, {
      doc: "width of a zero-run length in bits; 0 = no zero runs",
      evidence: "captured",
    }),
    KERNELS: field(0, 23, 8, {
      doc: "kernels of this core over all superblocks",
      evidence: "captured",
    }),
  },
);

/** Header of a coefficient buffer, NN core version 8 (spec/coefficients-v8.md 1). */
export const COEF_HEADER_V8 = block(
  {
    id: 4,
    name: "COEF_HEADER_V8",
    doc: "first 28 bytes; stream lengths in bits follow",
    words: 7,
    align: 64,
  },
  {
    PRECODE: field(0, 0, 0, { doc: "precoding", kind: "flag", evidence: "captured" }),
    BIT16: field(0, 1, 1, { doc: "16-bit weights", kind: "flag", evidence: "captured" }),
    FP16: field(0, 2, 2, { doc: "half precision weights", kind: "flag", evidence: "captured" }),
    VERSION: field(0, 7, 4, { doc: "version of the format", reset: 1, evidence: "captured" }),
    RUN_LENGTH_SIZE: field(0, 15, 8, {
      doc: "width of a zero-run length in bits; never switched on, and what follows from it is an assumption (docs/cost-model.md)",
      evidence: "captured",
    }),
    SYMBOL_MAP: field(5, 31, 0, {
      doc: "nibble i = bit length that symbol i stands for",
      evidence: "captured",
    }),
    AVERAGE_BIAS: field(6, 15, 0, { doc: "never switched on", evidence: "captured" }),
  },
);

/** Byte offset of the first stream length in a version 8 header; one 32-bit word per core. */
export const COEF_V8_LENGTHS_OFFSET = 28;
/** Streams, and sizes in a version 7 table, are multiples of this. */
export const COEF_ALIGN = 64;
