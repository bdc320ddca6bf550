// Who is behind an opened render node: driver, cores, chips, softpin (spec/uapi.md 2, spec/hardware.md 2).
// SPDX-License-Identifier: MIT
import { TransportError, type NpuError } from "../core-as/errors.ts";
import { chipByIdentity, type Chip, type ChipIdentity } from "../core-as/hw/chips.ts";
import { ERRNO, errnoName, type DeviceFile } from "./device-file.ts";
import { textOf } from "./layout.ts";
import {
  DRIVER_NAME,
  GET_PARAM,
  IDS_SINCE,
  MAX_CORES,
  NO_SOFTPIN,
  PARAM,
  VERSION,
} from "./uapi.ts";

/** What the kernel driver says about itself. */
export interface DriverInfo {
  /** "etnaviv" */
  name: string;
  /** Description that the driver gives of itself. */
  desc: string;
  /** e.g. "1.4.0" */
  version: string;
}

/** One core of a render node. */
export interface CoreInfo {
  /** Index that requests name the core by. */
  core: number;
  /** Ids; null when the driver is too old to tell. */
  identity: ChipIdentity | null;
  /** The NPU of the table, or null. */
  chip: Chip | null;
  /** Why the core cannot be used; null when it can. */
  problem: NpuError | null;
}

export interface NodeInfo {
  driver: DriverInfo;
  cores: CoreInfo[];
  /** First softpin address; null where the kernel has no softpin. */
  softpinStart: number | null;
}

/** Longest text that we ask a driver for. */
const TEXT_LIMIT = 4096;
/** From this model number on cores may be NPUs; the one smaller NPU is in the table. Smaller ones are GPUs. */
const FIRST_NPU_MODEL = 0x8000;

/** Driver name, description and version, or null when the file is no DRM device. */
function readDriver(file: DeviceFile): (DriverInfo & { numbers: [number, number] }) | null {
  const { request, layout } = VERSION;
  const lengths = layout.create();
  if (file.ioctl(request, lengths) < 0) return null;
  const { nameBytes, descBytes } = layout.read(lengths);
  const name = new Uint8Array(Math.min(Number(nameBytes), TEXT_LIMIT));
  const desc = new Uint8Array(Math.min(Number(descBytes), TEXT_LIMIT));
  const texts = layout.create({
    nameBytes: BigInt(name.length),
    descBytes: BigInt(desc.length),
  });
  const pointers = [
    { offset: layout.fields.name[0], buffer: name },
    { offset: layout.fields.desc[0], buffer: desc },
  ].filter(({ buffer }) => buffer.length > 0);
  if (file.ioctl(request, texts, pointers) < 0) return null;
  const { major, minor, patch } = layout.read(texts);
  return {
    name: textOf(name),
    desc: textOf(desc),
    version: `${major}.${minor}.${patch}`,
    numbers: [major, minor],
  };
}

/** A parameter of a core, or null when the kernel does not have it. */
function param(file: DeviceFile, core: number, number: number): bigint | null {
  const { request, layout } = GET_PARAM;
  const argument = layout.create({ pipe: core, param: number });
  if (file.ioctl(request, argument) < 0) return null;
  return layout.read(argument).value;
}

function param32(file: DeviceFile, core: number, number: number): number | null {
  const value = param(file, core, number);
  return value === null ? null : Number(value & 0xffffffffn);
}

/** Asks an opened render node who it is; null when it does not belong to etnaviv. */
export function identify(file: DeviceFile): NodeInfo | null {
  const driver = readDriver(file);
  if (driver === null || driver.name !== DRIVER_NAME) return null;
  const { name, desc, version, numbers } = driver;
  const start = param(file, 0, PARAM.SOFTPIN_START);
  const softpinStart =
    start === null || start >= 2n ** 32n || start === NO_SOFTPIN ? null : Number(start);
  const cores: CoreInfo[] = [];
  const node = { driver: { name, desc, version }, cores, softpinStart };
  for (let core = 0; core < MAX_CORES; core++) {
    // ENXIO is how the kernel says that there are no more.
    const model = param32(file, core, PARAM.MODEL);
    if (model === null || model === 0) break;
    cores.push(identifyCore(file, node, numbers, core, model));
  }
  return node;
}

