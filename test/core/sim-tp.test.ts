// TP jobs of the simulator against a plain walk, element by element, as spec/hardware.md 8 words
// it.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Simulator } from "../../core-as/runtime/simulator.ts";
import { BUILDS } from "../helpers/cores.ts";
import { rng } from "../helpers/prng.mjs";
import { bytesOf, descriptor, sameBytes, simulatorOf, streamOf, tpJobWords, type Fields } from "../helpers/sim-rig.ts"; // prettier-ignore
import { thrownCode } from "../helpers/thrown.ts";

const IN = 0x10000000;
const OUT = 0x20000000;
const TP = 0x40000000;

interface Walked {
  output: Map<number, number>;
  twice: boolean;
  reads: number[];
}

/** The walk: for z, tile rows, tile columns, rows of the tile, columns of the tile. */
function walk(f: Record<string, number>, input: Uint8Array): Walked {
  const value = (name: string, otherwise = 0): number => f[name] ?? otherwise;
  const counts = [0, 1, 2, 3, 4, 5].map((k) => value(`OUT_LOOP_${k}_COUNT`, k < 3 ? 0 : 1));
  const incs = [0, 1, 2, 3, 4, 5, 6].map((k) => value(`OUT_LOOP_${k}_INC`));
  const result: Walked = { output: new Map(), twice: false, reads: [] };
  let n = 0;
  const visit = (x: number, y: number, z: number): void => {
    const inside = x >= 0 && x < value("IN_X_SIZE") && y >= 0 && y < value("IN_Y_SIZE");
    const from = z * value("IN_SLICE") + y * value("IN_STRIDE") + x;
    if (inside) result.reads.push(from);
    const real = inside ? (input[from] ?? 0) - value("IN_ZERO_POINT") : 0;
    let address = 0;
    let rest = n++;
    for (let k = 0; k < 6; k++) {
      address += (rest % counts[k]!) * incs[k]!;
      rest = Math.floor(rest / counts[k]!);
    }
    address += rest * incs[6]!;
    if (result.output.has(address)) result.twice = true;
    result.output.set(address, Math.max(0, Math.min(255, real + value("OUT_ZERO_POINT"))));
  };
  const [tx, ty] = [value("TILE_X_SIZE"), value("TILE_Y_SIZE")];
  const [ix, iy] = [value("TILE_X_INC"), value("TILE_Y_INC")];
  if (tx === 0 || ty === 0 || ix === 0 || iy === 0) return result;
  for (let z = 0; z < value("IN_Z_SIZE"); z++)
    for (let y0 = value("WINDOW_Y_START"); y0 <= value("WINDOW_Y_END"); y0 += iy)
      for (let x0 = value("WINDOW_X_START"); x0 <= value("WINDOW_X_END"); x0 += ix)
        for (let y = y0; y < y0 + ty; y++) for (let x = x0; x < x0 + tx; x++) visit(x, y, z);
  return result;
}

const noise = (bytes: number, label: string): Uint8Array => {
  const random = rng(label);
  return Uint8Array.from({ length: bytes }, () => random.byte());
};

function run(simulator: Simulator, programs: readonly Fields[], inBytes: number, outBytes: number): Uint8Array {
  simulator.mapBuffer({ address: IN, bytes: inBytes, access: 1, contents: noise(inBytes, "tp") });
  simulator.mapBuffer({ address: OUT, bytes: outBytes, access: 2 });
  const addresses = programs.map((fields, core) => {
    const base = { IN_BASE_ADDR: IN, OUT_BASE_ADDR: OUT };
    const words = descriptor("TP", { ...base, ...fields });
    const address = TP + 0x1000 * core;
    simulator.mapBuffer({ address, bytes: 124, access: 1, contents: bytesOf(words) });
    return address;
  });
  simulator.submit(streamOf(tpJobWords(...addresses)));
  return simulator.read(OUT, outBytes);
} // prettier-ignore

function transpose(s: number, f: number, c: number, zp = 7): Record<string, number> {
  return {
    IN_X_SIZE: c, IN_Y_SIZE: f, IN_Z_SIZE: s, IN_STRIDE: c, IN_SLICE: f * c, WINDOW_X_END: c - 1, WINDOW_Y_END: f - 1,
    TILE_X_SIZE: 1, TILE_Y_SIZE: f, TILE_X_INC: 1, TILE_Y_INC: f, OUT_LOOP_0_COUNT: f, OUT_LOOP_0_INC: 1,
    OUT_LOOP_1_COUNT: c, OUT_LOOP_1_INC: s * f, OUT_LOOP_2_COUNT: s, OUT_LOOP_2_INC: f, IN_ZERO_POINT: zp, OUT_ZERO_POINT: zp,
  }; // prettier-ignore
}

