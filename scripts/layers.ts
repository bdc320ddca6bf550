// The import rules of the architecture, checked on the import lines of every source file.
// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** A rule: files that match `of` import nothing but what matches `only`, and nothing that matches `never`. */
interface LayerRule {
  name: string;
  of: RegExp;
  only?: RegExp;
  never?: RegExp;
}

/** Imports are paths from the top of the repository without an ending, or package names. */
const RULES: readonly LayerRule[] = [
  {
    name: "the simulator shares only tables, bit reader and decoder (architecture.md, rule 1)",
    of: /^core-as\/assembly\/(sim\/|coef\/(decode|request))/,
    only: /^core-as\/assembly\/(abi|arena|fault|gen\/|sim\/|bits\/(fields|reader)|coef\/(decode|request))/,
  },
  {
    name: "the encoder does not use the simulator or the decoder (rule 1)",
    of: /^core-as\/assembly\/(cmd|tile|coef\/(?!decode|request))/,
    never: /^core-as\/assembly\/(sim\/|coef\/(decode|request))/,
  },
  {
    name: "the disassembler works from bytes (rule 2)",
    of: /^core-as\/inspect\/(decode|disasm|words)/,
    only: /^core-as\/inspect\//,
  },
  {
    name: "inspection never looks at the compiler's structures (rule 2)",
    of: /^core-as\/inspect\//,
    never: /^core-as\/(compile|legalise|core$)/,
  },
  {
    name: "WASM sources import only each other",
    of: /^core-as\/assembly\//,
    only: /^core-as\/assembly\//,
  },
  { name: "hardware tables import nothing else", of: /^core-as\/hw\//, only: /^core-as\/hw\// },
  { name: "errors import nothing", of: /^core-as\/errors$/, only: /^$/ },
  {
    name: "platform APIs only at the edge (rule 7)",
    of: /^(core-as|transport-ws\/(?!server))/,
    never: /^(node:|transport-node|cli\/|examples\/|test\/)/,
  },
  {
    name: "only the browser-safe core and the flatbuffers runtime (rule 7)",
    of: /^core-as\//,
    only: /^(core-as\/|build\/|flatbuffers$)/,
  },
  {
    name: "ioctls stay inside transport-node (rule 6)",
    of: /^(?!transport-node|test|scripts|cli|examples|bench)/,
    never: /^transport-node/,
  },
];

const IMPORT =
  /^\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|import\("([^"]+)"\)/gm;

/** Sources below a directory, without generated and copied ones. */
function sourcesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return sourcesIn(path);
    return /\.(ts|mjs)$/.test(entry.name) ? [path] : [];
  });
}

const withoutEnding = (path: string): string => path.replace(/\.(d\.)?(ts|mjs|js)$/, "");

/** What a file imports: paths from the top without an ending, or package names. */
export function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const target = (match[1] ?? match[2] ?? match[3])!;
    return target.startsWith(".")
      ? withoutEnding(normalize(join(dirname(path), target)).replaceAll("\\", "/"))
      : target;
  });
}

/** A sentence for every import that breaks a rule. */
export function violationsIn(path: string, text: string): string[] {
  const file = withoutEnding(path);
  const imports = importsOf(path, text);
  return RULES.filter(({ of }) => of.test(file)).flatMap(({ name, only, never }) =>
    imports
      .filter((target) => (only && !only.test(target)) || never?.test(target))
      .map((target) => `${path} imports ${target}: ${name}`),
  );
}

/** Checks the sources of the directories that exist. */
export function checkLayers(directories: readonly string[]): string[] {
  return directories
    .flatMap(sourcesIn)
    .flatMap((path) => violationsIn(path, readFileSync(path, "utf8")));
}