function identifyCore(
  file: DeviceFile,
  node: NodeInfo,
  [major, minor]: [number, number],
  core: number,
  model: number,
): CoreInfo {
  const where = `${file.path}, core ${core}`;
  const revision = param32(file, core, PARAM.REVISION) ?? 0;
  const isOld = major < IDS_SINCE.major || (major === IDS_SINCE.major && minor < IDS_SINCE.minor);
  const productId = isOld ? null : param32(file, core, PARAM.PRODUCT_ID);
  const customerId = isOld ? null : param32(file, core, PARAM.CUSTOMER_ID);
  const ecoId = isOld ? null : param32(file, core, PARAM.ECO_ID);
  if (productId === null || customerId === null || ecoId === null) {
    const problem =
      model < 0x7000
        ? gpuProblem(where, `model ${hex(model)}`)
        : oldProblem(where, node.driver, isOld);
    return { core, identity: null, chip: null, problem };
  }
  const identity = { model, revision, productId, ecoId, customerId };
  const chip = chipByIdentity(identity) ?? null;
  return { core, identity, chip, problem: problemOf(where, node, identity, chip) };
}

function problemOf(
  where: string,
  { driver, softpinStart }: NodeInfo,
  identity: ChipIdentity,
  chip: Chip | null,
): NpuError | null {
  if (chip === null)
    return identity.model < FIRST_NPU_MODEL
      ? gpuProblem(where, describeIds(identity))
      : unknownProblem(where, identity);
  if (softpinStart === null)
    return new TransportError(
      "TW_IO_KERNEL",
      `${where}: the kernel driver (${driver.version}) has no softpin, which NPU submits need; use a newer kernel ` +
        `with an MMU of version 2 enabled`,
    );
  return null;
}

function gpuProblem(where: string, ids: string): NpuError {
  return new TransportError(
    "TW_IO_NOT_NPU",
    `${where} is a GPU (${ids}), not an NPU; enable the NPU's node in the device tree, or choose another device`,
  );
}

function unknownProblem(where: string, identity: ChipIdentity): NpuError {
  return new TransportError(
    "TW_IO_UNKNOWN_CHIP",
    `${where} has ids that are not in the table of NPUs: ${describeIds(identity)}; ` +
      `"tilewright targets" lists the known ones. Please report the ids`,
  );
}

function oldProblem(where: string, { version }: DriverInfo, isOld: boolean): NpuError {
  const { major, minor } = IDS_SINCE;
  const reason = isOld
    ? `the etnaviv driver has version ${version}, and ids of NPUs come with ${major}.${minor}`
    : `the etnaviv driver (${version}) does not tell the ids of the core`;
  return new TransportError("TW_IO_KERNEL", `${where}: ${reason}; use a newer kernel`);
}

/** The five ids as the kernel reports them, hexadecimal. */
function describeIds({ model, revision, productId, ecoId, customerId }: ChipIdentity): string {
  return (
    `model ${hex(model)}, revision ${hex(revision)}, product ${hex(productId)}, ` +
    `eco ${hex(ecoId)}, customer ${hex(customerId)}`
  );
}

const hex = (value: number): string => value.toString(16);

/** Errors of opening a device node, each with what to do. */
export function openProblem(path: string, errno: number): TransportError {
  if (errno === ERRNO.EACCES || errno === ERRNO.EPERM)
    return new TransportError(
      "TW_IO_PERMISSION",
      `${path} may not be opened by this user; add the user to the group of the node (usually "render": ` +
        `sudo usermod -aG render $USER, then log in again)`,
    );
  if (errno === ERRNO.ENOENT || errno === ERRNO.ENODEV || errno === ERRNO.ENXIO)
    return new TransportError(
      "TW_IO_NO_DEVICE",
      `${path} does not exist or has no device behind it; load the etnaviv kernel driver (CONFIG_DRM_ETNAVIV) and look at ` +
        `ls -l /dev/dri`,
    );
  return new TransportError(
    "TW_IO_DEVICE",
    `${path} cannot be opened: ${errnoName(errno)} (errno ${errno})`,
  );
}
