// Kept results: found again by the same bytes and options only, verified, and never a reason to fail.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compilerId as builtId } from "../../build/compiler-id.js";
import type { CompileCache } from "../../core-as/compile/cache.ts";
import { checksum } from "../../core-as/compile/checksum.ts";
import { compile, type CompileOptions } from "../../core-as/compile/compile.ts";
import { pack, unpack } from "../../core-as/compile/packed.ts";
import { Core } from "../../core-as/core.ts";
import { serialiseExecutable } from "../../core-as/executable/container.ts";
import { chipByName } from "../../core-as/hw/chips.ts";
import { systemOf } from "../../core-as/hw/systems.ts";
import { createSession } from "../../core-as/runtime/session.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { CompilerService } from "../../core-as/worker/index.ts";
import { compilerId } from "../../scripts/compiler-id.mjs";
import { corpusBytes, hasCorpus } from "../helpers/corpus.ts";
import { inputBytes } from "../helpers/prng.mjs";

const SAMPLE = new Uint8Array(readFileSync("examples/sample/digits.tflite"));

class MemoryCache implements CompileCache {
  readonly entries = new Map<string, Uint8Array>();
  async get(key: string): Promise<Uint8Array | null> {
    return this.entries.get(key) ?? null;
  }
  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.entries.set(key, bytes);
  }
}

const test = suite("compile cache");
const core = await Core.create();

test("a kept result is the one that was compiled", async () => {
  const models: Uint8Array[] = [SAMPLE];
  // With options of a custom operator, and with scales of every channel.
  if (hasCorpus)
    for (const name of ["ssdlite_mobiledet_coco_qat_postprocess", "tf2_mobilenet_v2_1.0_224_ptq"])
      models.push(corpusBytes("models", `${name}.tflite`));
  for (const model of models) {
    const cache = new MemoryCache();
    const plain = await compile(model, { core });
    const first = await compile(model, { core, cache });
    assert.is(cache.entries.size, 1);
    const again = await compile(model, { core, cache });
    assert.equal([plain.cached, first.cached, again.cached], [false, false, true]);
    assert.ok(plain.twx === undefined);
    const twx = serialiseExecutable(plain.executable);
    for (const result of [first, again]) {
      assert.equal(result.executable, plain.executable);
      assert.equal(result.model, plain.model);
      assert.equal(result.report, plain.report);
      assert.ok(Buffer.from(twx).equals(result.twx!));
      assert.ok(Buffer.from(serialiseExecutable(result.executable)).equals(twx));
    }
    const stages = again.timings.map(({ name }) => name);
    assert.equal(stages, ["read cache", "load"]);
    assert.is(again.report, again.report);
  }
});

test("it runs, and takes no more of the file than the model's own bytes", async () => {
  const cache = new MemoryCache();
  // In the midst of a larger buffer, as files often are.
  const model = new Uint8Array(SAMPLE.length + 24).subarray(8, 8 + SAMPLE.length);
  model.set(SAMPLE);
  await compile(model, { core, cache });
  const { executable, model: read, cached } = await compile(SAMPLE, { core, cache });
  assert.is(cached, true);
  const constant = read.graph.tensors.find((tensor) => tensor.constant !== null)!.constant!;
  assert.is(constant.buffer, SAMPLE.buffer);
  const transport = createSimTransport(chipByName("a311d")!);
  const run = async (loaded: typeof executable): Promise<Uint8Array[]> => {
    const session = await createSession(loaded, transport);
    return (await session.run([inputBytes("cache", 0, session.inputs[0]!.bytes)])).outputs;
  };
  assert.equal(await run(executable), await run((await compile(SAMPLE, { core })).executable));
  await transport.close();
});

