// Loads the native addon and dresses it as DeviceFiles.
// SPDX-License-Identifier: MIT
import { existsSync, readdirSync } from "node:fs";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";
import loadBuild from "node-gyp-build";
import { TransportError } from "../core-as/errors.ts";
import type { DeviceFile, DeviceFiles, Mapping, Pointer } from "./device-file.ts";

declare const handle: unique symbol;
/** Objects of the addon; JavaScript cannot look into them. */
type NativeFile = { readonly [handle]: "file" };
type NativeMapping = { readonly [handle]: "mapping" };

/** What addon.c exports. Failed system calls return -errno. */
export interface Addon {
  open(path: string): NativeFile | number;
  close(file: NativeFile): void;
  ioctl(
    file: NativeFile,
    request: number,
    argument: Uint8Array,
    pointers?: readonly Pointer[],
  ): number;
  ioctlAsync(
    file: NativeFile,
    request: number,
    argument: Uint8Array,
    pointers?: readonly Pointer[],
  ): Promise<number>;
  mmap(file: NativeFile, bytes: number, offset: number): NativeMapping | number;
  munmap(mapping: NativeMapping): void;
  read(mapping: NativeMapping, offset: number, target: Uint8Array): void;
  write(mapping: NativeMapping, offset: number, source: Uint8Array): void;
  /** "tilewright-addon-source:" and the SHA-256 of what it was built from. */
  readonly source: string;
}

/** Beside the sources, and beside the bundles in dist/. */
const PLACES = ["./addon", "../transport-node/addon"];

let loaded: Addon | null = null;

/** Folder with binding.gyp, prebuilds/ and perhaps build/. */
export function addonFolder(): string {
  const folders = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = folders.find((folder) => existsSync(`${folder}/binding.gyp`));
  if (found === undefined)
    throw new TransportError(
      "TW_IO_ADDON",
      `the folder of the native addon is missing (looked at ${folders.join(" and ")}); install the package anew`,
    );
  return found;
}

/**
 * A build of this machine if there is one (build/Release), else the prebuilt one of platform, architecture and libc.
 * @throws TransportError TW_IO_ADDON when there is none, or it does not load
 */
export function loadAddon(): Addon {
  if (loaded !== null) return loaded;
  const folder = addonFolder();
  try {
    loaded = loadBuild(folder) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new TransportError(
      "TW_IO_ADDON",
      `no native addon for ${platform}-${arch} loads (${reason}); prebuilt are linux-x64 and linux-arm64 with glibc. ` +
        `With a C compiler, on systems of 64 bits: npx node-gyp rebuild -C ${folder}. Without: use "sim" or a board over the network`,
      {},
      cause,
    );
  }
  return loaded;
}

const FOLDER = "/dev/dri";
const FIRST_RENDER_NODE = 128;
const LAST_RENDER_NODE = 191;

/**
 * The devices of this machine.
 * @throws TransportError TW_IO_ADDON
 */
export function systemDevices(): DeviceFiles {
  const addon = loadAddon();
  return {
    candidates: renderNodes,
    open(path) {
      const file = addon.open(path);
      return typeof file === "number" ? file : new AddonFile(addon, file, path);
    },
  };
}

/** All usual numbers, whether listed or not (a preloaded library may offer nodes that no folder lists), then what else is listed. */
function renderNodes(): string[] {
  const numbers = new Set<number>();
  for (let n = FIRST_RENDER_NODE; n <= LAST_RENDER_NODE; n++) numbers.add(n);
  try {
    for (const name of readdirSync(FOLDER)) {
      const match = /^renderD(\d+)$/.exec(name);
      if (match !== null) numbers.add(Number(match[1]));
    }
  } catch {
    // No folder: then only opening tells.
  }
  return [...numbers].sort((a, b) => a - b).map((n) => `${FOLDER}/renderD${n}`);
}

class AddonFile implements DeviceFile {
  constructor(
    private readonly addon: Addon,
    private readonly file: NativeFile,
    readonly path: string,
  ) {}

  ioctl(request: number, argument: Uint8Array, pointers?: readonly Pointer[]): number {
    return this.addon.ioctl(this.file, request, argument, pointers);
  }

  ioctlAsync(
    request: number,
    argument: Uint8Array,
    pointers?: readonly Pointer[],
  ): Promise<number> {
    return this.addon.ioctlAsync(this.file, request, argument, pointers);
  }

  map(bytes: number, offset: number): Mapping | number {
    const { addon } = this;
    const mapping = addon.mmap(this.file, bytes, offset);
    if (typeof mapping === "number") return mapping;
    return {
      bytes,
      read: (at, target) => addon.read(mapping, at, target),
      write: (at, source) => addon.write(mapping, at, source),
      unmap: () => addon.munmap(mapping),
    };
  }

  close(): void {
    this.addon.close(this.file);
  }
}
