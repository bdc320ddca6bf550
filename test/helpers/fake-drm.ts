// An etnaviv kernel driver of a few hundred lines, inside the process: units of the DRM transport run on it without the addon.
// Its submits run on the simulator. What no kernel would do can be injected.
// SPDX-License-Identifier: MIT
import { hrtime } from "node:process";
import { chipByName, type ChipIdentity } from "../../core-as/hw/chips.ts";
import { Simulator } from "../../core-as/runtime/simulator.ts";
import {
  ERRNO,
  type DeviceFile,
  type DeviceFiles,
  type Mapping,
  type Pointer,
} from "../../transport-node/device-file.ts";
import * as uapi from "../../transport-node/uapi.ts";

export interface FakeCore extends ChipIdentity {
  /** Answer of GET_PARAM for the softpin start; default 0x400000, null: no such parameter. */
  softpinStart?: bigint | null;
}

export interface FakeNode {
  path?: string;
  driver?: string;
  desc?: string;
  version?: [number, number, number];
  cores?: FakeCore[];
  /** Opening fails with this. */
  openErrno?: number;
  perf?: { name: string; signals: string[] }[];
}

/** What happens to one submit. */
export type Fate = "run" | "watchdog" | "never" | { lateMs: number };

interface Bo {
  handle: number;
  bytes: Uint8Array;
  address: number | null;
}

interface Fence {
  done: boolean;
  signal(): void;
  promise: Promise<void>;
}

const SOFTPIN_START = 0x400000n;
const SOFTPIN_NONE = "none";

export const npu = (name: string): FakeCore => {
  const { model, revision, productId, ecoId, customerId } = chipByName(name)!;
  return { model, revision, productId, ecoId, customerId };
};

/** The GPU of an i.MX 8M Plus or so: in no table of NPUs. */
export const GPU: FakeCore = {
  model: 0x7000,
  revision: 0x6203,
  productId: 0x70003,
  ecoId: 0,
  customerId: 4,
};

export class FakeDrm implements DeviceFiles {
  readonly files = new Set<FakeFile>();
  /** Every request, by name, in order. */
  readonly calls: string[] = [];
  /** Answers a request with an errno instead; called with its name and how often that was asked before. */
  fault: (call: string, count: number) => number | undefined = () => undefined;
  /** What becomes of a submit, by its number over all files, from 0; init streams count. */
  fate: (submit: number) => Fate = () => "run";
  submits: { stream: Uint32Array; pipe: number; pmrs: number; buffers: number }[] = [];
  private readonly counts = new Map<string, number>();

  constructor(readonly nodes: FakeNode[] = [{ cores: [npu("a311d")] }]) {}

  candidates(): string[] {
    return ["/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130"];
  }

  open(path: string): DeviceFile | number {
    const node = this.nodes.find((node, i) => (node.path ?? `/dev/dri/renderD${128 + i}`) === path);
    if (node === undefined) return -ERRNO.ENOENT;
    if (node.openErrno !== undefined) return -node.openErrno;
    const file = new FakeFile(this, node, path);
    this.files.add(file);
    return file;
  }

  /** Everything that is still held. */
  get held(): { files: number; buffers: number; mappings: number } {
    const files = [...this.files];
    const sum = (of: (file: FakeFile) => number): number => files.reduce((n, f) => n + of(f), 0);
    return {
      files: files.length,
      buffers: sum((file) => file.bos.size),
      mappings: sum((file) => file.mappings.size),
    };
  }

  note(call: string): number | undefined {
    const count = this.counts.get(call) ?? 0;
    this.counts.set(call, count + 1);
    this.calls.push(call);
    return this.fault(call, count);
  }
}

