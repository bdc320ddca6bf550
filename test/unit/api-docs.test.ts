// Every export of the package has a docstring: types, functions, methods and constants. Members whose names say it all may do without.
// SPDX-License-Identifier: MIT
import {
  Application,
  ReflectionKind,
  TSConfigReader,
  TypeDocReader,
  type DeclarationReflection,
  type Reflection,
} from "typedoc";
import { test } from "uvu";
import * as assert from "uvu/assert";

const CHECKED =
  ReflectionKind.Class |
  ReflectionKind.Interface |
  ReflectionKind.TypeAlias |
  ReflectionKind.Variable |
  ReflectionKind.Accessor |
  ReflectionKind.CallSignature;

/** Declarations without a docstring, of the package and of one file beside it. */
async function undocumented(beside: string): Promise<string[]> {
  const readers = [new TSConfigReader(), new TypeDocReader()];
  const app = await Application.bootstrap({ logLevel: "Error" }, readers);
  app.options.setValue("entryPoints", [...app.options.getValue("entryPoints"), beside]);
  const project = await app.convert();
  assert.ok(project, "typedoc converts the sources");
  const missing = new Set<string>();
  for (const reflection of project.getReflectionsByKind(CHECKED)) {
    const { inheritedFrom, getSignature, parent, sources } = reflection as DeclarationReflection;
    // What comes from a package is documented there.
    if (sources?.some(({ fileName }) => fileName.includes("node_modules"))) continue;
    const texts = inheritedFrom ?? (reflection.hasComment() || getSignature?.hasComment());
    // Members of a literal type belong to the text of what has that type.
    if (!texts && !isInLiteral(parent)) missing.add(reflection.getFullName());
  }
  return [...missing].sort();
}

function isInLiteral(parent: Reflection | undefined): boolean {
  return (
    parent !== undefined &&
    (parent.kind === ReflectionKind.TypeLiteral || isInLiteral(parent.parent))
  );
}

test("every export of the package is documented", async () => {
  const found = await undocumented("test/helpers/undocumented.ts");
  const planted = found.filter((name) => name.startsWith("test/"));
  assert.equal(planted, [
    "test/helpers/undocumented.Undocumented",
    "test/helpers/undocumented.undocumented.undocumented",
  ]);
  assert.equal(
    found.filter((name) => !planted.includes(name)),
    [],
  );
});

test.run();
