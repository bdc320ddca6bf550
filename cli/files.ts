// Reading and writing files for the verbs; "-" is standard input or output.
// SPDX-License-Identifier: MIT
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compile, parseExecutable, type CompileResult, type Executable } from "../core-as/index.ts";
import { NpuError, TransportError, UsageError } from "../core-as/errors.ts";
import { cacheOptions } from "./cache.ts";
import type { CompileChoices } from "./flags.ts";
import { Progress, writeOutput } from "./terminal.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EISDIR: "is a directory",
  EEXIST: "a file of that name is there already",
  ENOTDIR: "a part of the path is not a directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
};

/** A path in a sentence. */
export function pathText(path: string, standard = "standard input"): string {
  if (path === "-") return standard;
  return path === "" ? '""' : path;
}

/** A failed file operation as an error with the path and the reason in words. */
export function fileError(what: string, path: string, cause: unknown): TransportError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ""] ?? message;
  const shown = pathText(path, what === "cannot write" ? "standard output" : "standard input");
  return new TransportError("TW_IO_NOT_FOUND", `${what} ${shown}: ${reason}`, {}, cause);
}

/** Reads a whole file; "-" = standard input. */
export function readBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === "-" ? 0 : path));
  } catch (cause) {
    throw fileError("cannot read", path, cause);
  }
}

export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path));
}

/**
 * Reads a file of JSON that an option names.
 * @throws UsageError TW_USAGE when it is not JSON
 */
export function readJson(path: string, option: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--${option} ${path} is not JSON`, option);
  }
}

/** Writes a whole file; "-" = standard output. */
export async function writeBytes(path: string, bytes: Uint8Array | string): Promise<void> {
  try {
    if (path === "-") await writeOutput(bytes);
    else writeFileSync(path, bytes);
  } catch (cause) {
    throw cause instanceof NpuError ? cause : fileError("cannot write", path, cause);
  }
}

/** Writes files into a directory, which is made when it is missing. */
export async function writeDirectory(
  directory: string,
  files: Iterable<readonly [name: string, bytes: Uint8Array | string]>,
): Promise<void> {
  makeDirectory(directory);
  for (const [name, bytes] of files) {
    const path = join(directory, name);
    if (/[/\\]/.test(name)) makeDirectory(dirname(path));
    await writeBytes(path, bytes);
  }
}

/** Makes a directory and those above it. Not with "recursive": below /proc Node then tries for ever. */
function makeDirectory(path: string): void {
  try {
    if (existsSync(path) && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (parent !== path && !existsSync(parent)) makeDirectory(parent);
    mkdirSync(path);
  } catch (cause) {
    throw cause instanceof NpuError ? cause : fileError("cannot make", path, cause);
  }
}

/** True when the bytes claim to be a TFLite model. */
function looksLikeModel(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(4, 8)) === "TFL3";
}

/**
 * Compiles a model with progress on standard error, or loads what was compiled before.
 * @param keeps whether results are kept when no flag says so
 */
export async function compileModel(
  bytes: Uint8Array,
  { cacheDir, ...flags }: CompileChoices,
  keeps = false,
): Promise<CompileResult> {
  const options = await cacheOptions(cacheDir, keeps);
  const progress = new Progress("compiling");
  try {
    return await compile(bytes, {
      ...flags,
      ...options,
      onProgress: (stage, done) => progress.update(stage, done),
    });
  } finally {
    progress.end();
  }
}

/** Whatever is neither named nor marked as an executable is judged as a model. */
export function isExecutable(path: string, bytes: Uint8Array): boolean {
  return !looksLikeModel(bytes) && (path.endsWith(".twx") || startsLikeExecutable(bytes));
}

/** An executable from a .twx file, or compiled from a model. */
export async function loadExecutable(path: string, flags: CompileChoices): Promise<Executable> {
  const bytes = readBytes(path);
  if (isExecutable(path, bytes)) return parseExecutable(bytes);
  return (await compileModel(bytes, flags)).executable;
}

/** Looks at the letters of the mark only: parseExecutable says what is wrong with the rest of it. */
function startsLikeExecutable(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(1, 4)) === "TWX";
}