class FakeFile implements DeviceFile {
  readonly bos = new Map<number, Bo>();
  readonly mappings = new Set<Mapping>();
  private readonly fences = new Map<number, Fence>();
  private nextHandle = 1;
  private nextFence = 1;
  private closed = false;
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly drm: FakeDrm,
    private readonly node: FakeNode,
    readonly path: string,
  ) {}

  ioctl(request: number, argument: Uint8Array, pointers: readonly Pointer[] = []): number {
    const result = this.dispatch(request, argument, pointers, false);
    if (typeof result !== "number") throw new Error(`request ${request.toString(16)} waits`);
    return result;
  }

  async ioctlAsync(
    request: number,
    argument: Uint8Array,
    pointers: readonly Pointer[] = [],
  ): Promise<number> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.dispatch(request, argument, pointers, true);
  }

  map(bytes: number, offset: number): Mapping | number {
    const errno = this.drm.note("mmap");
    if (errno !== undefined) return -errno;
    const bo = this.bos.get(offset / 4096 - 1);
    if (bo === undefined || bytes > bo.bytes.length) return -ERRNO.EINVAL;
    const check = (): void => {
      if (!this.mappings.has(mapping)) throw new RangeError("the mapping was released before");
    };
    const mapping: Mapping = {
      bytes,
      read: (at, target) => {
        check();
        target.set(bo.bytes.subarray(at, at + target.length));
      },
      write: (at, source) => {
        check();
        bo.bytes.set(source, at);
      },
      unmap: () => void this.mappings.delete(mapping),
    };
    this.mappings.add(mapping);
    return mapping;
  }

  close(): void {
    this.closed = true;
    this.bos.clear();
    this.drm.files.delete(this);
  }

  private dispatch(
    request: number,
    argument: Uint8Array,
    pointers: readonly Pointer[],
    mayWait: boolean,
  ): number | Promise<number> {
    if (this.closed) throw new RangeError("the file was closed before");
    const ioctl = uapi.IOCTLS.find((ioctl) => ioctl.request === request);
    if (ioctl === undefined) return -ERRNO.ENOTTY;
    if (argument.length !== ioctl.layout.bytes) throw new RangeError("size");
    const errno = this.drm.note(ioctl.name);
    if (errno !== undefined) return -errno;
    const isOurs = (this.node.driver ?? "etnaviv") === "etnaviv";
    if (!isOurs && ioctl !== (uapi.VERSION as uapi.Ioctl)) return -ERRNO.EINVAL;
    switch (ioctl.name) {
      case "VERSION":
        return this.version(argument, pointers);
      case "GET_PARAM":
        return this.getParam(argument);
      case "GEM_NEW":
        return this.gemNew(argument);
      case "GEM_INFO":
        return this.gemInfo(argument);
      case "GEM_CLOSE":
        return this.bos.delete(uapi.GEM_CLOSE.layout.read(argument).handle) ? 0 : -ERRNO.EINVAL;
      case "GEM_CPU_PREP":
      case "GEM_CPU_FINI":
        return 0;
      case "GEM_SUBMIT":
        return this.submit(argument, pointers);
      case "WAIT_FENCE":
        if (!mayWait) return -ERRNO.EINVAL;
        return this.waitFence(argument);
      case "PM_QUERY_DOM":
        return this.queryDomain(argument);
      case "PM_QUERY_SIG":
        return this.querySignal(argument);
      default:
        return -ERRNO.EINVAL;
    }
  }

  private version(argument: Uint8Array, pointers: readonly Pointer[]): number {
    const { layout } = uapi.VERSION;
    const [major, minor, patch] = this.node.version ?? [1, 4, 0];
    const texts = {
      name: this.node.driver ?? "etnaviv",
      desc: this.node.desc ?? "fake (simulated)",
    };
    for (const field of ["name", "desc"] as const) {
      const buffer = pointers.find(({ offset }) => offset === layout.fields[field][0])?.buffer;
      const text = new TextEncoder().encode(texts[field]);
      buffer?.set(text.subarray(0, buffer.length));
    }
    layout.write(argument, {
      major,
      minor,
      patch,
      nameBytes: BigInt(texts.name.length),
      descBytes: BigInt(texts.desc.length),
    });
    return 0;
  }

  private getParam(argument: Uint8Array): number {
    const { layout } = uapi.GET_PARAM;
    const { pipe, param } = layout.read(argument);
    const core = this.node.cores?.[pipe];
    if (core === undefined) return -ERRNO.ENXIO;
    const start = core.softpinStart === undefined ? SOFTPIN_START : core.softpinStart;
    const values: Record<number, bigint | number | typeof SOFTPIN_NONE> = {
      [uapi.PARAM.MODEL]: core.model,
      [uapi.PARAM.REVISION]: core.revision,
      [uapi.PARAM.PRODUCT_ID]: core.productId,
      [uapi.PARAM.CUSTOMER_ID]: core.customerId,
      [uapi.PARAM.ECO_ID]: core.ecoId,
      [uapi.PARAM.SOFTPIN_START]: start ?? SOFTPIN_NONE,
    };
    const value = values[param];
    if (value === undefined || value === SOFTPIN_NONE) return -ERRNO.EINVAL;
    layout.write(argument, { value: BigInt(value) });
    return 0;
  }

  private gemNew(argument: Uint8Array): number {
    const { layout } = uapi.GEM_NEW;
    const { size, flags } = layout.read(argument);
    if (size === 0n || size % 4096n !== 0n || flags !== uapi.GEM.WRITE_COMBINED)
      return -ERRNO.EINVAL;
    const handle = this.nextHandle++;
    this.bos.set(handle, { handle, bytes: new Uint8Array(Number(size)), address: null });
    layout.write(argument, { handle });
    return 0;
  }

  private gemInfo(argument: Uint8Array): number {
    const { layout } = uapi.GEM_INFO;
    const { handle } = layout.read(argument);
    if (!this.bos.has(handle)) return -ERRNO.ENOENT;
    layout.write(argument, { offset: BigInt((handle + 1) * 4096) });
    return 0;
  }

  private submit(argument: Uint8Array, pointers: readonly Pointer[]): number | Promise<number> {
    const { layout } = uapi.GEM_SUBMIT;
    const values = layout.read(argument);
    const { fields } = layout;
    const behind = (field: keyof typeof fields): Uint8Array =>
      pointers.find(({ offset }) => offset === fields[field][0])?.buffer ?? new Uint8Array(0);
    const core = this.node.cores?.[values.pipe];
    if (core === undefined) return -ERRNO.ENXIO;
    if (values.flags !== uapi.SUBMIT.SOFTPIN || values.execState !== 0) return -ERRNO.EINVAL;
    if (values.streamBytes % 8 !== 0 || values.relocsCount !== 0) return -ERRNO.EINVAL;
    const list = behind("bos");
    const listed: { bo: Bo; access: number }[] = [];
    for (let i = 0; i < values.bosCount; i++) {
      const entry = uapi.SUBMIT_BO.read(list.subarray(16 * i, 16 * (i + 1)));
      const bo = this.bos.get(entry.handle);
      if (bo === undefined || entry.presumed < SOFTPIN_START) return -ERRNO.EINVAL;
      if (listed.some((other) => other.bo === bo)) return -114; // EALREADY
      bo.address = Number(entry.presumed);
      listed.push({ bo, access: entry.flags });
    }
    const sorted = listed.map(({ bo }) => bo).sort((a, b) => a.address! - b.address!);
    for (const [i, bo] of sorted.entries())
      if (i > 0 && sorted[i - 1]!.address! + sorted[i - 1]!.bytes.length > bo.address!)
        return -ERRNO.ENOSPC;
    const bytes = behind("stream").slice();
    const stream = new Uint32Array(bytes.buffer, 0, values.streamBytes / 4);
    const fence = this.newFence();
    const pmrs = behind("pmrs").slice();
    const fate = this.drm.fate(this.drm.submits.length);
    this.drm.submits.push({
      stream,
      pipe: values.pipe,
      pmrs: values.pmrsCount,
      buffers: values.bosCount,
    });
    layout.write(argument, { fence: fence.number });
    this.turn = this.turn.then(() => this.execute(core, stream, listed, pmrs, fate, fence));
    return 0;
  }

  private newFence(): Fence & { number: number } {
    let signal!: () => void;
    const promise = new Promise<void>((resolve) => (signal = resolve));
    const fence = { done: false, signal: () => {}, promise, number: this.nextFence++ };
    fence.signal = () => {
      fence.done = true;
      signal();
    };
    this.fences.set(fence.number, fence);
    return fence;
  }

  private async execute(
    core: FakeCore,
    stream: Uint32Array,
    listed: { bo: Bo; access: number }[],
    pmrs: Uint8Array,
    fate: Fate,
    fence: Fence,
  ): Promise<void> {
    if (fate === "never") return new Promise(() => {});
    if (typeof fate === "object") await new Promise((resolve) => setTimeout(resolve, fate.lateMs));
    if (fate !== "watchdog") await runOnSimulator(core, stream, listed);
    storeCounters(pmrs, listed);
    fence.signal();
  }

  private async waitFence(argument: Uint8Array): Promise<number> {
    const { fence: number, sec, nsec, pipe } = uapi.WAIT_FENCE.layout.read(argument);
    if (this.node.cores?.[pipe] === undefined) return -ERRNO.ENXIO;
    const fence = this.fences.get(number);
    if (fence === undefined || fence.done) return 0;
    const left = Number(sec * 1_000_000_000n + nsec - hrtime.bigint()) / 1e6;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<number>((resolve) => {
      timer = setTimeout(() => resolve(-ERRNO.ETIMEDOUT), Math.max(0, left));
    });
    return Promise.race([fence.promise.then(() => 0), late]).finally(() => clearTimeout(timer));
  }

  private queryDomain(argument: Uint8Array): number {
    const { layout } = uapi.PM_QUERY_DOM;
    const { iter, pipe } = layout.read(argument);
    const perf = this.node.perf ?? [];
    const domain = perf[iter];
    if (domain === undefined || this.node.cores?.[pipe] === undefined) return -ERRNO.EINVAL;
    const next = iter + 1 === perf.length ? 0xff : iter + 1;
    layout.write(argument, {
      id: iter,
      signals: domain.signals.length,
      name: domain.name,
      iter: next,
    });
    return 0;
  }

  private querySignal(argument: Uint8Array): number {
    const { layout } = uapi.PM_QUERY_SIG;
    const { iter, domain } = layout.read(argument);
    const signals = this.node.perf?.[domain]?.signals ?? [];
    const name = signals[iter];
    if (name === undefined) return -ERRNO.EINVAL;
    layout.write(argument, {
      id: iter,
      name,
      iter: iter + 1 === signals.length ? 0xffff : iter + 1,
    });
    return 0;
  }
}

