// What the DRM transport needs from the system: files with ioctl and mmap. The addon implements it; tests can, too.
// SPDX-License-Identifier: MIT
import { getSystemErrorName } from "node:util";
import { TransportError, type ErrorCode } from "../core-as/errors.ts";
import type { Fields, Values } from "./layout.ts";
import type { Ioctl } from "./uapi.ts";

/** Puts the address of a buffer into a 64-bit field of an ioctl's argument for the time of the call. */
export interface Pointer {
  offset: number;
  buffer: Uint8Array;
}

/** Bytes of a buffer that a device shares with us. Nothing works after `unmap`. */
export interface Mapping {
  readonly bytes: number;
  /** Copies mapped bytes out. */
  read(offset: number, target: Uint8Array): void;
  /** Copies bytes in. */
  write(offset: number, source: Uint8Array): void;
  /** Idempotent. */
  unmap(): void;
}

/** An opened device. Failed calls return -errno; misuse throws. */
export interface DeviceFile {
  readonly path: string;
  /** Not for calls that wait. @returns the call's result, or -errno */
  ioctl(request: number, argument: Uint8Array, pointers?: readonly Pointer[]): number;
  /** On another thread; the argument gets the answer, buffers behind pointers are inputs only. Never rejects for an errno. */
  ioctlAsync(request: number, argument: Uint8Array, pointers?: readonly Pointer[]): Promise<number>;
  /** @returns the mapping, or -errno */
  map(bytes: number, offset: number): Mapping | number;
  /** Idempotent. */
  close(): void;
}

/** The devices of a system. */
export interface DeviceFiles {
  /** Paths that may be render nodes, in order; they need not exist. */
  candidates(): string[];
  /** @returns the file, or -errno */
  open(path: string): DeviceFile | number;
}

/** Numbers of the errors that mean something special to us (Linux). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  ENOTTY: 25,
  ENOSPC: 28,
  ETIMEDOUT: 110,
} as const;

/** A system call that failed; `cause` of the errors that users see. */
export class SystemCallError extends Error {
  /** e.g. "ENOMEM" */
  readonly errnoName: string;

  constructor(
    readonly call: string,
    /** Positive. */
    readonly errno: number,
  ) {
    const name = errnoName(errno);
    super(`${call} failed with ${name} (errno ${errno})`);
    this.name = "SystemCallError";
    this.errnoName = name;
  }
}

/** e.g. 12 -> "ENOMEM"; numbers without a name become "errno 999". */
export function errnoName(errno: number): string {
  const name = getSystemErrorName(-errno);
  return /^E[A-Z0-9]+$/.test(name) ? name : `errno ${errno}`;
}

const HINTS: Partial<Record<number, [code: Extract<ErrorCode, `TW_IO_${string}`>, hint: string]>> =
  {
    [ERRNO.ENOMEM]: ["TW_IO_MEMORY", "close other executables or use a smaller model"],
    [ERRNO.ENODEV]: ["TW_IO_DEVICE_LOST", "the device is gone; open it again when it is back"],
    [ERRNO.ENXIO]: ["TW_IO_DEVICE_LOST", "the core is gone; open the device again when it is back"],
    [ERRNO.EACCES]: ["TW_IO_PERMISSION", "the user needs to be in the group of the device node"],
    [ERRNO.EPERM]: ["TW_IO_PERMISSION", "the user may not do this on the device"],
  };

/** The error of a request to the kernel: what failed, on what, and what to do. */
export function kernelError(path: string, call: string, errno: number, what = ""): TransportError {
  const cause = new SystemCallError(call, errno);
  const [code, hint] = HINTS[errno] ?? ["TW_IO_DEVICE", "the kernel log may say why"];
  const subject = what === "" ? "" : ` (${what})`;
  return new TransportError(code, `${path}: ${cause.message}${subject}; ${hint}`, {}, cause);
}

/**
 * One request that does not wait.
 * @returns all fields of the structure afterwards
 * @throws TransportError by errno
 */
export function invoke<F extends Fields>(
  file: DeviceFile,
  { name, request, layout }: Ioctl<F>,
  values: Partial<Values<F>>,
  what?: string,
): Values<F> {
  const argument = layout.create(values);
  const result = file.ioctl(request, argument);
  if (result < 0) throw kernelError(file.path, name, -result, what);
  return layout.read(argument);
}
