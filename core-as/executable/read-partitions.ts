// The sections PART, BUFS, RELO, JOBS, PORT and DATA of a .twx file -> ExecutablePartition[].
// SPDX-License-Identifier: MIT
import { tensorBytes, type Graph } from "../ir/graph.ts";
import type {
  BufferRole,
  ExecutableBuffer,
  ExecutableJob,
  ExecutablePartition,
  Port,
  Relocation,
} from "./executable.ts";
import {
  ALIGNMENT,
  alignUp,
  JOB_KINDS,
  MAX_BUFFER_BYTES,
  NONE,
  PAGE_BYTES,
  RELOCATION_KINDS,
  ROLES,
  type SectionTag,
} from "./format.ts";
import type { Strings } from "./read-sections.ts";
import { SectionReader, type Section } from "./section-reader.ts";

/** Access bits of a buffer: 1 read, 2 write. */
const ACCESS_LIMIT = 4;

type Sections = Readonly<Record<SectionTag, Section>>;

/** Reads the partitions in turn: each takes its share of the tables. */
export class PartitionReader {
  private readonly counts: SectionReader;
  private readonly bufferTable: SectionReader;
  private readonly relocationTable: SectionReader;
  private readonly jobTable: SectionReader;
  private readonly portTable: SectionReader;
  private readonly data: SectionReader;
  /** Position in DATA of the next contents. */
  private dataEnd = 0;
  /** Bytes of all buffers so far, in whole pages. */
  private bufferBytes = 0;

  constructor(
    sections: Sections,
    private readonly strings: Strings,
    private readonly graph: Graph,
  ) {
    this.counts = new SectionReader(sections.PART);
    this.bufferTable = new SectionReader(sections.BUFS);
    this.relocationTable = new SectionReader(sections.RELO);
    this.jobTable = new SectionReader(sections.JOBS);
    this.portTable = new SectionReader(sections.PORT);
    this.data = new SectionReader(sections.DATA);
  }

  /** @throws ExecutableError TW_EXE_DAMAGED */
  readAll(): ExecutablePartition[] {
    const { counts, bufferTable, relocationTable, jobTable, portTable, data } = this;
    const partitions: ExecutablePartition[] = [];
    while (!counts.atEnd) partitions.push(this.readPartition());
    for (const table of [bufferTable, relocationTable, jobTable, portTable, data]) table.end();
    return partitions;
  }

  private readPartition(): ExecutablePartition {
    const { counts } = this;
    const [bufferCount, relocationCount, jobCount] = [counts.u32(), counts.u32(), counts.u32()];
    const [inputCount, outputCount] = [counts.u32(), counts.u32()];
    const buffers = this.readBuffers(bufferCount);
    const stream = counts.index(buffers.length, "the stream");
    const contents = buffers[stream]!.contents;
    if (buffers[stream]!.role !== "stream" || contents === null || contents.length % 4 !== 0)
      counts.fail(`buffer ${stream} is no command stream`);
    return {
      buffers,
      relocations: this.readRelocations(relocationCount, buffers),
      jobs: this.jobTable.list(jobCount, 7, () => this.readJob(buffers)),
      stream,
      inputs: this.portTable.list(inputCount, 4, () => this.readPort(buffers)),
      outputs: this.portTable.list(outputCount, 4, () => this.readPort(buffers)),
    };
  }

  private readBuffers(count: number): ExecutableBuffer[] {
    const reader = this.bufferTable;
    return reader.list(count, 4, () => {
      const word = reader.index(ACCESS_LIMIT << 8, "role and access");
      const role = ROLES[word & 0xff] ?? reader.fail(`a buffer has role ${word & 0xff}`);
      const bytes = reader.u32();
      if (bytes === 0) reader.fail("a buffer is empty");
      this.bufferBytes += alignUp(bytes, PAGE_BYTES);
      if (this.bufferBytes > MAX_BUFFER_BYTES)
        reader.fail(`the buffers have more than ${MAX_BUFFER_BYTES} bytes together`);
      const contents = this.readContents(bytes);
      if (contents === null && role !== "tensor") reader.fail(`a ${role} buffer has no contents`);
      return { role, bytes, contents, access: word >> 8 };
    });
  }

