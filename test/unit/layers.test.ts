// The rules of the house that import lines can break (ARCHITECTURE.md): who may import what.
// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const ROOT = resolve(".");
const FOLDERS = [
  "core-as",
  "transport-node",
  "transport-ws",
  "storage",
  "cli",
  "examples",
  "bench",
  "scripts",
  "test",
];

interface Import {
  /** File with the import line, from the repository's root. */
  from: string;
  /** Imported file from the repository's root, or the bare specifier. */
  to: string;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ["node_modules", "build", "dist"].includes(entry.name) ? [] : filesBelow(path);
    return /\.(tsx?|mts|mjs|js)$/.test(entry.name) ? [path] : [];
  });
}

/** Static and dynamic imports with a literal specifier, and re-exports; comments do not count. */
function specifiersOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
  const found: string[] = [];
  for (const pattern of [
    /^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\b(?:import|require)\(\s*["']([^"']+)["']/g,
  ])
    for (const match of code.matchAll(pattern)) found.push(match[1]!);
  return found;
}

function importsOf(path: string): Import[] {
  const from = relative(ROOT, path);
  return specifiersOf(readFileSync(path, "utf8")).map((specifier) => {
    if (!specifier.startsWith(".")) return { from, to: specifier };
    const target = relative(ROOT, resolve(dirname(path), specifier));
    // AssemblyScript names files without their extension.
    return { from, to: /\.\w+$/.test(target) ? target : `${target}.ts` };
  });
}

const IMPORTS = FOLDERS.flatMap((folder) => filesBelow(resolve(folder))).flatMap(importsOf);

const isBelow = (path: string, ...folders: string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

function expectNone(broken: readonly Import[]): void {
  assert.equal(
    broken.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
}

test("import lines are found at all", () => {
  assert.equal(
    specifiersOf(`
      import a, { type B } from "one";
      import "two";
      export { c } from './three.ts';
      import {
        d,
      } from "four";
      // import "no";
      /* import "no" */
      const e = await import("five");
    `).sort(),
    ["./three.ts", "five", "four", "one", "two"],
  );
  assert.ok(IMPORTS.length > 300, `${IMPORTS.length} imports`);
  for (const { from, to } of IMPORTS)
    if (isBelow(to, "core-as")) assert.ok(existsSync(to), `${from} imports ${to}`);
});

test("1: the simulator shares nothing with the encoder", () => {
  const sim = "core-as/assembly/sim";
  const encoder =
    /^core-as\/assembly\/(tile|cmd)\/|^core-as\/assembly\/coef\/(walk|encode|count|emit|transform)/;
  const decoder = /^core-as\/assembly\/coef\/(decode|request)/;
  expectNone(IMPORTS.filter(({ from, to }) => isBelow(from, sim) && encoder.test(to)));
  expectNone(
    IMPORTS.filter(
      ({ from, to }) => decoder.test(from) && (encoder.test(to) || to.endsWith("bits/writer.ts")),
    ),
  );
  // Neither does the encoder learn from the simulator what it would accept.
  expectNone(IMPORTS.filter(({ from, to }) => encoder.test(from) && isBelow(to, sim)));
  expectNone(
    IMPORTS.filter(
      ({ from, to }) => isBelow(from, sim) && to.startsWith("core-as/assembly/bits/writer"),
    ),
  );
});

test("1: the pre-submit check shares tables, bit reader and decoder, nothing of simulator and encoder", () => {
  const check = "core-as/assembly/check";
  const shared =
    /^core-as\/assembly\/(abi|abi-check|arena|fault|gen\/fields|bits\/(fields|reader)|coef\/(decoders|request))\.ts$/;
  const from = IMPORTS.filter((line) => isBelow(line.from, check));
  assert.ok(from.length > 20);
  expectNone(from.filter(({ to }) => !isBelow(to, check) && !shared.test(to)));
  // And nothing of the core relies on it.
  expectNone(
    IMPORTS.filter(
      (line) =>
        isBelow(line.to, check) &&
        !isBelow(line.from, check) &&
        line.from !== "core-as/assembly/index.ts",
    ),
  );
});

test("2: inspection works from bytes: nothing of the compiler", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "core-as/inspect") && isBelow(to, "core-as/compile", "core-as/legalise"),
    ),
  ));

test("what outputs mean is for pages too: nothing but the graph, its numbers and their description", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "core-as/answers") &&
        !isBelow(to, "core-as/answers", "core-as/ir") &&
        to !== "core-as/runtime/tensor-info.ts",
    ),
  ));

test("comparisons of whole models are on top of the core: nothing in it needs them", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(to, "core-as/accuracy") &&
        isBelow(from, "core-as") &&
        !isBelow(from, "core-as/accuracy") &&
        from !== "core-as/index.ts",
    ),
  ));

