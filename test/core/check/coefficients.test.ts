// The pre-submit check and coefficient buffers: headers, ends of streams, and the offsets that say where version 7 writes.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ADDRESS,
  CONSTANTS,
  IMX8MP_CHIP,
  OUTPUT,
  checkerOf,
  nnCase,
  nnSubmit,
  nnSubmitV8,
  passes,
  refuses,
  simulated,
  withBuffer,
  type Submit,
} from "../../helpers/check-rig.ts";
import { dealKernels, encodeCoefsV7 } from "../../helpers/coef-v7.ts";
import { BUILDS } from "../../helpers/cores.ts";
import { nnKernels } from "../../helpers/nn-rig.ts";

/** Bytes of an output plane of nnCase(). */
const PLANE = 42;
const CHANNELS = 11;

function withWord(submit: Submit, byte: number, value: number): Submit {
  const contents = submit.buffers[CONSTANTS]!.contents!.slice();
  new DataView(contents.buffer).setUint32(byte, value, true);
  return withBuffer(submit, CONSTANTS, { contents });
}

/** The version 7 job with kernels whose offsets are these, in order of channels. */
function withOffsets(offsets: readonly number[], mapped?: number): Submit {
  const c = nnCase();
  const [first] = nnKernels(c);
  const kernels = offsets.map((offset) => ({ ...first!, offset }));
  const contents = encodeCoefsV7({ ...c, kernels: dealKernels(kernels, c.cores, c.perCore) });
  const submit = withBuffer(nnSubmit(), CONSTANTS, { contents, bytes: contents.length });
  return withBuffer(submit, OUTPUT, { mapped });
}

const planes = (count: number): number[] => Array.from({ length: count }, (_, i) => i * PLANE);

