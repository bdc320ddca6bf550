// Front-end command words and the states that NPU streams write (spec/hardware.md 4).
// SPDX-License-Identifier: MIT
import { block, field, type Evidence } from "./block.ts";

/** The first word of a LOAD_STATE command. */
export const LOAD_STATE = block(
  { id: 2, name: "LOAD_STATE", doc: "header word of a state write", words: 1, align: 8 },
  {
    OPCODE: field(0, 31, 27, {
      doc: "front-end opcode",
      enum: { LOAD_STATE: 1 },
      reset: 1,
      evidence: "captured",
    }),
    FIXP: field(0, 26, 26, {
      doc: "convert from fixed point",
      kind: "flag",
      evidence: "register database",
    }),
    COUNT: field(0, 25, 16, {
      doc: "data words that follow; 0 = 1024",
      evidence: "captured",
      reset: 1,
    }),
    STATE_ADDR: field(0, 15, 0, {
      doc: "byte address of the first state",
      shr: 2,
      evidence: "captured",
    }),
  },
);

/** Every front-end opcode; `user` = may appear in a stream that user space submits for the NPU. */
export const OPCODES: readonly { name: string; value: number; user: boolean; doc: string }[] = [
  { name: "PAD", value: 0, user: true, doc: "zero word, skipped; emitted in pairs" },
  { name: "LOAD_STATE", value: 1, user: true, doc: "write states" },
  { name: "END", value: 2, user: false, doc: "end of the ring" },
  { name: "NOP", value: 3, user: false, doc: "skip one word" },
  { name: "DRAW_2D", value: 4, user: false, doc: "draw" },
  { name: "DRAW_PRIMITIVES", value: 5, user: false, doc: "draw" },
  { name: "DRAW_INDEXED_PRIMITIVES", value: 6, user: false, doc: "draw" },
  { name: "WAIT", value: 7, user: false, doc: "wait a number of cycles" },
  { name: "LINK", value: 8, user: false, doc: "continue at an address" },
  { name: "STALL", value: 9, user: false, doc: "wait for another unit" },
  { name: "CALL", value: 10, user: false, doc: "call a stream" },
  { name: "RETURN", value: 11, user: false, doc: "return from a call" },
  { name: "DRAW_INSTANCED", value: 12, user: false, doc: "draw" },
  { name: "CHIP_SELECT", value: 13, user: false, doc: "choose cores" },
  { name: "WAIT_FENCE", value: 15, user: false, doc: "wait for a fence in memory" },
  { name: "DRAW_INDIRECT", value: 16, user: false, doc: "draw" },
  { name: "SNAP_PAGES", value: 19, user: false, doc: "snap pages" },
];

export interface State {
  name: string;
  /** Byte address. */
  stateAddr: number;
  doc: string;
  /** Values seen in captures; null = an address or any value. */
  captured: readonly number[] | null;
  evidence: Evidence;
}

/** The states that NPU streams write. */
export const STATES: readonly State[] = [
  {
    name: "PA_SYSTEM_MODE",
    stateAddr: 0x00a28,
    doc: "provoking vertex last, half pixel centre; set once at start",
    captured: [0x11],
    evidence: "captured",
  },
  {
    name: "GL_API_MODE",
    stateAddr: 0x0384c,
    doc: "0 OpenGL, 1 OpenVG, 2 OpenCL; set once at start",
    captured: [2],
    evidence: "captured",
  },
  {
    name: "GL_FLUSH_CACHE",
    stateAddr: 0x0380c,
    doc: "caches to flush; closes a stream (0xc23, or 0x403 when jobs overlap)",
    captured: [0xc23, 0x403],
    evidence: "captured",
  },
  {
    name: "GL_OCB_REMAP_START",
    stateAddr: 0x0393c,
    doc: "first address remapped to on-chip buffers",
    captured: [0],
    evidence: "captured",
  },
  {
    name: "GL_OCB_REMAP_END",
    stateAddr: 0x03940,
    doc: "last address remapped to on-chip buffers",
    captured: [0],
    evidence: "captured",
  },
  {
    name: "GL_NN_CONFIG",
    stateAddr: 0x03930,
    doc: "bit 4 small batch; bits 8..11 core count, 0 = all",
    captured: [0x10, 0],
    evidence: "captured",
  },
  {
    name: "GL_TP_CONFIG",
    stateAddr: 0x0394c,
    doc: "tensor processor configuration",
    captured: [0],
    evidence: "captured",
  },
  {
    name: "UNK_03950",
    stateAddr: 0x03950,
    doc: "8 for all but the last core of a padding job, else 0",
    captured: [0, 8],
    evidence: "unknown",
  },
  {
    name: "PS_NN_INST_ADDR",
    stateAddr: 0x010a0,
    doc: "address of an NN descriptor plus a sequence tag in the low bits; starts the job",
    captured: null,
    evidence: "inference",
  },
  {
    name: "PS_TP_INST_ADDR",
    stateAddr: 0x010b8,
    doc: "address of a TP descriptor plus a sequence tag in the low bits; starts the job",
    captured: null,
    evidence: "inference",
  },
  {
    name: "UNK_010A4",
    stateAddr: 0x010a4,
    doc: "written after the last INST_ADDR of a job; waits for the tag, 0 = serialise",
    captured: [0],
    evidence: "inference",
  },
];

/** Low bits of an INST_ADDR word that carry the sequence tag, not the address. */
export const INST_ADDR_TAG_BITS = 8;