async function runOnSimulator(
  core: FakeCore,
  stream: Uint32Array,
  listed: readonly { bo: Bo; access: number }[],
): Promise<void> {
  const chip = ["a311d", "imx8mp"].map((name) => chipByName(name)!);
  const simulator = await Simulator.create({
    chip: chip.find(({ customerId }) => customerId === core.customerId) ?? chip[0]!,
  });
  for (const { bo, access } of listed)
    simulator.mapBuffer({
      address: bo.address!,
      bytes: bo.bytes.length,
      access,
      contents: bo.bytes,
    });
  simulator.submit(
    stream,
    listed.map(({ bo, access }) => ({ address: bo.address!, access })),
  );
  for (const { bo, access } of listed)
    if ((access & 2) !== 0) bo.bytes.set(simulator.read(bo.address!, bo.bytes.length));
}

/** Counter i of a request list counts 100 + i between the two readings, from just below the end of 32 bits. */
function storeCounters(pmrs: Uint8Array, listed: readonly { bo: Bo }[]): void {
  for (let i = 0; i < pmrs.length / 20; i++) {
    const request = uapi.PM_REQUEST.read(pmrs.subarray(20 * i, 20 * (i + 1)));
    const { bytes } = listed[request.readIndex]!.bo;
    const view = new DataView(bytes.buffer);
    const value = request.flags === uapi.PM.PRE ? 0xfffffff0 : 0xfffffff0 + 100 + (i >> 1);
    view.setUint32(4 * request.readOffset, value % 2 ** 32, true);
    view.setUint32(0, request.sequence, true);
  }
}
