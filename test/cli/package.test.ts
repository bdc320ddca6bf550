// The bundles and the package as users get them.
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as source from "../../core-as/index.ts";

/** A file, or files by condition. */
type Entry = string | { [condition: string]: Entry };

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  version: string;
  bin: Record<string, string>;
  exports: Record<string, Entry>;
  dependencies: Record<string, string>;
};

/** Every file that an entry may mean. */
function filesOf(entry: Entry): string[] {
  return typeof entry === "string" ? [entry] : Object.values(entry).flatMap(filesOf);
}

/** The file that an entry means where these conditions hold. */
function fileFor(entry: Entry, ...conditions: string[]): string {
  if (typeof entry === "string") return entry;
  const [, next] = Object.entries(entry).find(([name]) => conditions.includes(name))!;
  return fileFor(next, ...conditions);
}

/** Exports with code: "tilewright", "tilewright/node", … */
const EXPORTS = Object.entries(manifest.exports)
  .filter(([path]) => !path.endsWith(".json"))
  .map(([path, entry]) => ({ name: path.replace(/^\./, "tilewright"), entry }));

/** Names that a bundle imports, each once. */
function importsOfBundle(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const lines = text.matchAll(
    /^(?:import|export) (?:[^;]* from )?'([^']+)';$|import\('([^']+)'\)/gm,
  );
  return [...new Set([...lines].map((match) => (match[1] ?? match[2])!))];
}

/** Bundles below dist/ that a bundle reaches, itself included. */
function reachedFrom(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const name of importsOfBundle(path))
    if (name.startsWith(".")) reachedFrom(join(dirname(path), name), seen);
  return seen;
}

test("everything that package.json names exists", () => {
  for (const path of Object.values(manifest.exports).flatMap(filesOf))
    assert.ok(existsSync(path), path);
  for (const path of Object.values(manifest.bin)) assert.ok(existsSync(path), path);
});

test("the library alone imports its core and nothing that a browser lacks", () => {
  assert.equal(importsOfBundle("dist/index.js"), ["./core.js", "flatbuffers"]);
  assert.equal(importsOfBundle("dist/core.js"), ["flatbuffers"]);
});

test("bundles import Node's modules, each other and declared dependencies only", () => {
  const exported = EXPORTS.flatMap(({ entry }) => filesOf(entry));
  const bundles = ["dist/cli.js", ...exported.filter((path) => path.endsWith(".js"))];
  for (const bundle of new Set(bundles.flatMap((path) => [...reachedFrom(path)])))
    for (const name of importsOfBundle(bundle)) {
      const isDeclared = Object.keys(manifest.dependencies).some(
        (dependency) => name === dependency || name.startsWith(`${dependency}/`),
      );
      assert.ok(isDeclared || /^(node:|\.\/)/.test(name), `${bundle} imports ${name}`);
    }
});

