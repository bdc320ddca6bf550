// The package export "tilewright/node": NPUs and disks of this machine.
// SPDX-License-Identifier: MIT
import { systemDevices } from "./addon.ts";
import { listCores, type DeviceInfo } from "./discovery.ts";
import { openDrmAmong, type DrmOptions, type DrmTransport } from "./drm.ts";

export { createDirectoryCache, type DirectoryCacheOptions } from "../storage/compile-cache.ts";
export { nodeSimThreads } from "./sim-threads.ts";
export type { BufferStats } from "./buffer-object.ts";
export type { DeviceInfo } from "./discovery.ts";
export type { DrmOptions, DrmTransport } from "./drm.ts";
export type { DriverInfo } from "./identify.ts";
export type { PerfDomain } from "./perfmon.ts";

/**
 * Every core of every etnaviv render node that can be opened, with what is wrong with those that cannot be used.
 * @throws TransportError TW_IO_ADDON
 */
export async function listDevices(): Promise<DeviceInfo[]> {
  return listCores(systemDevices());
}

/**
 * Opens an NPU through /dev/dri. Each call opens the device anew: a kernel context, address space and buffers of its own.
 * @throws TransportError TW_IO_ADDON, TW_IO_NO_DEVICE, TW_IO_PERMISSION, TW_IO_NOT_NPU, TW_IO_UNKNOWN_CHIP, TW_IO_KERNEL,
 * TW_IO_MEMORY, TW_IO_DEVICE, TW_IO_DEVICE_LOST, TW_IO_HANG, TW_IO_ABORTED
 */
export async function openDrm(options: DrmOptions = {}): Promise<DrmTransport> {
  return openDrmAmong(systemDevices(), options);
}