for (const build of BUILDS) {
  const v7 = await checkerOf(build);
  const v8 = await checkerOf(build, { chip: IMX8MP_CHIP });

  test(`${build}: version 7, the size table`, () => {
    const submit = nnSubmit();
    const size = new DataView(submit.buffers[CONSTANTS]!.contents!.buffer).getUint32(0, true);
    refuses(v7, withWord(submit, 0, size + 64), "ADDRESS", "KERNEL_ADDR", /table of sizes/);
    refuses(v7, withWord(submit, 0, 0xffffffc0), "ADDRESS", "KERNEL_ADDR");
    refuses(v7, withWord(submit, 0, 0), "DESCRIPTOR", "KERNEL_ADDR", /contradict/);
    refuses(v7, withWord(submit, 0, size - 64), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, withWord(submit, 0, size - 4), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, withWord(submit, 32, 1), "DESCRIPTOR", "KERNEL_ADDR");
    // The streams would lie there, but the buffer ends before.
    const bytes = submit.buffers[CONSTANTS]!.bytes - 64;
    const contents = submit.buffers[CONSTANTS]!.contents!.subarray(0, bytes);
    const short = withBuffer(submit, CONSTANTS, { bytes, contents });
    const { where } = refuses(v7, short, "ADDRESS", "KERNEL_ADDR");
    assert.is(where.addrGpu, ADDRESS.coefs);
  });

  test(`${build}: version 7, heads of streams and what follows them`, () => {
    const submit = nnSubmit();
    const head = new DataView(submit.buffers[CONSTANTS]!.contents!.buffer).getUint32(64, true);
    refuses(v7, withWord(submit, 64, (head & ~0xff) | 9), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, withWord(submit, 64, head & 0xff), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, withWord(submit, 64, head | 0xffff00), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, nnSubmit({ KERNEL_X_SIZE: 15 }), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, nnSubmit({ KERNEL_Z_SIZE: 3 }), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v7, nnSubmit({ KERNELS_PER_CORE: 127 }), "DESCRIPTOR", "KERNEL_ADDR");
  });

  test(`${build}: version 7, every kernel's plane lies in the output's buffer`, async () => {
    passes(v7, withOffsets(planes(CHANNELS)));
    assert.is(await simulated(withOffsets(planes(CHANNELS))), "ok");
    // One byte further, and the last plane leaves the buffer; the channel is there, so nothing is mapped for it.
    const late = planes(CHANNELS).with(10, 10 * PLANE + 1);
    const { where } = refuses(v7, withOffsets(late), "ADDRESS", "OUT_IMAGE_ADDR", /1 bytes past/);
    assert.is(where.addrGpu, ADDRESS.output + 10 * PLANE + 1);
    for (const far of [0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff - PLANE])
      for (const kernel of [0, 7, 10])
        refuses(v7, withOffsets(planes(CHANNELS).with(kernel, far)), "ADDRESS", "OUT_IMAGE_ADDR");
  });

  test(`${build}: version 7, kernels without a channel stay in the memory of the output's buffer`, async () => {
    // Q1: as many kernels for every core. The rest of the page is nobody else's.
    passes(v7, withOffsets(planes(16)));
    assert.is(await simulated(withOffsets(planes(16))), "ok");
    const last = [...planes(15), 4096 - PLANE];
    passes(v7, withOffsets(last));
    const text = /kernel 15 of the coefficients has its plane behind .* Map more/;
    const beyond = last.with(15, 4096 - PLANE + 1);
    refuses(v7, withOffsets(beyond), "ADDRESS", "OUT_IMAGE_ADDR", text);
    passes(v7, withOffsets(beyond, 8192));
    refuses(v7, withOffsets(beyond.with(15, 8192 - PLANE + 1), 8192), "ADDRESS", "OUT_IMAGE_ADDR");
  });

  test(`${build}: version 8, the header`, () => {
    const submit = nnSubmitV8();
    const bits = new DataView(submit.buffers[CONSTANTS]!.contents!.buffer).getUint32(28, true);
    refuses(v8, withWord(submit, 0, 0x20), "DESCRIPTOR", "KERNEL_ADDR", /contradict/);
    refuses(v8, withWord(submit, 0, 0x11), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 4, 1), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 20, 0x76543211), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 24, 1), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 28, bits - 1), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 28, bits + 1), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 28, bits + 512), "ADDRESS", "KERNEL_ADDR", /table of sizes/);
    refuses(v8, withWord(submit, 28, 0xffffffff), "ADDRESS", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 52, 1), "DESCRIPTOR", "KERNEL_ADDR");
  });

  test(`${build}: version 8, the streams and the biases behind them`, () => {
    const submit = nnSubmitV8();
    const { bytes, contents } = submit.buffers[CONSTANTS]!;
    const short = { bytes: bytes - 1, contents: contents!.subarray(0, bytes - 1) };
    refuses(v8, withBuffer(submit, CONSTANTS, short), "ADDRESS", "KERNEL_ADDR");
    refuses(v8, withWord(submit, 64, 0), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, nnSubmitV8({ KERNEL_Z_SIZE: 3 }), "DESCRIPTOR", "KERNEL_ADDR");
    refuses(v8, nnSubmitV8({ KERNELS_PER_CORE: 3 }), "DESCRIPTOR", "KERNEL_ADDR");
  });
}

test("coefficients of all jobs together are bounded", async () => {
  const checker = await checkerOf("release");
  // One buffer of 4 MiB, without zero runs, for as many jobs as fit a stream.
  const side = { kernelX: 1, kernelY: 1, kernelZ: 1024, outZ: 4096, inX: 1, inY: 1, outX: 1, outY: 1 };
  const given = { ...side, offsetX: 0, offsetY: 0, perCore: 64, zrlBits: 0, input: new Uint8Array(1024) };
  const submit = nnSubmit({}, { ...given, weights: new Uint8Array(1024 * 4096).fill(5) });
  const job = [...submit.stream.slice(8, 18)];
  const stream = (count: number): Uint32Array =>
    Uint32Array.from([...new Array<number[]>(count).fill(job).flat(), ...submit.stream.slice(18)]);
  passes(checker, { ...submit, stream: stream(60) });
  const { where } = refuses(checker, { ...submit, stream: stream(100) }, "LIMIT", undefined, /coefficients/);
  assert.is(where.job, 63);
}); // prettier-ignore

test.run();
