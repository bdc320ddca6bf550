// Hand-made submits for the pre-submit check: one job each, which passes, and ways to damage it.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { NpuError, SubmitCheckError, type ErrorLocation } from "../../core-as/errors.ts";
import { chipByName, type Chip } from "../../core-as/hw/chips.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";
import {
  SubmitChecker,
  type CheckBuffer,
  type SubmitCheckerOptions,
} from "../../core-as/runtime/submit-check.ts";
import type { Build } from "./cores.ts";
import { ADDRESS, nnCoefs, nnFields, type NnCase } from "./nn-rig.ts";
import { nnCoefsV8, nnFieldsV8, type NnCaseV8 } from "./nn-rig-v8.ts";
import { bytesOf, descriptor, nnJobWords, streamOf, tpJobWords, type Fields } from "./sim-rig.ts";

export const A311D_CHIP: Chip = chipByName("a311d")!;
export const IMX8MP_CHIP: Chip = chipByName("imx8mp")!;

export interface Submit {
  chip: Chip;
  stream: Uint32Array;
  /** Input, output, constants, descriptor. */
  buffers: CheckBuffer[];
}

/** Places of the buffers in a Submit of this file. */
export const INPUT = 0;
export const OUTPUT = 1;
export const CONSTANTS = 2;
export const DESCRIPTOR = 3;

export { ADDRESS };

const tensor = (address: number, bytes: number, access: number): CheckBuffer => ({
  address,
  bytes,
  access,
  contents: null,
});

const constant = (address: number, contents: Uint8Array): CheckBuffer => ({
  address,
  bytes: contents.length,
  access: 1,
  contents,
});

/** 7 x 6 pixels, 4 planes, a 3 x 3 kernel with padding, 11 channels. */
export function nnCase(given: Partial<NnCase> = {}): NnCase {
  const base = {
    inX: 7, inY: 6, kernelX: 3, kernelY: 3, kernelZ: 4, outX: 7, outY: 6, outZ: 11, offsetX: -1, offsetY: -1,
    firstPixel: false, relu: false, inZp: 1, outZp: 128, weightZp: 100, multiplier: 0, shift: 15, zrlBits: 2,
    perCore: 2, cores: 8, ...given,
  }; // prettier-ignore
  const taps = base.kernelX * base.kernelY * base.kernelZ;
  return {
    weights: Uint8Array.from({ length: taps * base.outZ }, (_, i) => 99 + (i % 3)),
    bias: new Int32Array(base.outZ),
    input: new Uint8Array(base.inX * base.inY * base.kernelZ),
    ...base,
    ...given,
  };
}

function nnBuffers(c: NnCase, coefs: Uint8Array, words: Uint32Array): CheckBuffer[] {
  return [
    tensor(ADDRESS.input, c.input.length, 1),
    tensor(ADDRESS.output, c.outX * c.outY * c.outZ, 2),
    constant(ADDRESS.coefs, coefs),
    constant(ADDRESS.nn, bytesOf(words)),
  ];
}

/** An NN job for the A311D; `fields` replace those of the case. */
export function nnSubmit(fields: Fields = {}, given: Partial<NnCase> = {}): Submit {
  const c = nnCase(given);
  const words = descriptor("NN", { ...nnFields(c), ...fields });
  return {
    chip: A311D_CHIP,
    stream: streamOf(nnJobWords(ADDRESS.nn)),
    buffers: nnBuffers(c, nnCoefs(c), words),
  };
}

/** The same for the i.MX 8M Plus; depthwise with as many planes as channels. */
export function nnSubmitV8(fields: Fields = {}, given: Partial<NnCaseV8> = {}): Submit {
  const { depthwise = false } = given;
  const plain = nnCase({ cores: 6, perCore: 2, shift: 0, zrlBits: 0, ...given });
  const taps = plain.kernelX * plain.kernelY * (depthwise ? 1 : plain.kernelZ);
  const weights = plain.weights.subarray(0, taps * plain.outZ);
  const c = { ...plain, depthwise, weights };
  const words = descriptor("NN", { ...nnFieldsV8(c), ...fields }, 8);
  return {
    chip: IMX8MP_CHIP,
    stream: streamOf(nnJobWords(ADDRESS.nn)),
    buffers: nnBuffers(plain, nnCoefsV8(c), words),
  };
}

const TP_TABLE = ADDRESS.coefs;
const TP_BYTES = 300;

/** A reshuffle by two with a border: 6 x 6 pixels, 3 planes, to 12 planes of 5 x 5. */
export const RESHUFFLE: Fields = {
  IN_X_SIZE: 6, IN_Y_SIZE: 6, IN_Z_SIZE: 3, IN_STRIDE: 6, IN_SLICE: 36, WINDOW_X_START: -1, WINDOW_Y_START: -1,
  WINDOW_X_END: 8, WINDOW_Y_END: 8, TILE_X_SIZE: 10, TILE_Y_SIZE: 10, TILE_X_INC: 10, TILE_Y_INC: 10,
  LOOP_1_RESET: 1, LOOP_3_RESET: 1, OUT_LOOP_0_COUNT: 2, OUT_LOOP_0_INC: 25, OUT_LOOP_1_COUNT: 5, OUT_LOOP_1_INC: 1,
  OUT_LOOP_2_COUNT: 2, OUT_LOOP_2_INC: 50, OUT_LOOP_3_COUNT: 5, OUT_LOOP_3_INC: 5, OUT_LOOP_6_INC: 100,
  IN_ZERO_POINT: 9, OUT_ZERO_POINT: 9,
}; // prettier-ignore