  private readContents(bufferBytes: number): Uint8Array | null {
    const reader = this.bufferTable;
    const offset = reader.u32();
    if (offset !== NONE && offset !== this.dataEnd)
      reader.fail(`contents lie at ${offset}, not behind those before at ${this.dataEnd}`);
    const length = reader.u32();
    if (offset === NONE) {
      if (length !== 0) reader.fail("contents without a place have a length");
      return null;
    }
    if (length > bufferBytes)
      reader.fail(`${length} bytes of contents do not fit a buffer of ${bufferBytes}`);
    const contents = this.data.take(length);
    const padding = this.data.take(alignUp(length, ALIGNMENT) - length);
    if (padding.some((byte) => byte !== 0)) this.data.fail("unused bytes are not 0");
    this.dataEnd += length + padding.length;
    return contents;
  }

  private readRelocations(count: number, buffers: readonly ExecutableBuffer[]): Relocation[] {
    const reader = this.relocationTable;
    const patched = new Set<number>();
    return reader.list(count, 5, () => {
      const buffer = reader.index(buffers.length, "a patched buffer");
      const { contents } = buffers[buffer]!;
      const byteOffset = reader.u32();
      if (contents === null || byteOffset % 4 !== 0 || byteOffset + 4 > contents.length)
        reader.fail(`byte ${byteOffset} of buffer ${buffer} is no word of its contents`);
      // Exact in a double: 2^32 offsets in 2^20 buffers at most.
      const place = buffer * 2 ** 32 + byteOffset;
      if (patched.has(place))
        reader.fail(`byte ${byteOffset} of buffer ${buffer} is patched twice`);
      patched.add(place);
      const target = reader.index(buffers.length, "a target buffer");
      // A core without work in a padding job points at the end of its tensor.
      const addend = reader.index(buffers[target]!.bytes + 1, "an addend");
      const kind = reader.member(RELOCATION_KINDS, "a relocation's kind");
      return { buffer, byteOffset, target, addend, kind };
    });
  }

  private readJob(buffers: readonly ExecutableBuffer[]): ExecutableJob {
    const reader = this.jobTable;
    const bufferOf = (role: BufferRole): number => this.readBufferIndex(reader, buffers, role);
    const kind = reader.member(JOB_KINDS, "a job's kind");
    const op = this.strings.read(reader);
    const sourceOp = reader.index(this.graph.ops.length, "an operator");
    const coefficients = reader.optionalIndex(buffers.length, "a buffer");
    if (coefficients === null && kind === "NN") reader.fail("an NN job has no coefficient buffer");
    const constants = kind === "NN" ? "coefficients" : "table";
    if (coefficients !== null && buffers[coefficients]!.role !== constants)
      reader.fail(`buffer ${coefficients} of a ${kind} job is no ${constants} buffer`);
    const output = bufferOf("tensor");
    const [descriptorCount, inputCount] = [reader.u32(), reader.u32()];
    if (descriptorCount === 0 || (kind === "NN" && descriptorCount > 1))
      reader.fail(`a ${kind} job has ${descriptorCount} descriptors`);
    const descriptors = reader.list(descriptorCount, 1, () => bufferOf("descriptor"));
    const inputs = reader.list(inputCount, 1, () => bufferOf("tensor"));
    return { kind, op, sourceOp, descriptors, coefficients, inputs, output };
  }

  private readPort(buffers: readonly ExecutableBuffer[]): Port {
    const reader = this.portTable;
    const tensor = reader.index(this.graph.tensors.length, "a tensor");
    const { type, shape } = this.graph.tensors[tensor]!;
    const buffer = this.readBufferIndex(reader, buffers, "tensor");
    const offset = reader.u32();
    const bytes = reader.u32();
    if (offset + bytes > buffers[buffer]!.bytes)
      reader.fail(`bytes ${offset}..${offset + bytes} are not inside buffer ${buffer}`);
    if (bytes !== tensorBytes(type, shape))
      reader.fail(`tensor ${tensor} does not have ${bytes} bytes`);
    return { tensor, buffer, offset, bytes };
  }

  private readBufferIndex(
    reader: SectionReader,
    buffers: readonly ExecutableBuffer[],
    role: BufferRole,
  ): number {
    const index = reader.index(buffers.length, "a buffer");
    if (buffers[index]!.role !== role)
      reader.fail(`buffer ${index} is a ${buffers[index]!.role} buffer, not ${role}`);
    return index;
  }
}
