// Simulated time of MobileNetV1 1.0 224: descriptors and stream as captured, coefficients of the
// same shape, run width and share of zeros with random weights (the corpus holds only digests of
// the real ones). Usage: node --import tsx bench/sim-mobilenet.ts [wasm file] [--imx8mp] [--jobs]
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { Simulator } from "../core-as/runtime/simulator.ts";
import { chipByName } from "../core-as/hw/chips.ts";
import { encodeCoefsV8 } from "../test/helpers/coef-v8.ts";
import { dealKernels, encodeCoefsV7, type KernelV7 } from "../test/helpers/coef-v7.ts";
import { corpusJson } from "../test/helpers/corpus.ts";
import { rng } from "../test/helpers/prng.mjs";

interface Job {
  kind: "NN" | "TP";
  op: string;
  geometry: { wZp: number; out: [number, number, number] };
  descriptors: string[][];
  coefficients: { bytes: number; zrlBits: number } | null;
}
interface Golden {
  partitions: {
    jobs: Job[];
    stream: string[];
    tensors: { symbol: string; bytes: number; role: string }[];
  }[];
}

const target = process.argv.includes("--imx8mp") ? "imx8mp" : "a311d";
const chip = chipByName(target)!;
const golden = corpusJson<Golden>("golden", target, "mobilenet_v1_1.0_224_quant.json");
const { jobs, stream, tensors } = golden.partitions[0]!;
const simulator = await Simulator.create({
  chip,
  ...(process.argv[2]?.endsWith(".wasm") ? { wasm: readFileSync(process.argv[2]) } : {}),
});

let next = 0x10000000;
const symbols = new Map<string, number>();
function place(symbol: string, bytes: number, contents?: Uint8Array): void {
  simulator.mapBuffer({ address: next, bytes, access: 3, ...(contents ? { contents } : {}) });
  symbols.set(symbol, next);
  next += Math.ceil(bytes / 4096) * 4096;
}

const random = rng("bench/sim-mobilenet");
function coefficientsV8(job: Job): Uint8Array {
  const words = job.descriptors[0]!.map((word) => parseInt(word, 16));
  const kernelX = (words[0]! >> 2) & 15;
  const kernelZ = (words[0]! >> 6) & 0x3fff;
  const outZ = job.geometry.out[2];
  const depthwise = ((words[22]! >> 17) & 1) === 1;
  const length = outZ * kernelX * kernelX * (depthwise ? 1 : kernelZ);
  return encodeCoefsV8({
    kernelX, kernelY: kernelX, kernelZ, outZ, depthwise, perCore: (words[0]! >>> 20) & 127, weightZp: job.geometry.wZp,
    cores: chip.nnCores, weights: Uint8Array.from({ length }, () => random.byte()), biases: new Int32Array(outZ),
  }); // prettier-ignore
}

function coefficients(job: Job): Uint8Array {
  if (target === "imx8mp") return coefficientsV8(job);
  const words = job.descriptors[0]!;
  const word0 = parseInt(words[0]!, 16);
  const kernelX = (word0 >> 2) & 15;
  const kernelZ = (word0 >> 6) & 0x3fff;
  const outZ = job.geometry.out[2];
  const plane = job.geometry.out[0] * job.geometry.out[1];
  const taps = kernelX * kernelX;
  const zp = job.geometry.wZp;
  const kernels: KernelV7[] = Array.from({ length: outZ }, (_, k) => {
    const weights = new Uint8Array(taps * kernelZ).fill(job.op === "dwconv" ? zp : 0);
    const [from, to] = job.op === "dwconv" ? [k * taps, (k + 1) * taps] : [0, weights.length];
    for (let i = from; i < to; i++) weights[i] = random.byte();
    return { weights, bias: 0, offset: k * plane };
  });
  const perCore = (word0 >>> 20) & 127;
  const zrlBits = job.coefficients!.zrlBits;
  const dealt = dealKernels(kernels, 8, perCore);
  return encodeCoefsV7({ kernelX, kernelY: kernelX, kernelZ, outZ, perCore, weightZp: zp, zrlBits, cores: 8, kernels: dealt }); // prettier-ignore
}

function value(word: string): number {
  const [, base, symbol, offset] =
    /^([0-9a-f]+\|)?@([a-z0-9.]+)(?:\+([0-9a-f]+))?$/.exec(word) ?? [];
  if (symbol === undefined) return parseInt(word, 16);
  const address = symbols.get(symbol)!;
  return base ? (parseInt(base, 16) + address / 64) >>> 0 : address + parseInt(offset ?? "0", 10);
}

for (const tensor of tensors) place(tensor.symbol, tensor.bytes);
for (const [index, job] of jobs.entries()) {
  if (job.coefficients) place(`c${index}`, job.coefficients.bytes * 2 + 65536, coefficients(job));
  for (const [core, words] of job.descriptors.entries()) {
    const bytes = new Uint8Array(Uint32Array.from(words, value).buffer);
    place(`d${index}.${core}`, bytes.length, bytes);
  }
}
const input = symbols.get("t0")!;
const inputBytes = Uint8Array.from({ length: 224 * 224 * 3 }, () => random.byte());
const words = Uint32Array.from(stream, value);

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}
const times = Array.from({ length: 12 }, () => {
  simulator.write(input, inputBytes);
  return timed(() => simulator.submit(words));
});
const sorted = times.slice(2).sort((a, b) => a - b);
console.log(`first (decodes coefficients): ${times[0]!.toFixed(1)} ms`);
console.log(`median of ${sorted.length}: ${sorted[sorted.length >> 1]!.toFixed(1)} ms, best ${sorted[0]!.toFixed(1)} ms`); // prettier-ignore
const buffers = jobs.flatMap((job, index) => (job.coefficients ? [symbols.get(`c${index}`)!] : []));
const decoding = Array.from({ length: 5 }, () => {
  for (const address of buffers) simulator.write(address, simulator.read(address, 1));
  return timed(() => simulator.submit(words));
});
console.log(`best with all coefficients written again: ${Math.min(...decoding).toFixed(1)} ms`);
console.log(`memory ${(simulator.memoryBytes / 1e6).toFixed(0)} MB`);

if (process.argv.includes("--jobs")) {
  // Words 0..7 are zero; each job is a run of words that ends with the write of UNK_010A4.
  let from = 8;
  let index = 0;
  for (let i = 8; i < words.length; i += 2) {
    if (words[i] !== 0x08010429) continue;
    const part = new Uint32Array([...words.slice(from, i + 2), 0x08010e03, 0xc23]);
    const best = Math.min(...Array.from({ length: 5 }, () => timed(() => simulator.submit(part))));
    const job = jobs[index]!;
    console.log(`${index} ${job.op} -> ${job.geometry.out.join("x")}: ${best.toFixed(2)} ms`);
    from = i + 2;
    index++;
  }
}