/** A look-up of 16 x 16 pixels. */
export const LOOKUP: Fields = {
  IN_X_SIZE: 16, IN_Y_SIZE: 16, IN_Z_SIZE: 1, IN_STRIDE: 16, IN_SLICE: 256, WINDOW_X_END: 15, WINDOW_Y_END: 15,
  TILE_X_SIZE: 16, TILE_Y_SIZE: 16, TILE_X_INC: 16, TILE_Y_INC: 16, OUT_LOOP_0_COUNT: 1, OUT_LOOP_1_COUNT: 16,
  OUT_LOOP_1_INC: 1, OUT_LOOP_2_COUNT: 16, OUT_LOOP_2_INC: 16, PWL: 1, LOAD_LUT: 1, LUT_GLOBAL_MEM: 1,
  PWL_SIGN: 1, LUT_ADDR: TP_TABLE,
}; // prettier-ignore

/** A TP job with one descriptor: RESHUFFLE, or `program`, with `fields` replaced; a table of zeros lies ready. */
export function tpSubmit(fields: Fields = {}, program: Fields = RESHUFFLE): Submit {
  const addresses = { IN_BASE_ADDR: ADDRESS.input, OUT_BASE_ADDR: ADDRESS.output };
  const words = descriptor("TP", { ...program, ...addresses, ...fields });
  const read = program === RESHUFFLE ? 108 : 256;
  return {
    chip: A311D_CHIP,
    stream: streamOf(tpJobWords(ADDRESS.nn)),
    buffers: [
      tensor(ADDRESS.input, read, 1),
      tensor(ADDRESS.output, program === RESHUFFLE ? TP_BYTES : 256, 2),
      constant(TP_TABLE, new Uint8Array(4096)),
      constant(ADDRESS.nn, bytesOf(words)),
    ],
  };
}

export const wasmOf = (build: Build): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(build === "debug" ? "build/core.debug.wasm" : "build/core.wasm"));

export async function checkerOf(
  build: Build,
  options: Partial<SubmitCheckerOptions> = {},
): Promise<SubmitChecker> {
  return SubmitChecker.create({ chip: A311D_CHIP, wasm: wasmOf(build), ...options });
}

export interface Refusal {
  code: string;
  message: string;
  where: ErrorLocation;
}

/** What the check says to a submit; null = nothing. Anything but a SubmitCheckError is thrown on. */
export function refusalOf(
  checker: SubmitChecker,
  { stream, buffers }: Pick<Submit, "stream" | "buffers">,
): Refusal | null {
  try {
    checker.check(stream, buffers);
    return null;
  } catch (error) {
    if (!(error instanceof SubmitCheckError)) throw error;
    assert.ok(error.code.startsWith("TW_CHECK_"), error.code);
    return {
      code: error.code.replace("TW_CHECK_", ""),
      message: error.message,
      where: error.where,
    };
  }
}

/** Demands that a submit passes. */
export function passes(checker: SubmitChecker, submit: Submit): void {
  const refusal = refusalOf(checker, submit);
  assert.is(refusal, null, refusal?.message);
}

/** Demands that a submit is refused with a code and, where given, for a field; the message has to match. */
export function refuses(
  checker: SubmitChecker,
  submit: Submit,
  code: string,
  field?: string,
  message = /./,
): Refusal {
  const refusal = refusalOf(checker, submit);
  assert.ok(refusal !== null, `${code} ${field}: not refused`);
  assert.is(refusal.code, code, refusal.message);
  if (field !== undefined) assert.is(refusal.where.field, field, refusal.message);
  assert.match(refusal.message, message);
  assert.not.match(refusal.message, /undefined|NaN|\b-1\b/);
  return refusal;
}

/** The submit with one buffer changed. */
export function withBuffer(submit: Submit, index: number, change: Partial<CheckBuffer>): Submit {
  const buffers = submit.buffers.map((buffer, i) =>
    i === index ? { ...buffer, ...change } : buffer,
  );
  return { ...submit, buffers };
}

/** The submit with another stream. */
export function withStream(submit: Submit, stream: ArrayLike<number>): Submit {
  return { ...submit, stream: Uint32Array.from(stream) };
}

/** Runs the submit in a simulator of its own; "ok" or the code of the fault. */
export async function simulated(submit: Submit): Promise<string> {
  const simulator = await Simulator.create({ chip: submit.chip, wasm: wasmOf("release") });
  for (const { address, bytes, access, contents } of submit.buffers)
    simulator.mapBuffer({ address, bytes, access, ...(contents === null ? {} : { contents }) });
  return simulatedOutcome(() => simulator.submit(submit.stream, submit.buffers));
}

export function simulatedOutcome(run: () => void): string {
  try {
    run();
    return "ok";
  } catch (error) {
    if (!(error instanceof NpuError)) throw error;
    return error.code;
  }
}