/**
 * Core `core` of a reshuffle to half size whose rows are divided among `cores` (5x5 kernel: one
 * pixel of border).
 */
function reshuffle(c: number): Record<string, number> {
  return {
    IN_X_SIZE: 6, IN_Y_SIZE: 6, IN_Z_SIZE: c, IN_STRIDE: 6, IN_SLICE: 36, WINDOW_X_START: -1, WINDOW_Y_START: -1,
    WINDOW_X_END: 8, WINDOW_Y_END: 8, TILE_X_SIZE: 10, TILE_Y_SIZE: 10, TILE_X_INC: 10, TILE_Y_INC: 10,
    LOOP_1_RESET: 1, LOOP_3_RESET: 1, OUT_LOOP_0_COUNT: 2, OUT_LOOP_0_INC: 25, OUT_LOOP_1_COUNT: 5, OUT_LOOP_1_INC: 1,
    OUT_LOOP_2_COUNT: 2, OUT_LOOP_2_INC: 50, OUT_LOOP_3_COUNT: 5, OUT_LOOP_3_INC: 5, OUT_LOOP_6_INC: 100,
    IN_ZERO_POINT: 9, OUT_ZERO_POINT: 9,
  }; // prettier-ignore
}

function check(output: Uint8Array, ...programs: Record<string, number>[]): void {
  const input = noise(4096, "tp");
  const expected = new Uint8Array(output.length);
  for (const program of programs)
    for (const [at, value] of walk(program, input.subarray((program["IN_BASE_ADDR"] ?? IN) - IN)).output)
      expected[at + (program["OUT_BASE_ADDR"] ?? OUT) - OUT] = value;
  sameBytes(output, expected, JSON.stringify(programs));
} // prettier-ignore

