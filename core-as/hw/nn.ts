// The NN descriptor: 34 words that tell the convolution engine one job (spec/hardware.md 5).
// SPDX-License-Identifier: MIT
import { block, field, logical, part } from "./block.ts";

export const NN = block(
  {
    id: 0,
    name: "NN",
    doc: "NN descriptor, the argument of PS_NN_INST_ADDR",
    words: 34,
    align: 0x100,
  },
  {
    LAYER_TYPE: field(0, 0, 0, {
      doc: "kind of layer; also 0 for fully connected layers",
      enum: { CONV: 0 },
      evidence: "captured",
    }),
    NO_Z_OFFSET: field(0, 1, 1, {
      doc: "1: output planes follow each other (v8); 0: every kernel carries its output offset (v7)",
      kind: "flag",
      evidence: "captured",
    }),
    KERNEL_X_SIZE: field(0, 5, 2, {
      doc: "kernel size along x, the fastest axis",
      kind: "size",
      evidence: "captured",
    }),
    KERNEL_Z_SIZE: logical([part(0, 19, 6), part(5, 31, 26)], {
      doc: "input channels of a kernel; the upper six bits were never captured with another value than 0",
      kind: "size",
      evidence: "captured",
    }),
    KERNELS_PER_CORE: field(0, 26, 20, {
      doc: "kernels per NN core and superblock",
      kind: "size",
      evidence: "captured",
    }),
    POOLING: field(0, 28, 27, {
      doc: "pooling of the output",
      enum: { NONE: 0, FIRST_PIXEL: 3 },
      evidence: "captured",
    }),
    POOLING_XY_SIZE: field(0, 29, 29, {
      doc: "pooling size; 0 with first-pixel pooling, else 1",
      reset: 1,
      evidence: "captured",
    }),
    PRELU: field(0, 30, 30, {
      doc: "parametric ReLU",
      kind: "flag",
      evidence: "register database",
    }),
    LAYER_FLUSH: field(0, 31, 31, {
      doc: "flush after the layer",
      kind: "flag",
      reset: 1,
      evidence: "captured",
    }),
    KERNEL_DATA_TYPE: logical([part(1, 1, 0), part(15, 19, 19)], {
      doc: "type of weights",
      enum: { UINT8: 0 },
      evidence: "captured",
    }),
    IN_DATA_TYPE: logical([part(1, 3, 2), part(15, 20, 20)], {
      doc: "type of inputs",
      enum: { UINT8: 0 },
      evidence: "captured",
    }),
    OUT_DATA_TYPE: logical([part(1, 5, 4), part(15, 21, 21)], {
      doc: "type of outputs",
      enum: { UINT8: 0 },
      evidence: "captured",
    }),
    IN_X_SIZE: field(1, 18, 6, { doc: "input columns", kind: "size", evidence: "captured" }),
    IN_Y_SIZE: field(1, 31, 19, { doc: "input rows", kind: "size", evidence: "captured" }),
    IN_X_OFFSET: logical([part(2, 2, 0), part(4, 16, 16), part(18, 29, 29, 8)], {
      doc: "column of the first input that output column 0 reads; negative = padding",
      signed: true,
      evidence: "captured",
    }),
    IN_Y_OFFSET: logical([part(2, 5, 3), part(4, 17, 17), part(18, 30, 30, 8)], {
      doc: "row of the first input that output row 0 reads; negative = padding",
      signed: true,
      evidence: "captured",
    }),
    BRICK_MODE: field(2, 7, 7, {
      doc: "brick layout",
      kind: "flag",
      evidence: "register database",
    }),
    BRICK_DISTANCE: field(2, 23, 8, { doc: "distance of bricks", evidence: "register database" }),
    RELU: field(2, 24, 24, {
      doc: "clamp at the output zero point from below",
      kind: "flag",
      evidence: "captured",
    }),
    POST_MULTIPLIER: logical(
      [part(2, 26, 26), part(15, 27, 22), part(17, 31, 24), part(22, 25, 18, 8)],
      { doc: "requantisation: mantissa bits below the leading one", evidence: "captured" },
    ),
    POST_SHIFT: logical([part(2, 31, 27), part(15, 29, 28)], {
      doc: "requantisation: right shift",
      evidence: "captured",
    }),
    NO_FLUSH: field(3, 3, 3, { doc: "1 on v8", kind: "flag", evidence: "captured" }),
    OUT_X_SIZE: field(3, 18, 6, {
      doc: "output columns before pooling",
      kind: "size",
      evidence: "captured",
    }),
    OUT_Y_SIZE: field(3, 31, 19, {
      doc: "output rows before pooling",
      kind: "size",
      evidence: "captured",
    }),
    OUT_Z_SIZE: field(4, 13, 0, { doc: "output channels", kind: "size", evidence: "captured" }),
    ROUNDING_MODE: field(4, 15, 14, {
      doc: "1: to nearest; what happens to ties was never observed",
      enum: { NEAREST: 1 },
      reset: 1,
      evidence: "captured",
    }),
    TILE_X_SIZE: field(4, 24, 18, {
      doc: "output columns per tile",
      kind: "size",
      evidence: "captured",
    }),
    TILE_Y_SIZE: field(4, 31, 25, {
      doc: "output rows per tile",
      kind: "size",
      evidence: "captured",
    }),
    KERNEL_ADDR: field(5, 25, 0, {
      doc: "address of the coefficient buffer",
      kind: "gpuAddr",
      shr: 6,
      evidence: "captured",
    }),
    IN_IMAGE_ADDR: field(6, 31, 0, {
      doc: "address of the input tensor",
      kind: "gpuAddr",
      evidence: "captured",
    }),
    OUT_IMAGE_ADDR: field(7, 31, 0, {
      doc: "address of the output tensor",
      kind: "gpuAddr",
      evidence: "captured",
    }),
    IMAGE_CACHING_MODE: field(8, 1, 0, {
      doc: "caching of input tiles in on-chip SRAM",
      enum: { NONE: 0, FULL: 1, PARTIAL: 2 },
      evidence: "captured",
    }),
    KERNEL_CACHING_MODE: field(8, 3, 2, {
      doc: "caching of coefficients in on-chip SRAM",
      enum: { NONE: 0, FULL: 1, PARTIAL: 2 },
      evidence: "captured",
    }),
    PARTIAL_CACHE_DATA_UNIT: field(8, 5, 4, {
      doc: "unit of partial caching",
      evidence: "register database",
    }),
    KERNEL_PATTERN_MSB: field(8, 11, 6, {
      doc: "index of the last bit of the kernel pattern",
      evidence: "captured",
    }),
    KERNEL_Y_SIZE: field(8, 15, 12, {
      doc: "kernel size along y",
      kind: "size",
      evidence: "captured",
    }),
    OUT_Y_STRIDE: field(8, 31, 16, {
      doc: "rows per output plane in memory",
      kind: "size",
      evidence: "captured",
    }),
    KERNEL_PATTERN_LOW: field(9, 31, 0, {
      doc: "which parts of the coefficients stay cached, low bits",
      evidence: "captured",
    }),
    KERNEL_PATTERN_HIGH: field(10, 31, 0, { doc: "the same, high bits", evidence: "captured" }),
    KERNEL_CACHE_START: field(11, 31, 0, {
      doc: "first SRAM byte of the kernel cache",
      evidence: "captured",
    }),
    KERNEL_CACHE_END: field(12, 31, 0, {
      doc: "SRAM byte after the kernel cache",
      evidence: "captured",
    }),
    IMAGE_CACHE_START: field(13, 31, 0, {
      doc: "first SRAM byte of the image cache",
      evidence: "captured",
    }),
    IMAGE_CACHE_END: field(14, 31, 0, {
      doc: "SRAM byte after the image cache",
      evidence: "captured",
    }),
    IN_BORDER_MODE: field(15, 1, 0, {
      doc: "what is read outside the input",
      enum: { CONSTANT: 0 },
      evidence: "captured",
    }),
    IN_BORDER_CONST: field(15, 17, 2, {
      doc: "value read outside the input",
      kind: "zeroPoint",
      evidence: "captured",
    }),
    IN_X_STRIDE: field(16, 15, 0, {
      doc: "bytes per input row in memory",
      kind: "size",
      evidence: "captured",
    }),
    IN_Y_STRIDE: field(16, 31, 16, {
      doc: "rows per input plane in memory",
      kind: "size",
      evidence: "captured",
    }),
    OUT_X_STRIDE: field(17, 15, 0, {
      doc: "bytes per output row in memory",
      kind: "size",
      evidence: "captured",
    }),
    OUT_CIRCULAR_SIZE: field(18, 25, 0, {
      doc: "size of a circular output buffer",
      shr: 6,
      evidence: "register database",
    }),
    PER_CHANNEL_POST_MULTIPLY: field(18, 26, 26, {
      doc: "requantisation per channel; its format is unknown",
      kind: "flag",
      evidence: "register database",
    }),
    OUT_CIRCULAR_END: field(19, 25, 0, {
      doc: "end + 1 of a circular output buffer, in units of 64 bytes; all ones = none",
      reset: 0x3ffffff,
      evidence: "captured",
    }),
    IN_CIRCULAR_SIZE: field(20, 25, 0, {
      doc: "size of a circular input buffer",
      shr: 6,
      evidence: "register database",
    }),
    IN_CIRCULAR_END: field(21, 25, 0, {
      doc: "end + 1 of a circular input buffer, in units of 64 bytes; all ones = none",
      reset: 0x3ffffff,
      evidence: "captured",
    }),
    COEF_ZERO_POINT: field(22, 7, 0, {
      doc: "weight zero point",
      kind: "zeroPoint",
      evidence: "captured",
    }),
    OUT_ZERO_POINT: field(22, 15, 8, {
      doc: "output zero point",
      kind: "zeroPoint",
      evidence: "captured",
    }),
    KERNEL_FROM_SRAM: field(22, 16, 16, {
      doc: "coefficients come from on-chip SRAM",
      kind: "flag",
      evidence: "register database",
    }),
    DEPTHWISE: field(22, 17, 17, {
      doc: "output channel o reads input channel o only",
      kind: "flag",
      since: 8,
      evidence: "captured",
    }),
    UNK_28_31_0: field(28, 31, 0, {
      doc: "always 0x03ffffff",
      reset: 0x03ffffff,
      evidence: "unknown",
    }),
    UNK_29_31_0: field(29, 31, 0, {
      doc: "always 0x7f800000, binary32 +infinity; perhaps an upper clamp",
      reset: 0x7f800000,
      evidence: "unknown",
    }),
    UNK_30_31_0: field(30, 31, 0, {
      doc: "always 0xff800000, binary32 -infinity; perhaps a lower clamp",
      reset: 0xff800000,
      evidence: "unknown",
    }),
  },
);