for (const { name, entry } of EXPORTS.filter(({ name }) => isForBrowsers(name)))
  test(`${name} can be bundled for a browser`, async () => {
    const nodeModules: string[] = [];
    // A browser has no Node modules; one that is only imported when it is there would not be found by esbuild's own check.
    const watch: Plugin = {
      name: "node modules",
      setup({ onResolve }) {
        onResolve({ filter: /^node:|^(ws|node-gyp-build|@nats-io\/.*)$/ }, ({ path, importer }) => {
          nodeModules.push(`${importer} imports ${path}`);
          return { path, external: true };
        });
      },
    };
    const { outputFiles } = await build({
      entryPoints: [fileFor(entry, "default")],
      bundle: true,
      platform: "browser",
      format: "esm",
      write: false,
      logLevel: "silent",
      plugins: [watch],
    });
    assert.equal(nodeModules, []);
    const text = outputFiles[0]!.text;
    assert.not.match(text, /\b(require\(|process\.|__dirname|Buffer\.)/);
  });

function isForBrowsers(name: string): boolean {
  return name === "tilewright" || name === "tilewright/ws";
}

test("the library exports what its source does", async () => {
  const name: string = "tilewright";
  const built = (await import(name)) as object;
  assert.equal(Object.keys(built).sort(), Object.keys(source).sort());
});

test("the tool starts by its first line and knows its version", () => {
  assert.match(readFileSync("dist/cli.js", "utf8"), /^#!\/usr\/bin\/env node\n/);
  const text = execFileSync(process.execPath, ["dist/cli.js", "--version"], { encoding: "utf8" });
  assert.is(text.trim(), manifest.version);
});

/** The package as npm packs it, unpacked below a folder of its own, its dependencies linked. */
function installed(): string {
  const folder = mkdtempSync(join(tmpdir(), "tilewright-package-"));
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const packed = JSON.parse(
    run("npm", "pack", "--json", "--offline", "--ignore-scripts", "--pack-destination", folder),
  ) as { filename: string }[];
  const modules = join(folder, "node_modules");
  const target = join(modules, "tilewright");
  mkdirSync(target, { recursive: true });
  run("tar", "-xzf", join(folder, packed[0]!.filename), "-C", target, "--strip-components=1");
  // Those of the package and nothing else: what it forgot to declare is not found.
  for (const dependency of [...Object.keys(manifest.dependencies), "@types/ws", "@types/node"]) {
    const link = join(modules, dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(resolve("node_modules", dependency), link);
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  return folder;
}

const folder = installed();
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** What a program prints that runs beside the installed package. */
function runInstalled(program: string): string {
  const file = join(folder, "program.js");
  writeFileSync(file, program);
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
}

test("every export of the packed package is imported, and its classes exist once", () => {
  const names = EXPORTS.map(({ name }) => name);
  const text = runInstalled(`
    import { NpuError } from "tilewright";
    import { openDrm } from "tilewright/node";
    for (const name of ${JSON.stringify(names)}) {
      const { length } = Object.keys(await import(name));
      console.log(name, length > 0);
    }
    const error = await openDrm({ path: "/dev/dri/not-there" }).catch((reason) => reason);
    console.log(error instanceof NpuError, error.code.startsWith("TW_IO_"));
  `);
  assert.equal(text.trim().split("\n"), [...names.map((name) => `${name} true`), "true true"]);
});

test("the packed package has types for every export", () => {
  const imports = EXPORTS.map(({ name }, i) => `import * as e${i} from "${name}";`);
  const uses = EXPORTS.map((_, i) => `void e${i};`);
  writeFileSync(
    join(folder, "types.ts"),
    [...imports, ...uses, 'const name: string = e0.chipByName("a311d")!.name;', "void name;"].join(
      "\n",
    ),
  );
  const options = {
    module: "nodenext",
    moduleResolution: "nodenext",
    target: "es2022",
    lib: ["es2023", "dom", "dom.iterable"],
    strict: true,
    noEmit: true,
    types: ["node"],
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, files: ["types.ts"] }),
  );
  const tsc = resolve("node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", "."], { cwd: folder, encoding: "utf8" });
  } catch (error) {
    assert.unreachable((error as { stdout: string }).stdout);
  }
});

test("the packed tool reads the sample's digits", () => {
  const tool = join(folder, "node_modules/tilewright", manifest.bin["tilewright"]!);
  const text = execFileSync(process.execPath, [tool, "demo"], { cwd: folder, encoding: "utf8" });
  assert.match(text, "three.png: the digit is three");
});

test("the package holds the prebuilt addon and no tests", () => {
  const path = (name: string): string => join(folder, "node_modules/tilewright", name);
  for (const arch of ["x64", "arm64"])
    assert.ok(existsSync(path(`transport-node/addon/prebuilds/linux-${arch}`)), arch);
  assert.ok(existsSync(path("transport-node/addon/binding.gyp")));
  for (const name of ["test", "core-as", "transport-node/addon/build", "node_modules"])
    assert.not.ok(existsSync(path(name)), name);
});

test.run();
