// A partition as a capture directory: what a kernel would see of its submit (docs/formats.md).
// SPDX-License-Identifier: MIT
import { addressSpan, assignAddresses, ADDRESS_TOP } from "../executable/addresses.ts";
import { UsageError } from "../errors.ts";
import type { Executable, ExecutablePartition, Port } from "../executable/executable.ts";
import { alignUp, PAGE_BYTES } from "../executable/format.ts";
import { relocate } from "../executable/relocate.ts";
import { submitOrder } from "../executable/submit-order.ts";
import { chipByIdentity } from "../hw/chips.ts";
import type { Graph } from "../ir/graph.ts";

const CAPTURE_FORMAT = 1;
/** Flag of a submit whose addresses were chosen by user space (spec/uapi.md 1). */
const SUBMIT_SOFTPIN = 8;

/** What a written capture is named. */
export interface CaptureOptions {
  /** End of the addresses: buffers lie below it, the first one highest. A multiple of 4096; default 2^32. */
  top?: number;
  /** Address of the lowest buffer, instead of `top`. A multiple of 4096, not 0. */
  base?: number;
  /** Name in capture.json; default: the graph's name. */
  model?: string;
}

/**
 * Files of one partition's capture directory by name: capture.json (text) and the contents of stream, descriptors and
 * coefficients. The format is that of the reference driver's captures.
 * @param index of the partition in executable.partitions
 * @throws RangeError when there is no such partition
 * @throws UsageError TW_USAGE for a partition with planar ports, which means nothing on its own
 * @throws EncodeError TW_ENC_RELOC
 */
export function writeCapture(
  executable: Executable,
  index: number,
  options: CaptureOptions = {},
): Map<string, Uint8Array | string> {
  const partition = executable.partitions[index];
  if (partition === undefined)
    throw new RangeError(`there is no partition ${index} of ${executable.partitions.length}`);
  const { base, top = ADDRESS_TOP } = options;
  refusePlanar(partition, index);
  const addresses = assignAddresses(
    partition,
    base === undefined ? top : base + addressSpan(partition),
  );
  const bytes = relocate(partition, addresses);
  const names = bufferNames(partition, index);

  const files = new Map<string, Uint8Array | string>();
  const buffers = partition.buffers.flatMap((buffer, i) => {
    if (addresses[i] === null) return [];
    const contents = bytes[i]!;
    const file = contents === null ? {} : { file: `${names[i]}.bin` };
    if (contents !== null) files.set(`${names[i]}.bin`, contents);
    return [
      {
        name: names[i]!,
        address: addresses[i]!,
        bytes: alignUp(buffer.bytes, PAGE_BYTES),
        role: buffer.role,
        ...file,
      },
    ];
  });
  const stream = bytes[partition.stream]!;
  files.set("stream.bin", stream);
  const ports = (list: readonly Port[]): object[] =>
    list.map((port) => describePort(executable.graph, port, names, addresses));
  const description = {
    format: CAPTURE_FORMAT,
    model: options.model ?? executable.graph.name,
    target: executable.chip.name,
    partition: index,
    source: executable.producer,
    chip: describeChip(executable),
    buffers,
    stream: {
      file: "stream.bin",
      words: stream.length / 4,
      flags: SUBMIT_SOFTPIN,
      buffers: listBuffers(partition, names),
    },
    inputs: ports(partition.inputs),
    outputs: ports(partition.outputs),
  };
  files.set("capture.json", `${JSON.stringify(description, null, 1)}\n`);
  return files;
}

/** A submit on its own reads and writes what people have: NHWC. */
function refusePlanar({ inputs, outputs }: ExecutablePartition, index: number): void {
  const port = [...inputs, ...outputs].find(({ planar }) => planar);
  if (port)
    throw new UsageError(
      `partition ${index} has tensor ${port.tensor} in planar order at its border; a capture needs a compilation with optimisations.planarPorts ` +
        "false (--no-planar-ports)",
    );
}

/**
 * Capture directories of all partitions in one map: file names alone when there is one partition, otherwise below
 * `p0/`, `p1/`, …
 * @throws what writeCapture throws
 */
export function writeCaptures(
  executable: Executable,
  options: CaptureOptions = {},
): Map<string, Uint8Array | string> {
  const files = new Map<string, Uint8Array | string>();
  for (const index of executable.partitions.keys()) {
    const folder = executable.partitions.length === 1 ? "" : `p${index}/`;
    for (const [name, content] of writeCapture(executable, index, options))
      files.set(folder + name, content);
  }
  return files;
}

/** Names in the manner of the reference's captures: sg<partition>-op<job>-<what>, sg<partition>-t<tensor>. */
function bufferNames({ buffers, jobs, ...ports }: ExecutablePartition, index: number): string[] {
  const digits = (value: number, count: number): string => String(value).padStart(count, "0");
  const prefix = `sg${digits(index, 2)}`;
  const names = buffers.map((_, i) => `${prefix}-buffer${i}`);
  for (const { tensor, buffer } of [...ports.outputs, ...ports.inputs])
    names[buffer] = `${prefix}-t${tensor}`;
  const tensors = buffers.flatMap(({ role }, i) => (role === "tensor" ? [i] : []));
  // One buffer for all tensors belongs to none of them.
  if (tensors.length === 1) names[tensors[0]!] = `${prefix}-tensors`;
  for (const [i, { kind, descriptors, coefficients }] of jobs.entries()) {
    const job = `${prefix}-op${digits(i, 3)}`;
    if (coefficients !== null) names[coefficients] = `${job}-${kind === "NN" ? "coefs" : "lut"}`;
    for (const [core, buffer] of descriptors.entries())
      names[buffer] = kind === "NN" ? `${job}-nn` : `${job}-tp${core}`;
  }
  return names;
}

function listBuffers(partition: ExecutablePartition, names: readonly string[]): object[] {
  return submitOrder(partition).map((buffer) => ({
    name: names[buffer]!,
    access: partition.buffers[buffer]!.access,
  }));
}

function describeChip({ chip }: Executable): object {
  const known = chipByIdentity(chip);
  return {
    model: chip.model,
    revision: chip.revision,
    product_id: chip.productId,
    eco_id: chip.ecoId,
    customer_id: chip.customerId,
    screen_info_customer_id: chip.customerId,
    nn_core_version: known?.nnCoreVersion ?? 0,
    nn_core_count: known?.nnCores ?? 0,
    nn_mad_per_core: known?.madPerCore ?? 0,
    tp_core_count: known?.tpCores ?? 0,
    on_chip_sram_size: known?.vipSramBytes ?? 0,
    axi_sram_size: known?.axiSramBytes ?? 0,
    nn_zrl_bits: known?.zrlBits ?? 0,
    nn_input_buffer_depth: known?.inputBufferDepth ?? 0,
    nn_accum_buffer_depth: known?.accumulationBufferDepth ?? 0,
  };
}

function describePort(
  graph: Graph,
  port: Port,
  names: readonly string[],
  addresses: readonly (number | null)[],
): object {
  const { name, type, shape, quant } = graph.tensors[port.tensor]!;
  return {
    tensor: port.tensor,
    name,
    type: type.toUpperCase(),
    dims: shape,
    // Nine digits tell any two binary32 values apart.
    scale: Number((quant?.scales[0] ?? 0).toPrecision(9)),
    zeroPoint: quant?.zeroPoints[0] ?? 0,
    buffer: names[port.buffer]!,
    address: addresses[port.buffer]!,
    offset: port.offset,
    bytes: port.bytes,
  };
}
