// The .twx container: round trip, and what is refused. Corruption is tried at every byte.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ExecutableError, NpuError } from "../../../core-as/errors.ts";
import { parseExecutable, serialiseExecutable } from "../../../core-as/executable/container.ts";
import { crc32 } from "../../../core-as/executable/crc32.ts";
import type { Executable } from "../../../core-as/executable/executable.ts";
import {
  ENTRY,
  ENTRY_BYTES,
  HEADER,
  HEADER_BYTES,
  SECTIONS,
} from "../../../core-as/executable/format.ts";
import { rng } from "../../helpers/prng.mjs";
import { sealed } from "../../helpers/seal.ts";
import { tinyExecutable } from "../../helpers/tiny-executable.ts";

const FILE = serialiseExecutable(tinyExecutable());

function errorOf(action: () => unknown): NpuError {
  try {
    action();
  } catch (error) {
    assert.instance(error, NpuError, String(error));
    return error as NpuError;
  }
  throw new Error("nothing was thrown");
}

/** Position and length of a section. */
function sectionOf(tag: (typeof SECTIONS)[number]): { offset: number; length: number } {
  const view = new DataView(FILE.buffer);
  const entry = HEADER_BYTES + SECTIONS.indexOf(tag) * ENTRY_BYTES;
  return {
    offset: view.getUint32(entry + ENTRY.offset, true),
    length: view.getUint32(entry + ENTRY.bytes, true),
  };
}

test("crc32 of known texts", () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  assert.is(crc32(text("")), 0);
  assert.is(crc32(text("123456789")), 0xcbf43926);
  assert.is(crc32(text("The quick brown fox jumps over the lazy dog")), 0x414fa339);
  assert.is(crc32(text("56789"), crc32(text("1234"))), 0xcbf43926);
});

test("what is written is read", () => {
  for (const type of ["uint8", "int8"] as const) {
    const executable = tinyExecutable(type);
    const back = parseExecutable(serialiseExecutable(executable));
    assert.equal(back, executable);
    assert.equal(serialiseExecutable(back), serialiseExecutable(executable));
  }
});

test("executables without work, without contents, with a constant that the CPU reads", () => {
  const idle: Executable = { ...tinyExecutable(), partitions: [], steps: [], placements: [] };
  idle.graph.ops = [];
  idle.accuracies = [];
  idle.graph.outputs = [0];
  idle.modelSha256 = "";
  assert.equal(parseExecutable(serialiseExecutable(idle)), {
    ...idle,
    // Nobody reads the shape now.
    graph: {
      ...idle.graph,
      tensors: idle.graph.tensors.map((tensor) => ({ ...tensor, constant: null })),
    },
  });
});

test("contents and constants are views of the file", () => {
  const { partitions, graph } = parseExecutable(FILE);
  assert.is(partitions[0]!.buffers[2]!.contents!.buffer, FILE.buffer);
  assert.is(partitions[0]!.buffers[2]!.contents!.byteOffset % 64, 0);
  assert.is(graph.tensors[3]!.constant!.buffer, FILE.buffer);
});

test("a Node Buffer and a view inside a larger buffer are read alike", () => {
  const expected = tinyExecutable();
  assert.equal(
    parseExecutable(Buffer.from(FILE)).partitions[0]!.jobs,
    expected.partitions[0]!.jobs,
  );
  const shifted = new Uint8Array(FILE.length + 3);
  shifted.set(FILE, 3);
  assert.equal(parseExecutable(shifted.subarray(3)), expected);
  assert.throws(() => parseExecutable("text" as never), TypeError);
});

test("every single-byte change is an NpuError", () => {
  const random = rng("exe/corruption");
  for (let at = 0; at < FILE.length; at++)
    for (const change of [1, 0x80, 1 + (random.byte() % 255)]) {
      const broken = FILE.slice();
      broken[at] = broken[at]! ^ change;
      const { code, where } = errorOf(() => parseExecutable(broken));
      assert.ok(code.startsWith("TW_EXE_"), `byte ${at}: ${code}`);
      assert.type(where.byteOffset, "number");
    }
});

test("every truncation and every appended byte is an NpuError", () => {
  for (let length = 0; length < FILE.length; length++)
    assert.instance(
      errorOf(() => parseExecutable(FILE.subarray(0, length))),
      ExecutableError,
    );
  const longer = new Uint8Array(FILE.length + 1);
  longer.set(FILE);
  assert.is(errorOf(() => parseExecutable(longer)).code, "TW_EXE_DAMAGED");
});