test("everything that can change a result has a name of its own", async () => {
  const cache = new MemoryCache();
  const system = systemOf("a311d");
  const choices: CompileOptions[] = [
    {},
    { target: "imx8mp" },
    { mode: "compatible", allowQuirks: true },
    { allowQuirks: true },
    { capturedOnly: true },
    { memoryPlan: false },
    { exactRounding: true },
    { optimisations: { tileSearch: false } },
    { optimisations: { tileSearch: false, cacheSplit: false } },
    { system: { ...system, bandwidthGBs: system.bandwidthGBs + 1 } },
    { system: { ...system, overheadUs: system.overheadUs + 1 } },
  ];
  for (const [index, options] of choices.entries()) {
    const { cached } = await compile(SAMPLE, { ...options, core, cache });
    assert.equal([cached, cache.entries.size], [false, index + 1], JSON.stringify(options));
  }
  for (const options of choices)
    assert.ok((await compile(SAMPLE, { ...options, core, cache })).cached);
  // Another way to say the same.
  for (const options of [
    { target: "vim3" },
    { system: { ...system } },
    { memoryPlan: true, optimisations: {} },
    { optimisations: { cacheSplit: false, tileSearch: false } },
  ])
    assert.ok((await compile(SAMPLE, { ...options, core, cache })).cached, JSON.stringify(options));
  const other = SAMPLE.slice();
  other[other.length - 1]! ^= 1;
  const { cached } = await compile(other, { core, cache }).catch(() => ({ cached: false }));
  assert.is(cached, false);
});

test("a damaged entry is compiled anew and replaced", async () => {
  const cache = new MemoryCache();
  const { executable } = await compile(SAMPLE, { core, cache });
  const [[key, whole]] = [...cache.entries] as [[string, Uint8Array]];
  const step = Math.ceil(whole.length / 41);
  const damaged = [new Uint8Array(0), whole.slice(0, 43), whole.slice(0, -1), whole.slice(1)];
  for (let at = 0; at < whole.length; at += at < 80 ? 3 : step) {
    const flipped = whole.slice();
    flipped[at]! ^= 0x10;
    damaged.push(flipped);
  }
  for (const bytes of damaged) {
    cache.entries.set(key, bytes);
    const result = await compile(SAMPLE, { core, cache });
    assert.is(result.cached, false);
    assert.equal(result.executable, executable);
    assert.ok(Buffer.from(whole).equals(cache.entries.get(key)!));
  }
});

test("a cache that throws is reported and otherwise empty", async () => {
  const errors: string[] = [];
  const cache: CompileCache = {
    get: () => Promise.reject(new Error("get")),
    put: () => {
      throw new Error("put");
    },
  };
  const onCacheError = (error: unknown): void => void errors.push((error as Error).message);
  assert.is((await compile(SAMPLE, { core, cache, onCacheError })).cached, false);
  assert.equal(errors, ["get", "put"]);
  assert.is((await compile(SAMPLE, { core, cache })).cached, false);
});

test("another module than the one of the build has no part in it", async () => {
  const cache = new MemoryCache();
  const own = await Core.create({ wasm: readFileSync("build/core.debug.wasm") });
  assert.is((await compile(SAMPLE, { core: own, cache })).cached, false);
  assert.is(cache.entries.size, 0);
});

test("an aborted compilation leaves nothing", async () => {
  const cache = new MemoryCache();
  const controller = new AbortController();
  const onProgress = (stage: string): void => {
    if (stage === "generate") controller.abort();
  };
  const { signal } = controller;
  await compile(SAMPLE, { core, cache, signal, onProgress }).then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, "TW_IO_ABORTED"),
  );
  assert.is(cache.entries.size, 0);
});

test("the service tells what was kept, and gives bytes away that are its own", async () => {
  const cache = new MemoryCache();
  const service = new CompilerService({ cache });
  const first = await service.compile(SAMPLE);
  const again = await service.compile(SAMPLE);
  assert.equal([first.cached, again.cached], [false, true]);
  assert.equal(again.executable, first.executable);
  assert.equal(again.report, first.report);
  const [entry] = cache.entries.values();
  for (const { executable } of [first, again]) assert.is.not(executable.buffer, entry!.buffer);
});

