// The pre-submit check and buffer lists, and partitions as transports submit them.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../../../core-as/compile/compile.ts";
import { EncodeError, SubmitCheckError } from "../../../core-as/errors.ts";
import { assignAddresses } from "../../../core-as/executable/addresses.ts";
import { relocate } from "../../../core-as/executable/relocate.ts";
import { chipByName } from "../../../core-as/hw/chips.ts";
import { mappedSizes } from "../../../core-as/runtime/mapped-sizes.ts";
import {
  SubmitChecker,
  checkPartition,
  partitionSubmit,
  type CheckBuffer,
} from "../../../core-as/runtime/submit-check.ts";
import {
  ADDRESS,
  CONSTANTS,
  INPUT,
  OUTPUT,
  checkerOf,
  nnSubmit,
  passes,
  refusalOf,
  refuses,
  withBuffer,
} from "../../helpers/check-rig.ts";
import { BUILDS } from "../../helpers/cores.ts";
import { synthModel } from "../../helpers/synth-model.mjs";

/** What is wrong about buffer 0, whose data nothing else is wrong with. */
const REFUSED: Record<string, [Partial<CheckBuffer>, RegExp]> = {
  "no bytes": [{ bytes: 0 }, /buffer 0 has no bytes/],
  "address 0": [{ address: 0 }, /buffer 0 is at 0x0; addresses are multiples of 4096/],
  "not at a page": [{ address: ADDRESS.input + 64 }, /multiples of 4096/],
  "beyond 32 bits": [{ address: 0xfffff000, bytes: 4097 }, /ends beyond the 32-bit/],
  "an address of more bits": [{ address: 2 ** 32 }, /GPU addresses have 32 bits/],
  "a negative address": [{ address: -4096 }, /GPU addresses have 32 bits/],
  "no whole address": [{ address: 4096.5 }, /GPU addresses have 32 bits/],
  "no number": [{ bytes: NaN }, /NaN bytes/],
  "more bytes than addresses": [{ bytes: 2 ** 32 }, /less than 2\^32/],
  "unknown access": [{ access: 4 }, /access 4, not 0 to 3/],
  "more contents than bytes": [{ bytes: 168, contents: new Uint8Array(169) }, /168 bytes, its contents 169/],
  "less mapped than bytes": [{ bytes: 5000, mapped: 4096 }, /4096 bytes mapped/],
  "no whole pages mapped": [{ mapped: 5000 }, /5000 bytes mapped/],
  "negative mapping": [{ mapped: -4096 }, /-4096 bytes mapped/],
  "all addresses": [{ bytes: 0xffffffff }, /mapped/],
  "the output's address": [{ address: ADDRESS.output }, /buffer 1 .* overlaps buffer 0|buffer 0 .* overlaps buffer 1/],
  "bytes of the output": [{ bytes: ADDRESS.output - ADDRESS.input + 1 }, /buffer 1 .* overlaps buffer 0/],
  "a page of the output": [{ mapped: ADDRESS.output - ADDRESS.input + 4096 }, /overlaps buffer 0/],
}; // prettier-ignore

for (const build of BUILDS) {
  const checker = await checkerOf(build);

  test(`${build}: lists that the kernel or the MMU would not take are refused`, () => {
    for (const [, [change, text]] of Object.entries(REFUSED)) {
      const refusal = refusalOf(checker, withBuffer(nnSubmit(), INPUT, change));
      assert.is(refusal?.code, "LIMIT", String(text));
      assert.match(refusal!.message, text);
    }
  });

  test(`${build}: lists in any order pass, up to the end of the address space`, () => {
    const submit = nnSubmit({ IN_IMAGE_ADDR: 0xfffff000 });
    const moved = withBuffer(submit, INPUT, { address: 0xfffff000, bytes: 4096 });
    passes(checker, moved);
    passes(checker, { ...moved, buffers: moved.buffers.toReversed() });
    const next = withBuffer(nnSubmit(), INPUT, { bytes: ADDRESS.output - ADDRESS.input });
    passes(checker, next);
    refuses(checker, { ...nnSubmit(), buffers: [] }, "ADDRESS", "PS_NN_INST_ADDR", /in no buffer/);
  });

  test(`${build}: messages name buffers by their place in the caller's list`, () => {
    const short = withBuffer(nnSubmit(), OUTPUT, { bytes: 100 });
    const buffers = short.buffers.toReversed();
    const { message } = refuses(checker, { ...short, buffers }, "ADDRESS", "OUT_IMAGE_ADDR");
    assert.is(
      message,
      "job 0 (NN): output would be written at 0x20000000 to 0x200001cd, 362 bytes past the end of " +
        "buffer 2 (0x20000000 + 100, write) (word 15 of the stream)",
    );
  });

  test(`${build}: a checker is as new after a refusal`, () => {
    const before = checker.jobCount;
    refuses(checker, withBuffer(nnSubmit(), CONSTANTS, { contents: null }), "ADDRESS");
    passes(checker, nnSubmit());
    assert.is(checker.jobCount, 1);
    assert.ok(before >= 0);
  });

  test(`${build}: 131072 buffers are listed, one more is not`, () => {
    const submit = nnSubmit();
    const many = (count: number): CheckBuffer[] =>
      Array.from({ length: count - 4 }, (_, i) => {
        return { address: 0x50000000 + i * 4096, bytes: 1, access: 3, contents: null };
      });
    passes(checker, { ...submit, buffers: [...submit.buffers, ...many(0x20000)] });
    const list = { ...submit, buffers: [...submit.buffers, ...many(0x20001)] };
    refuses(checker, list, "LIMIT", undefined, /131073 buffers/);
  });
}

