// Finds NPUs: render nodes, their cores, and the one to use (spec/uapi.md 2).
// SPDX-License-Identifier: MIT
import { TransportError, type ErrorCode, type NpuError } from "../core-as/errors.ts";
import type { Chip } from "../core-as/hw/chips.ts";
import type { DeviceFile, DeviceFiles } from "./device-file.ts";
import {
  identify,
  openProblem,
  type CoreInfo,
  type DriverInfo,
  type NodeInfo,
} from "./identify.ts";

/** One core of an etnaviv render node, usable or not. */
export interface DeviceInfo extends CoreInfo {
  /** e.g. "/dev/dri/renderD128" */
  path: string;
  /** The kernel driver's own description. */
  driver: DriverInfo;
}

/** An opened node with an NPU that can be used. */
export interface FoundNpu {
  file: DeviceFile;
  node: NodeInfo;
  core: number;
  chip: Chip;
  softpinStart: number;
}

/** Lists every core of every etnaviv render node. Nodes of other drivers, and those that cannot be opened, are left out. */
export function listCores(devices: DeviceFiles): DeviceInfo[] {
  return devices.candidates().flatMap((path) => {
    const file = devices.open(path);
    if (typeof file === "number") return [];
    try {
      const node = identify(file);
      return (node?.cores ?? []).map((core) => ({ path, driver: node!.driver, ...core }));
    } finally {
      file.close();
    }
  });
}

/** Which complaint is worth most when nothing can be used: the one that is closest to a working NPU. */
const WORTH: readonly ErrorCode[] = [
  "TW_IO_UNKNOWN_CHIP",
  "TW_IO_KERNEL",
  "TW_IO_PERMISSION",
  "TW_IO_DEVICE",
  "TW_IO_NOT_NPU",
];

/**
 * Opens the first known NPU of all render nodes, or of one.
 * @param path only this node
 * @param core only this core of a node
 * @throws TransportError TW_IO_NO_DEVICE, TW_IO_PERMISSION, TW_IO_NOT_NPU, TW_IO_UNKNOWN_CHIP, TW_IO_KERNEL, TW_IO_DEVICE
 */
export function findNpu(devices: DeviceFiles, path?: string, core?: number): FoundNpu {
  const problems: NpuError[] = [];
  for (const candidate of path === undefined ? devices.candidates() : [path]) {
    const found = openNpu(devices, candidate, core);
    if ("file" in found) return found;
    problems.push(...found.problems);
  }
  const worth = ({ code }: NpuError): number => {
    const index = WORTH.indexOf(code);
    return index < 0 ? WORTH.length : index;
  };
  problems.sort((a, b) => worth(a) - worth(b));
  // Without a path nodes that do not exist are the rule.
  throw (
    (path === undefined ? problems.find(({ code }) => code !== "TW_IO_NO_DEVICE") : problems[0]) ??
    noDevice()
  );
}

function noDevice(): TransportError {
  return new TransportError(
    "TW_IO_NO_DEVICE",
    "no render node of /dev/dri belongs to etnaviv; load the kernel driver (CONFIG_DRM_ETNAVIV), enable the NPU in the " +
      'device tree, or use another transport: "sim", or "ws://…" for a board',
  );
}

function openNpu(
  devices: DeviceFiles,
  path: string,
  core?: number,
): FoundNpu | { problems: NpuError[] } {
  const file = devices.open(path);
  if (typeof file === "number")
    // Nodes of other drivers may be locked; only etnaviv's matter, and those we cannot tell.
    return { problems: [openProblem(path, -file)] };
  let found: FoundNpu | null = null;
  try {
    const node = identify(file);
    if (node === null) return { problems: [notEtnaviv(path)] };
    const cores = node.cores.filter((info) => core === undefined || info.core === core);
    for (const { core, chip, problem } of cores)
      if (chip !== null && problem === null && node.softpinStart !== null) {
        found = { file, node, core, chip, softpinStart: node.softpinStart };
        return found;
      }
    if (cores.length === 0) return { problems: [noCore(path, node, core)] };
    return { problems: cores.flatMap(({ problem }) => problem ?? []) };
  } finally {
    if (found === null) file.close();
  }
}

function notEtnaviv(path: string): TransportError {
  return new TransportError(
    "TW_IO_NO_DEVICE",
    `${path} is not a render node of etnaviv; tilewright boards lists those that are`,
  );
}

function noCore(path: string, { cores }: NodeInfo, core?: number): TransportError {
  return new TransportError(
    "TW_IO_NOT_NPU",
    core === undefined
      ? `${path} has no cores; the kernel log says why none was found`
      : `${path} has no core ${core}, only ${cores.length} core(s) from 0 on`,
  );
}