test("the build's name follows sources, core and versions", () => {
  assert.match(builtId, /^\d+\.\d+\.\d+-[0-9a-f]{32}$/);
  const root = mkdtempSync(join(tmpdir(), "tilewright-id-"));
  try {
    for (const path of ["core-as", "build/core.wasm", "package.json"])
      cpSync(path, join(root, path), { recursive: true });
    const seen = new Set([compilerId(root)]);
    assert.ok(seen.has(compilerId()));
    const change = (path: string, text: string): void => {
      const file = join(root, path);
      writeFileSync(file, readFileSync(file, "utf8").replace(/$/, text));
      assert.not(seen.has(compilerId(root)), path);
      seen.add(compilerId(root));
    };
    change("core-as/compile/optimised/output-stage.ts", "\n");
    change("core-as/hw/systems.ts", " ");
    change("core-as/assembly/abi.ts", " ");
    change("build/core.wasm", " ");
    const manifest = join(root, "package.json");
    writeFileSync(
      manifest,
      readFileSync(manifest, "utf8").replace(/"version": "[^"]+"/, '"version": "9.9.9"'),
    );
    assert.match(compilerId(root), /^9\.9\.9-/);
    // What only the WASM module is made of is in its digest.
    const before = compilerId(root);
    writeFileSync(join(root, "core-as/assembly/index.ts"), "");
    assert.is(compilerId(root), before);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("the bundle names the sources that it was made of", () => {
  assert.match(readFileSync("dist/core.js", "utf8"), `"${compilerId()}"`);
});

test("the checksum sees every byte, and its number", () => {
  const bytes = Uint8Array.from({ length: 260 }, (_, i) => i * 37);
  const sumOf = (part: Uint8Array): string => checksum(core, part).join();
  const mark = core.mark();
  for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 128, 259]) {
    const seen = new Set([sumOf(bytes.subarray(0, length))]);
    for (let at = 0; at < length; at++) {
      const other = bytes.slice(0, length);
      other[at]! ^= 1 << (at % 8);
      seen.add(sumOf(other));
    }
    assert.is(seen.size, length + 1);
    assert.not(seen.has(sumOf(new Uint8Array(length + 1))));
  }
  assert.is(sumOf(bytes.subarray(1)), sumOf(bytes.slice(1)));
  // In more than one piece, and with ends inside of one.
  const large = Uint8Array.from({ length: 0x2802d }, (_, i) => (i * i) >> 3);
  const seen = new Set([sumOf(large)]);
  const places = [0, 0xffff, 0x10000, 0x1ffff, 0x20000, 0x2803f - 64, large.length - 1];
  for (const at of places) {
    const other = large.slice();
    other[at]! ^= 0x40;
    seen.add(sumOf(other));
  }
  assert.is(seen.size, 1 + places.length);
  assert.is(core.mark(), mark);
});

test("a cache's own digest names results, and is not missed where it fails", async () => {
  const cache = new MemoryCache() as MemoryCache & Pick<CompileCache, "sha256">;
  const plain = await compile(SAMPLE, { core, cache });
  const digested: number[] = [];
  cache.sha256 = async (bytes) => {
    digested.push(bytes.length);
    return createHash("sha256").update(bytes).digest("hex");
  };
  const again = await compile(SAMPLE, { core, cache });
  assert.is(again.cached, true);
  assert.is(digested[0], SAMPLE.length);
  assert.is(digested.length, 2);
  cache.sha256 = () => {
    throw new Error("digest");
  };
  const errors: string[] = [];
  const onCacheError = (error: unknown): void => void errors.push((error as Error).message);
  const third = await compile(SAMPLE, { core, cache, onCacheError });
  assert.equal([third.cached, errors], [true, ["digest", "digest"]]);
  assert.is(third.executable.modelSha256, plain.executable.modelSha256);
});

test("values come back as they were packed", () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => i);
  const value = {
    none: null,
    missing: undefined,
    odd: [NaN, Infinity, -Infinity, -0, 0, 1e-300, 2 ** 53],
    text: 'quotes " and \u2028 and 🦉',
    nested: [[], {}, [{ deep: [undefined] }]],
    scales: Float32Array.of(0.1, 3e38, -0),
    points: Int32Array.of(-1, 2 ** 31 - 1),
    view: bytes.subarray(3, 9),
    empty: new Uint8Array(0),
    own: Uint8Array.of(1, 2, 3),
  };
  const { json, pool } = pack(value, { bytes });
  const back = unpack(json, { bytes, pool }) as typeof value;
  assert.equal(back, value);
  assert.ok(Object.is(back.odd[3], -0) && "missing" in back);
  assert.is(back.view.buffer, bytes.buffer);
  for (const wrong of [new Map(), 1n, () => {}, new Float64Array(1), new Date()])
    assert.throws(() => pack({ wrong }, {}), TypeError);
  assert.throws(() => unpack(json, { pool }), RangeError);
});

test.run();