test("the float reference knows neither compiler nor simulator, and the integer kernels not the float ones", () => {
  const float = "core-as/runtime/float";
  const allowed = [
    float,
    "core-as/runtime/cpu",
    "core-as/ir",
    "core-as/core.ts",
    "core-as/errors.ts",
  ];
  expectNone(IMPORTS.filter(({ from, to }) => isBelow(from, float) && !isBelow(to, ...allowed)));
  expectNone(
    IMPORTS.filter(({ from, to }) => isBelow(from, "core-as/runtime/cpu") && isBelow(to, float)),
  );
});

test("6: devices and their system calls stay inside transport-node", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(to, "transport-node") &&
        !isBelow(from, "transport-node", "cli", "test", "bench", "examples", "scripts"),
    ),
  ));

test("6: only one file knows how to find the native addon", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        to === "node-gyp-build" && from !== "transport-node/addon.ts" && !isBelow(from, "test"),
    ),
  ));

test("7: the platform only at the edge", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        to.startsWith("node:") &&
        !isBelow(
          from,
          "transport-node",
          "transport-ws/server.ts",
          "transport-ws/server",
          "storage",
          "cli",
          "test",
          "bench",
          "examples",
          "scripts",
        ),
    ),
  ));

test("the queue server's client only in one file of the pool, tests and benchmarks", () => {
  const users = IMPORTS.filter(({ to }) => to.startsWith("@nats-io/"));
  assert.ok(users.some(({ from }) => from === "transport-ws/pool/nats.ts"));
  expectNone(
    users.filter(({ from }) => !isBelow(from, "transport-ws/pool/nats.ts", "test", "bench")),
  );
});

test("workers' calls only in the folder that the core itself does not need", () => {
  const ofComlink = IMPORTS.filter(({ to }) => to === "comlink" || to.startsWith("comlink/"));
  assert.ok(ofComlink.some(({ from }) => from === "core-as/worker/endpoint.ts"));
  expectNone(
    ofComlink.filter(
      ({ from }) => !isBelow(from, "core-as/worker", "test", "bench", "examples", "cli"),
    ),
  );
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "core-as") &&
        !isBelow(from, "core-as/worker") &&
        isBelow(to, "core-as/worker"),
    ),
  );
});

test("the board protocol knows nothing of the pool, which is for Node", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "transport-ws") &&
        !isBelow(from, "transport-ws/pool") &&
        isBelow(to, "transport-ws/pool"),
    ),
  ));

test("boards and pages share the protocol: no packages and nothing of the server in it", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "transport-ws") &&
        !isBelow(from, "transport-ws/server", "transport-ws/pool") &&
        (!to.includes("/") || isBelow(to, "transport-ws/server")),
    ),
  ));

test("the WASM module imports only itself", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) => isBelow(from, "core-as/assembly") && !isBelow(to, "core-as/assembly"),
    ),
  ));

test("hardware declarations import nothing else", () =>
  expectNone(
    IMPORTS.filter(({ from, to }) => isBelow(from, "core-as/hw") && !isBelow(to, "core-as/hw")),
  ));

test("the cost model is arithmetic on hardware data", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) => isBelow(from, "core-as/cost") && !isBelow(to, "core-as/cost", "core-as/hw"),
    ),
  ));

test("errors import nothing", () =>
  expectNone(IMPORTS.filter(({ from }) => from === "core-as/errors.ts")));

test("the core does not know command line, transports and tests", () =>
  expectNone(
    IMPORTS.filter(
      ({ from, to }) =>
        isBelow(from, "core-as") &&
        !to.startsWith("node:") &&
        to.includes("/") &&
        isBelow(
          to,
          "cli",
          "transport-node",
          "transport-ws",
          "test",
          "examples",
          "bench",
          "scripts",
        ),
    ),
  ));

test("the preview is a page: public interfaces that work in browsers, and nothing of Node", () => {
  // Its build is not part of the page.
  const isPage = ({ from }: Import): boolean =>
    isBelow(from, "examples/preview") && !from.endsWith("/rollup.config.mjs");
  const doors = ["core-as/index.ts", "core-as/worker/index.ts", "transport-ws/index.ts"];
  const packages = [
    "preact",
    "preact/hooks",
    "preact/compat",
    "comlink",
    "@dagrejs/dagre",
    "uplot",
  ];
  const page = IMPORTS.filter(isPage);
  assert.ok(page.some(({ to }) => to === "core-as/index.ts"));
  expectNone(
    page.filter(
      ({ to }) =>
        !isBelow(to, "examples/preview") &&
        !doors.includes(to) &&
        !packages.includes(to) &&
        to !== "preview:worker",
    ),
  );
});

test("the disk is below the transports: storage knows the core only", () => {
  const ofStorage = IMPORTS.filter(({ from }) => isBelow(from, "storage"));
  assert.ok(ofStorage.length > 3);
  expectNone(
    ofStorage.filter(({ to }) => !to.startsWith("node:") && !isBelow(to, "core-as", "storage")),
  );
  expectNone(IMPORTS.filter(({ from, to }) => isBelow(from, "core-as") && isBelow(to, "storage")));
});

test("no wildcards in what the package exports", () => {
  const source = readFileSync("core-as/index.ts", "utf8");
  assert.not.match(source, /export\s+\*/);
});

test.run();