for (const build of BUILDS) {
  test(`${build}: transpose moves NHWC to planes`, async () => {
    const output = run(await simulatorOf(build), [transpose(3, 5, 4)], 60, 60);
    const input = noise(60, "tp");
    for (let s = 0; s < 3; s++)
      for (let f = 0; f < 5; f++)
        for (let c = 0; c < 4; c++)
          assert.is(output[c * 15 + s * 5 + f], input[(s * 5 + f) * 4 + c]);
  });

  test(`${build}: zero points shift and clamp`, async () => {
    const program = { ...transpose(4, 4, 4), IN_ZERO_POINT: 100, OUT_ZERO_POINT: 20 };
    const output = run(await simulatorOf(build), [program], 4096, 64);
    check(output, program);
    assert.ok(output.includes(0));
  });

  test(`${build}: reshuffle reads its border as zero points`, async () => {
    const program = reshuffle(3);
    const output = run(await simulatorOf(build), [program], 4096, 300);
    check(output, program);
    assert.is(output[0], 9);
  });

  test(`${build}: several cores fill one output, empty tiles do nothing`, async () => {
    const first = transpose(2, 5, 4);
    const plain = { OUT_LOOP_1_INC: 25 };
    const programs = [
      { ...first, ...plain, NO_FLUSH: 1 },
      { ...first, ...plain, IN_BASE_ADDR: IN + 40, OUT_BASE_ADDR: OUT + 10 },
      { ...first, TILE_X_SIZE: 0, TILE_X_INC: 0, OUT_LOOP_0_COUNT: 0, IN_BASE_ADDR: 0 },
    ];
    const output = run(await simulatorOf(build), programs, 4096, 100);
    check(output, programs[0]!, programs[1]!);
  });

  test(`${build}: random programs equal the walk, or fault where it leaves the buffers or writes twice`, async () => {
    const random = rng("sim-tp/random");
    const pick = (n: number): number => random.next() % n;
    const tally: Record<string, number> = {};
    for (let i = 0; i < 400; i++) {
      const [tx, ty] = [1 + pick(i % 2 ? 4 : 13), 1 + pick(4)];
      const [nx, ny] = [1 + pick(3), 1 + pick(3)];
      const incX = tx + (pick(4) === 0 ? pick(3) : 0);
      const incY = ty + (pick(4) === 0 ? pick(3) : 0);
      const program: Record<string, number> = {
        IN_X_SIZE: pick(9), IN_Y_SIZE: pick(9), IN_Z_SIZE: 1 + pick(3), IN_STRIDE: 1 + pick(12), IN_SLICE: pick(100),
        WINDOW_X_START: pick(4) - 2, WINDOW_Y_START: pick(4) - 2, TILE_X_SIZE: tx, TILE_Y_SIZE: ty,
        TILE_X_INC: incX, TILE_Y_INC: incY, IN_ZERO_POINT: random.byte(), OUT_ZERO_POINT: random.byte(),
      }; // prettier-ignore
      program["WINDOW_X_END"] = program["WINDOW_X_START"]! + (nx - 1) * incX + tx - 1;
      program["WINDOW_Y_END"] = program["WINDOW_Y_START"]! + (ny - 1) * incY + ty - 1;
      if (program["WINDOW_X_END"]! < 0 || program["WINDOW_Y_END"]! < 0) continue;
      // Loops of a mixed radix in random order are free of collisions; sometimes one increment is
      // spoilt.
      const counts = Array.from({ length: 6 }, () => 1 + pick(3));
      let unit = 1;
      const order = [0, 1, 2, 3, 4, 5].sort(() => (random.next() & 2) - 1);
      for (const k of order) {
        program[`OUT_LOOP_${k}_COUNT`] = counts[k]!;
        program[`OUT_LOOP_${k}_INC`] = pick(30) === 0 ? unit - 1 : unit;
        unit *= counts[k]!;
      }
      program["OUT_LOOP_6_INC"] = unit;
      const walked = walk(program, noise(160, "tp"));
      const outside =
        walked.reads.some((at) => at >= 160) || [...walked.output.keys()].some((at) => at >= 1800);
      const simulator = await (cores[build] ??= simulatorOf(build));
      let output: Uint8Array | undefined;
      const code = thrownCode(() => (output = run(simulator, [program], 160, 1800)));
      tally[code] = (tally[code] ?? 0) + 1;
      if (code === "none") {
        assert.not(outside || walked.twice);
        check(output!, program);
      } else if (code === "TW_SIM_DOUBLE_WRITE") assert.ok(walked.twice);
      else {
        assert.is(code, "TW_SIM_BAD_ADDRESS");
        assert.ok(outside);
      }
    }
    assert.ok(tally["none"]! > 100 && tally["TW_SIM_DOUBLE_WRITE"]! > 5 && tally["TW_SIM_BAD_ADDRESS"]! > 5, JSON.stringify(tally)); // prettier-ignore
  });

  test(`${build}: what was never captured is refused`, async () => {
    const refused: [string, Fields][] = [
      ["TW_SIM_BAD_DESCRIPTOR", { WINDOW_X_END: 4, TILE_X_SIZE: 2, TILE_X_INC: 2 }],
      ["TW_SIM_BAD_DESCRIPTOR", { TILE_Y_SIZE: 2, TILE_Y_INC: 1 }],
      ["TW_SIM_BAD_DESCRIPTOR", { OUT_LOOP_1_COUNT: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { BORDER_CONST: 1 }],
      ["TW_SIM_BAD_DESCRIPTOR", { LAST: 0 }],
      ["TW_SIM_BAD_DESCRIPTOR", { REORDER_MODE: 1 }],
      ["TW_SIM_DOUBLE_WRITE", { OUT_LOOP_2_INC: 0 }],
      ["TW_SIM_BAD_ADDRESS", { OUT_LOOP_2_INC: 0xffffffff }],
      ["TW_SIM_BAD_ADDRESS", { OUT_BASE_ADDR: IN }],
      ["TW_SIM_BAD_ADDRESS", { IN_BASE_ADDR: OUT }],
      ["TW_SIM_LIMIT", { ...HUGE }],
    ];
    for (const [code, change] of refused) {
      const simulator = await simulatorOf(build);
      const program = { ...transpose(3, 5, 4), ...change };
      assert.is(thrownCode(() => run(simulator, [program], 60, 60)), code, JSON.stringify(change)); // prettier-ignore
    }
  });
}

const cores: Partial<Record<(typeof BUILDS)[number], Promise<Simulator>>> = {};
const HUGE = {
  IN_Z_SIZE: 0xffff, WINDOW_X_END: 0xffff, WINDOW_Y_END: 0xffff, TILE_X_SIZE: 1, TILE_Y_SIZE: 1, TILE_X_INC: 1, TILE_Y_INC: 1,
}; // prettier-ignore

test.run();
