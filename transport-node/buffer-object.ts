// A buffer of the kernel with its GPU address and, when needed, a mapping.
// SPDX-License-Identifier: MIT
import { TransportError } from "../core-as/errors.ts";
import { alignUp, PAGE_BYTES } from "../core-as/executable/format.ts";
import type { AddressSpace } from "./address-space.ts";
import {
  ERRNO,
  invoke,
  kernelError,
  SystemCallError,
  type DeviceFile,
  type Mapping,
} from "./device-file.ts";
import { breathe, delay, monotonicIn } from "./time.ts";
import { GEM, GEM_CLOSE, GEM_CPU_FINI, GEM_CPU_PREP, GEM_INFO, GEM_NEW, PREP } from "./uapi.ts";

/** Counted for everything that one opened device holds. */
export interface BufferStats {
  /** Buffer objects that exist. */
  buffers: number;
  /** Their size in bytes. */
  bytes: number;
  /** Mappings that exist. */
  mappings: number;
}

/** Copies are cut to this, with other events in between: the memory is write-combined and slow to read. */
const COPY_BYTES = 256 * 1024;
/** A waiting call takes at most this long. */
const SLICE_MS = 200;
const PAUSE_MS = 2;
/** The device should be through with a buffer when this is called; more is a bug of somebody. */
const PREP_LIMIT_MS = 5000;

export class BufferObject {
  private mapping: Mapping | null = null;
  private freed = false;

  private constructor(
    private readonly file: DeviceFile,
    private readonly addresses: AddressSpace,
    private readonly stats: BufferStats,
    readonly handle: number,
    readonly address: number,
    /** Whole pages. */
    readonly bytes: number,
  ) {}

  /**
   * A new buffer: zeros, write-combined, at an address of its own.
   * @throws TransportError TW_IO_MEMORY, TW_IO_DEVICE, TW_IO_DEVICE_LOST
   */
  static create(
    file: DeviceFile,
    addresses: AddressSpace,
    stats: BufferStats,
    bytes: number,
  ): BufferObject {
    const size = alignUp(bytes, PAGE_BYTES);
    const address = addresses.allocate(size);
    try {
      const { handle } = invoke(
        file,
        GEM_NEW,
        { size: BigInt(size), flags: GEM.WRITE_COMBINED },
        `${size} bytes`,
      );
      stats.buffers++;
      stats.bytes += size;
      return new BufferObject(file, addresses, stats, handle, address, size);
    } catch (cause) {
      addresses.free(address);
      throw cause;
    }
  }

  /**
   * Copies bytes in.
   * @throws TransportError as `create`, TW_IO_HANG when the device holds the buffer
   */
  async write(pieces: readonly { offset: number; bytes: Uint8Array }[]): Promise<void> {
    await this.access(PREP.WRITE, async (mapping) => {
      for (const { offset, bytes } of pieces)
        for (let at = 0; at < bytes.length; at += COPY_BYTES) {
          if (at > 0) await breathe();
          mapping.write(offset + at, bytes.subarray(at, at + COPY_BYTES));
        }
    });
  }

  /** Copies bytes out. @throws as `write` */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.access(PREP.READ, async (mapping) => {
      for (let at = 0; at < length; at += COPY_BYTES) {
        if (at > 0) await breathe();
        mapping.read(offset + at, bytes.subarray(at, at + COPY_BYTES));
      }
    });
    return bytes;
  }

  /** Gives the host's view up; the next access maps it again. */
  unmap(): void {
    if (this.mapping === null) return;
    this.mapping.unmap();
    this.mapping = null;
    this.stats.mappings--;
  }

  /** Gives buffer and address back: the device must be through with them. Idempotent; never throws. */
  free(): void {
    if (this.freed) return;
    this.forget();
    const { request, layout } = GEM_CLOSE;
    // It can only fail when file or device are gone, and then so is the buffer.
    this.file.ioctl(request, layout.create({ handle: this.handle }));
    this.addresses.free(this.address);
  }

  /** Gives up what belongs to this process; the kernel frees the rest with the file, when the device is through with it. */
  forget(): void {
    if (this.freed) return;
    this.unmap();
    this.freed = true;
    this.stats.buffers--;
    this.stats.bytes -= this.bytes;
  }

  private async access(op: number, body: (mapping: Mapping) => Promise<void>): Promise<void> {
    await this.prepare(op);
    const { name, request, layout } = GEM_CPU_FINI;
    const finish = (): number => this.file.ioctl(request, layout.create({ handle: this.handle }));
    try {
      await body(this.mapped());
    } catch (cause) {
      if (!this.freed) finish();
      throw cause;
    }
    const result = finish();
    if (result < 0) throw kernelError(this.file.path, name, -result, `buffer ${this.handle}`);
  }

  private mapped(): Mapping {
    if (this.freed) throw new TransportError("TW_IO_CLOSED", "the buffer was freed before");
    if (this.mapping !== null) return this.mapping;
    const { offset } = invoke(this.file, GEM_INFO, { handle: this.handle });
    const mapping = this.file.map(this.bytes, Number(offset));
    if (typeof mapping === "number")
      throw kernelError(this.file.path, "mmap", -mapping, `${this.bytes} bytes`);
    this.stats.mappings++;
    this.mapping = mapping;
    return mapping;
  }

  /** Makes the buffer ours: at once, as fences were waited for, or else by waiting on another thread. */
  private async prepare(op: number): Promise<void> {
    if (this.freed) throw new TransportError("TW_IO_CLOSED", "the buffer was freed before");
    const { name, request, layout } = GEM_CPU_PREP;
    const { handle } = this;
    const argument = layout.create({ handle, op: op | PREP.NOSYNC, ...monotonicIn(0) });
    let result = this.file.ioctl(request, argument);
    const deadline = performance.now() + PREP_LIMIT_MS;
    while (isBusy(result)) {
      if (performance.now() > deadline)
        throw new TransportError(
          "TW_IO_HANG",
          `${this.file.path}: the device holds buffer ${handle} for more than ${PREP_LIMIT_MS} ms`,
          {},
          new SystemCallError(name, -result),
        );
      const start = performance.now();
      result = await this.file.ioctlAsync(
        request,
        layout.create({ handle, op, ...monotonicIn(SLICE_MS) }),
      );
      if (isBusy(result) && performance.now() - start < SLICE_MS / 2) await delay(PAUSE_MS);
    }
    if (result < 0) throw kernelError(this.file.path, name, -result, `buffer ${handle}`);
  }
}

function isBusy(result: number): boolean {
  return [ERRNO.EBUSY, ERRNO.EAGAIN, ERRNO.EINTR, ERRNO.ETIMEDOUT].some(
    (errno) => result === -errno,
  );
}