test("contents of more than a GiB are refused before they are copied", async () => {
  const checker = await checkerOf("release");
  const contents = new Uint8Array(2 ** 28);
  const more = Array.from({ length: 5 }, (_, i): CheckBuffer => {
    return { address: 0x50000000 + i * 2 ** 28, bytes: 2 ** 28, access: 1, contents };
  });
  const submit = nnSubmit();
  const refusal = refusalOf(checker, { ...submit, buffers: [...submit.buffers, ...more] });
  assert.is(refusal?.code, "LIMIT");
  assert.match(refusal!.message, /together/);
});

test("a stream of any length is refused without copying it", async () => {
  const checker = await checkerOf("release");
  const stream = new Uint32Array(2 ** 26);
  const refusal = refusalOf(checker, { stream, buffers: [] });
  assert.match(refusal?.message ?? "", /268435456 bytes/);
});

const MODEL = "conv-i16x16x7-k3-o7-s1-same-u8-sparse20";

test("partitions: what a transport submits passes, with exact sizes", async () => {
  for (const target of ["a311d", "imx8mp"])
    for (const mode of ["compatible", "optimised"] as const) {
      const chip = chipByName(target)!;
      const { executable } = await compile(synthModel(MODEL), { target, mode, allowQuirks: true });
      const checker = await SubmitChecker.create({ chip });
      for (const partition of executable.partitions) {
        const addresses = assignAddresses(partition);
        const { stream, buffers } = checkPartition(checker, partition, addresses);
        assert.is(checker.jobCount, partition.jobs.length);
        assert.ok(stream.length > 8);
        for (const { bytes, contents, address } of buffers) {
          const index = addresses.indexOf(address);
          assert.is(bytes, partition.buffers[index]!.bytes);
          assert.is(contents === null, partition.buffers[index]!.role === "tensor");
        }
        const relocated = relocate(partition, addresses);
        assert.equal(partitionSubmit(partition, addresses, { relocated }), { stream, buffers });
      }
    }
});

test("partitions: messages say what a job does", async () => {
  const { executable } = await compile(synthModel(MODEL), { target: "a311d", mode: "optimised" });
  const partition = executable.partitions[0]!;
  const checker = await checkerOf("release");
  const index = partition.jobs.findIndex(({ kind }) => kind === "NN");
  const { output, op } = partition.jobs[index]!;
  const buffers = partition.buffers.map((buffer, i) => (i === output ? { ...buffer, access: 1 } : buffer));
  try {
    checkPartition(checker, { ...partition, buffers }, assignAddresses(partition));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, SubmitCheckError);
    assert.match((error as SubmitCheckError).message, /^job \d+ \((NN|TP) \w+\): output would be written at /);
    assert.ok(op.length > 0);
  }
}); // prettier-ignore

test("partitions: buffers without address, and streams of no whole words", async () => {
  const { executable } = await compile(synthModel(MODEL), { target: "a311d", mode: "optimised" });
  const partition = executable.partitions[0]!;
  const addresses = assignAddresses(partition);
  const none = addresses.map((address, i) => (i === partition.jobs[0]!.output ? null : address));
  assert.throws(() => partitionSubmit(partition, none), (error: unknown) => error instanceof EncodeError);
  const relocated = [...relocate(partition, addresses)];
  const expectLimit = (run: () => unknown): void =>
    assert.throws(run, (error: unknown) => error instanceof SubmitCheckError && error.code === "TW_CHECK_LIMIT");
  expectLimit(() => partitionSubmit(partition, none, { relocated }));
  relocated[partition.stream] = relocated[partition.stream]!.subarray(0, 10);
  expectLimit(() => partitionSubmit(partition, addresses, { relocated }));
}); // prettier-ignore

test("inputs of the host are never known contents", async () => {
  const { executable } = await compile(synthModel(MODEL), { target: "a311d", mode: "optimised" });
  const partition = executable.partitions[0]!;
  const descriptor = partition.jobs[0]!.descriptors[0]!;
  const inputs = [{ ...partition.inputs[0]!, buffer: descriptor, offset: 0 }];
  const checker = await checkerOf("release");
  assert.throws(
    () => checkPartition(checker, { ...partition, inputs }, assignAddresses(partition)),
    /contents there are not known/,
  );
});

test("sizes to map: whole pages, and room for kernels without a channel", async () => {
  // 3 channels on 8 cores need nothing; 17 make 24 kernels, whose planes leave the page.
  const name = "pw-i12x19x16-o17-s1-same-u8-sparse97";
  const chip = chipByName("a311d")!;
  const checker = await SubmitChecker.create({ chip });
  for (const [mode, room] of [
    ["compatible", true],
    ["optimised", false],
  ] as const) {
    const { executable } = await compile(synthModel(name), { target: "a311d", mode });
    const partition = executable.partitions[0]!;
    const mapped = mappedSizes(partition, chip);
    let more = 0;
    let top = 2 ** 32;
    const addresses = partition.buffers.map(({ role, bytes }, index) => {
      if (role === "stream") assert.is(mapped[index], 0);
      if (role === "stream") return null;
      assert.is(mapped[index]! % 4096, 0);
      assert.ok(mapped[index]! >= bytes);
      more += Number(mapped[index]! - bytes >= 4096);
      return (top -= mapped[index]!);
    });
    assert.is(more > 0, room, mode);
    checkPartition(checker, partition, addresses, { mapped });
    if (room)
      assert.throws(
        () => checkPartition(checker, partition, assignAddresses(partition)),
        /behind the output's last channel/,
      );
  }
});

test.run();
