// Builds the browser preview into dist/preview: a static page with relative addresses only, for any host and any folder.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build, transform } from "esbuild";
import esbuild from "rollup-plugin-esbuild";
import { CONTENT_SECURITY_POLICY } from "./policy.mjs";

const HERE = "examples/preview";
const OUT = "dist/preview";
const SAMPLE = "examples/sample";
const SAMPLE_FILES = ["digits.tflite", "labels.txt", "three.png", "seven.png", "eight.png"];

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 8);

/** `import url from "preview:worker"`: the worker is a chunk of the same build, so page and worker share what both need. */
const worker = {
  name: "preview-worker",
  resolveId: (id) => (id === "preview:worker" ? id : null),
  load(id) {
    if (id !== "preview:worker") return null;
    const file = this.emitFile({ type: "chunk", id: `${HERE}/worker.ts`, name: "worker" });
    return `export default import.meta.ROLLUP_FILE_URL_${file};`;
  },
};

/** Style sheets of the page and of its panels as one; what they @import from packages is put in. */
async function styleSheet() {
  const folders = [".", "shell", "views", "panels", "run"];
  const sheets = folders
    .filter((folder) => existsSync(join(HERE, folder)))
    .flatMap((folder) =>
      readdirSync(join(HERE, folder))
        .filter((name) => name.endsWith(".css"))
        .sort()
        .map((name) => `@import "./${folder}/${name}";`),
    );
  const { outputFiles } = await build({
    stdin: { contents: sheets.join("\n"), resolveDir: HERE, loader: "css" },
    bundle: true,
    minify: true,
    write: false,
  });
  return outputFiles[0].text;
}

/** Everything beside scripts: page, style sheet, icon, sample, and the service worker that knows all their names. */
const assets = {
  name: "preview-assets",
  async generateBundle(_options, bundle) {
    const emit = (fileName, source) => this.emitFile({ type: "asset", fileName, source });
    const css = await styleSheet();
    const icon = readFileSync(join(HERE, "icon.svg"));
    const names = { css: `app-${hash(css)}.css`, icon: `icon-${hash(icon)}.svg` };
    emit(names.css, css);
    emit(names.icon, icon);
    for (const name of SAMPLE_FILES) emit(`sample/${name}`, readFileSync(join(SAMPLE, name)));
    const chunks = Object.values(bundle).filter(({ type }) => type === "chunk");
    const app = chunks.find(({ isEntry, name }) => isEntry && name === "app");
    const page = pageOf(names, app);
    emit("index.html", page);
    const files = [
      "index.html",
      ...Object.values(names),
      ...chunks.map(({ fileName }) => fileName),
      ...SAMPLE_FILES.map((name) => `sample/${name}`),
    ];
    const version = hash([page, ...files].join("\n"));
    const template = readFileSync(join(HERE, "sw.js"), "utf8");
    const source = template
      .replace('"%FILES%"', JSON.stringify(files))
      .replace("%VERSION%", version);
    emit("sw.js", (await transform(source, { minify: true })).code);
  },
};

function pageOf({ css, icon }, app) {
  const preloads = app.imports.map((name) => `<link rel="modulepreload" href="${name}">`);
  return readFileSync(join(HERE, "index.html"), "utf8")
    .replace("%CSP%", CONTENT_SECURITY_POLICY)
    .replace("%CSS%", css)
    .replace("%ICON%", icon)
    .replace("%APP%", app.fileName)
    .replace("%PRELOADS%", preloads.join(""));
}

/** Names carry hashes, so a folder that is built into again would collect old files. */
const clean = {
  name: "preview-clean",
  buildStart: () => rmSync(OUT, { recursive: true, force: true }),
};

const ENTRIES = /[\\/]examples[\\/]preview[\\/](app\.tsx|worker\.ts)$/;

export default {
  input: { app: `${HERE}/app.tsx` },
  // As package.json says of the sources: only the entries do anything by being loaded. A page that needs the list of chips
  // does not load the compiler for it.
  treeshake: { moduleSideEffects: (id) => ENTRIES.test(id) },
  output: {
    dir: OUT,
    format: "es",
    entryFileNames: "[name]-[hash].js",
    chunkFileNames: ({ name }) => `${basename(name, ".ts")}-[hash].js`,
  },
  plugins: [
    clean,
    worker,
    nodeResolve({ browser: true, extensions: [".mjs", ".js", ".ts", ".tsx"] }),
    esbuild({
      target: "es2022",
      jsx: "automatic",
      jsxImportSource: "preact",
      minify: true,
      tsconfig: false,
    }),
    assets,
  ],
};