test("words changed with right checksums: parsed or refused, never anything else", () => {
  const random = rng("exe/hostile");
  const values = [0, 1, 2, 3, 7, 0x7f, 0xff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
  const begin = HEADER_BYTES + ENTRY_BYTES * SECTIONS.length;
  let refused = 0;
  for (let at = begin; at + 4 <= FILE.length; at += 4)
    for (const value of [...values, random.next() >>> 0]) {
      const hostile = FILE.slice();
      new DataView(hostile.buffer).setUint32(at, value, true);
      try {
        serialiseExecutable(parseExecutable(sealed(hostile)));
      } catch (error) {
        assert.instance(error, ExecutableError, `word at ${at} = ${value}: ${String(error)}`);
        assert.type((error as ExecutableError).where.byteOffset, "number");
        refused++;
      }
    }
  assert.ok(refused > 1000, `${refused} refused`);
});

test("section tables with wrong numbers", () => {
  const random = rng("exe/table");
  for (let i = 0; i < 5000; i++) {
    const hostile = FILE.slice();
    const view = new DataView(hostile.buffer);
    const section = random.byte() % SECTIONS.length;
    const entry = HEADER_BYTES + ENTRY_BYTES * section;
    const field = [ENTRY.tag, ENTRY.flags, ENTRY.offset, ENTRY.bytes][random.byte() % 4]!;
    const old = view.getUint32(entry + field, true);
    view.setUint32(entry + field, (old + [1, 4, 64, -64, 2 ** 31][random.byte() % 5]!) >>> 0, true);
    // A flatbuffer may end with zeros that belong to nobody.
    if (SECTIONS[section] === "GRAF" && field === ENTRY.bytes) continue;
    assert.instance(
      errorOf(() => parseExecutable(sealed(hostile))),
      ExecutableError,
    );
  }
});

test("another version, and another kind of file", () => {
  const newer = FILE.slice();
  new DataView(newer.buffer).setUint32(HEADER.version, 2, true);
  assert.is(errorOf(() => parseExecutable(newer)).code, "TW_EXE_VERSION");
  const code = (bytes: Uint8Array): string => errorOf(() => parseExecutable(bytes)).code;
  assert.is(code(new Uint8Array(0)), "TW_EXE_NOT_TWX");
  assert.is(code(new TextEncoder().encode("TFL3 is something else")), "TW_EXE_NOT_TWX");
});

/** The file with a further section at the end. */
function withSection(tag: string, flags: number): Uint8Array {
  const extra = new TextEncoder().encode("note");
  // Sections begin at multiples of 64 behind the table: every second entry moves them.
  const tableEnd = HEADER_BYTES + ENTRY_BYTES * SECTIONS.length;
  const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const moved = aligned(tableEnd + ENTRY_BYTES) - aligned(tableEnd);
  const offset = Math.ceil((FILE.length + moved) / 64) * 64;
  const file = new Uint8Array(offset + extra.length);
  file.set(FILE.subarray(0, tableEnd));
  file.set(FILE.subarray(aligned(tableEnd)), aligned(tableEnd) + moved);
  file.set(extra, offset);
  const view = new DataView(file.buffer);
  view.setUint32(HEADER.fileBytes, file.length, true);
  view.setUint32(HEADER.sections, SECTIONS.length + 1, true);
  for (let i = 0; i < SECTIONS.length; i++) {
    const at = HEADER_BYTES + ENTRY_BYTES * i + ENTRY.offset;
    view.setUint32(at, view.getUint32(at, true) + moved, true);
  }
  for (let i = 0; i < 4; i++) file[tableEnd + i] = tag.charCodeAt(i);
  view.setUint32(tableEnd + ENTRY.flags, flags, true);
  view.setUint32(tableEnd + ENTRY.offset, offset, true);
  view.setUint32(tableEnd + ENTRY.bytes, extra.length, true);
  return sealed(file);
}

test("unknown sections: optional ones are skipped, required ones refused", () => {
  assert.equal(parseExecutable(withSection("NOTE", 0)), tinyExecutable());
  const refusal = errorOf(() => parseExecutable(withSection("NOTE", 1)));
  assert.is(refusal.code, "TW_EXE_VERSION");
  assert.match(refusal.message, "NOTE");
  assert.is(errorOf(() => parseExecutable(withSection("META", 1))).code, "TW_EXE_DAMAGED");
});

const WRONG: Record<string, (executable: Executable) => void> = {
  "a relocation behind the contents": ({ partitions: [p] }) => {
    p!.relocations[0]!.byteOffset = 136;
  },
  "a relocation that is not aligned": ({ partitions: [p] }) => {
    p!.relocations[0]!.byteOffset = 22;
  },
  "two relocations of a word": ({ partitions: [p] }) => {
    p!.relocations[1]!.byteOffset = 20;
  },
  "a relocation in a buffer without contents": ({ partitions: [p] }) => {
    p!.relocations[0]!.buffer = 0;
  },
  "an addend behind the target": ({ partitions: [p] }) => {
    p!.relocations[1]!.addend = 17;
  },
  "a target that does not exist": ({ partitions: [p] }) => {
    p!.relocations[0]!.target = 5;
  },
  "a job whose descriptor is a tensor": ({ partitions: [p] }) => {
    p!.jobs[0]!.descriptors = [0];
  },
  "an NN job without coefficients": ({ partitions: [p] }) => {
    p!.jobs[0]!.coefficients = null;
  },
  "a job of an operator that does not exist": ({ partitions: [p] }) => {
    p!.jobs[0]!.sourceOp = 2;
  },
  "a port outside its buffer": ({ partitions: [p] }) => {
    p!.outputs[0]!.offset = 17;
  },
  "a port smaller than its tensor": ({ partitions: [p] }) => {
    p!.inputs[0]!.bytes = 15;
  },
  "a port of a tensor that does not exist": ({ partitions: [p] }) => {
    p!.inputs[0]!.tensor = 5;
  },
  "a stream that is a tensor": ({ partitions: [p] }) => {
    p!.stream = 0;
  },
  "a stream of half words": ({ partitions: [p] }) => {
    p!.buffers[4]!.contents = new Uint8Array(14);
    p!.relocations.pop();
  },
  "an empty buffer": ({ partitions: [p] }) => {
    p!.buffers[0]!.bytes = 0;
  },
  "contents larger than their buffer": ({ partitions: [p] }) => {
    p!.buffers[2]!.bytes = 199;
  },
  "more bytes than there are addresses": ({ partitions: [p] }) => {
    p!.buffers[0]!.bytes = 2 ** 32 - 4096;
  },
  "a partition that is submitted twice": ({ steps }) => {
    steps.push({ kind: "npu", partition: 0 });
  },
  "a partition that is never submitted": ({ steps }) => {
    steps.shift();
  },
  "steps in the wrong order": ({ steps }) => {
    steps.reverse();
  },
  "an operator that runs twice": ({ steps }) => {
    steps[1] = { kind: "cpu", ops: [1, 1] };
  },
  "an output that nobody computes": ({ steps }) => {
    steps.pop();
  },
  "an operator that is placed twice": ({ placements }) => {
    placements[1]!.op = 0;
  },
  "a digest that is none": (executable) => {
    executable.modelSha256 = "abc";
  },
};

for (const [what, damage] of Object.entries(WRONG))
  test(`refuses ${what}`, () => {
    const executable = tinyExecutable();
    damage(executable);
    const { code, where } = errorOf(() => parseExecutable(serialiseExecutable(executable)));
    assert.is(code, "TW_EXE_DAMAGED");
    assert.ok(where.byteOffset! > 0 && where.byteOffset! <= FILE.length + 64);
  });

test("strings that are not UTF-8 are refused", () => {
  const { offset, length } = sectionOf("STRS");
  const hostile = FILE.slice();
  hostile[offset + length - 1] = 0xff;
  const { message } = errorOf(() => parseExecutable(sealed(hostile)));
  assert.match(message, "UTF-8");
});

test("a count of four thousand million entries costs nothing", () => {
  const { offset } = sectionOf("PART");
  for (let word = 0; word < 5; word++) {
    const hostile = FILE.slice();
    new DataView(hostile.buffer).setUint32(offset + 4 * word, 0xffffffff, true);
    const start = performance.now();
    assert.is(errorOf(() => parseExecutable(sealed(hostile))).code, "TW_EXE_DAMAGED");
    assert.ok(performance.now() - start < 100);
  }
});

test.run();
