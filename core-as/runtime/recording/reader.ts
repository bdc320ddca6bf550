// Reads a recording as a whole, checked byte by byte.
// SPDX-License-Identifier: MIT
import { isErrorCode, TransportError, type ErrorLocation } from "../../errors.ts";
import { crc32 } from "../../executable/crc32.ts";
import type { ChipIdentity } from "../../hw/chips.ts";
import { sha256Hex } from "../../executable/bytes.ts";
import { damaged, FieldsReader } from "./fields-reader.ts";
import {
  ALIGNMENT,
  EVIDENCES,
  FLAGS,
  FORMAT_VERSION,
  HEADER,
  HEADER_BYTES,
  MAGIC,
  OUTCOME,
  PLACES,
  RECORD,
  RECORD_HEAD_BYTES,
  STEP_KINDS,
  tagNumber,
  TAGS,
  type RecordTag,
} from "./format.ts";
import {
  type RecordedAnswer,
  type RecordedError,
  type RecordedLoad,
  type RecordedRun,
} from "./outcome.ts";
import { recordCrc } from "./writer.ts";

/** Contents of a tensor. */
export interface RecordedBlob {
  /** SHA-256, hexadecimal. */
  digest: string;
  /** A view of the recording. */
  bytes: Uint8Array;
  /** Position of the bytes in the recording. */
  byteOffset: number;
}

export interface Recording {
  /** Name of the transport that was recorded. */
  transport: string;
  chip: ChipIdentity;
  blobs: readonly RecordedBlob[];
  loads: readonly RecordedLoad[];
  runs: readonly RecordedRun[];
}

/**
 * Reads a recording. Contents stay views of `bytes`, which must not change while it is in use; memory beside `bytes` is a
 * small multiple of the number of records.
 * @throws TypeError when `bytes` is not a Uint8Array
 * @throws TransportError TW_IO_RECORD with the byte offset of what is wrong
 */
export async function readRecording(bytes: Uint8Array): Promise<Recording> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("a recording is a Uint8Array");
  // A plain view: methods of subclasses such as Buffer mean other things.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const recording = new RecordsReader(file).read();
  for (const { digest, bytes: contents, byteOffset } of recording.blobs)
    if ((await sha256Hex(contents)) !== digest)
      damaged("contents are not what their digest says", byteOffset);
  return recording;
}

class RecordsReader {
  private readonly view: DataView;
  private at = HEADER_BYTES;
  private index = 0;
  private readonly blobs: RecordedBlob[] = [];
  private readonly loads: RecordedLoad[] = [];
  private readonly runs: RecordedRun[] = [];

  constructor(private readonly file: Uint8Array) {
    this.view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  }

  read(): Recording {
    const chip = this.header();
    const meta = this.record();
    if (meta.tag !== "META") damaged("the first record is not META", HEADER_BYTES);
    const transport = meta.fields.text();
    meta.fields.end();
    for (;;) {
      const { tag, fields, contentsAt } = this.record();
      if (tag === "META") damaged("there are two records META", contentsAt - RECORD_HEAD_BYTES);
      if (tag === "BLOB") {
        const digest = fields.digest();
        const contents = fields.rest();
        const byteOffset = contentsAt + digest.length / 2;
        this.blobs.push({ digest, bytes: contents, byteOffset });
      } else if (tag === "LOAD") this.loads.push(this.load(fields));
      else if (tag === "RUNS") this.runs.push(this.run(fields));
      else if (fields.u32() !== this.index - 1) fields.fail("the number of records is wrong");
      fields.end();
      if (tag === "ENDS") break;
    }
    if (this.at !== this.file.length) damaged("bytes follow the last record", this.at);
    return { transport, chip, blobs: this.blobs, loads: this.loads, runs: this.runs };
  }

  private header(): ChipIdentity {
    const { file, view } = this;
    if (file.length < MAGIC.length || MAGIC.some((byte, i) => file[i] !== byte))
      throw new TransportError(
        "TW_IO_RECORD",
        "the file does not begin like a recording of Tilewright (at byte 0)",
        { byteOffset: 0 },
      );
    if (file.length < HEADER_BYTES)
      damaged(`it ends after ${file.length} bytes, inside its header`, file.length);
    const version = view.getUint32(HEADER.version, true);
    if (version !== FORMAT_VERSION)
      throw new TransportError(
        "TW_IO_RECORD",
        `the recording has format version ${version}, this build reads ${FORMAT_VERSION} (at byte ${HEADER.version})`,
        { byteOffset: HEADER.version },
      );
    if (view.getUint32(HEADER.crc, true) !== crc32(file.subarray(0, HEADER.crc)))
      damaged("the header's checksum is wrong", HEADER.crc);
    if (view.getUint32(HEADER.reserved, true) !== 0)
      damaged("unused bytes are not 0", HEADER.reserved);
    return {
      model: view.getUint32(HEADER.model, true),
      revision: view.getUint32(HEADER.revision, true),
      productId: view.getUint32(HEADER.productId, true),
      ecoId: view.getUint32(HEADER.ecoId, true),
      customerId: view.getUint32(HEADER.customerId, true),
    };
  }

  /** The next record, its checksum verified. */
  private record(): { tag: RecordTag; fields: FieldsReader; contentsAt: number } {
    const { file, view, at } = this;
    const left = file.length - at;
    if (left === 0)
      damaged("it ends without its last record: it was cut off, or its transport not closed", at);
    if (left < RECORD_HEAD_BYTES) damaged("it ends inside the head of a record", file.length);
    const length = view.getUint32(at + RECORD.bytes, true);
    if (length > left - RECORD_HEAD_BYTES)
      damaged(`a record of ${length} bytes, the file ends before`, at + RECORD.bytes);
    if (view.getUint32(at + RECORD.crc, true) !== recordCrc(file.subarray(at), length))
      damaged("the checksum of a record is wrong", at + RECORD.crc);
    const word = view.getUint32(at + RECORD.tag, true);
    const tag = TAGS.find((known) => tagNumber(known) === word);
    if (tag === undefined) damaged(`a record of unknown kind ${word.toString(16)}`, at);
    if (view.getUint32(at + RECORD.index, true) !== this.index++)
      damaged("a record is missing, doubled or moved", at + RECORD.index);
    const contentsAt = at + RECORD_HEAD_BYTES;
    this.at = contentsAt + Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    for (let unused = contentsAt + length; unused < this.at; unused++)
      if (file[unused] !== 0) damaged("unused bytes are not 0", unused);
    const contents = file.subarray(contentsAt, contentsAt + length);
    return { tag, fields: new FieldsReader(`record ${tag}`, contents, contentsAt), contentsAt };
  }

  private load(fields: FieldsReader): RecordedLoad {
    const executable = fields.digest();
    const isOk = fields.index(2, "the outcome") === OUTCOME.ok;
    return { executable, error: isOk ? null : readError(fields) };
  }

  private run(fields: FieldsReader): RecordedRun {
    const blob = (): number => fields.index(this.blobs.length, "the number of contents");
    const executable = fields.digest();
    const flags = fields.index(4, "the set of options");
    const timeoutMs = fields.amount("the time limit");
    const milliseconds = fields.amount("a time");
    const inputs = fields.list(4, blob);
    const isOk = fields.index(2, "the outcome") === OUTCOME.ok;
    return {
      executable,
      inputs,
      profile: (flags & FLAGS.profile) !== 0,
      timeoutMs: (flags & FLAGS.timeout) === 0 ? null : timeoutMs,
      milliseconds,
      outcome: isOk ? readAnswer(fields, blob) : readError(fields),
    };
  }
}

function readAnswer(fields: FieldsReader, blob: () => number): RecordedAnswer {
  const outputs = fields.list(4, blob);
  const evidence = fields.member(EVIDENCES, "the evidence");
  const timings = fields.list(16, () => ({
    step: fields.u32(),
    kind: fields.member(STEP_KINDS, "the kind of a step"),
    milliseconds: fields.amount("a time"),
  }));
  const own = fields.list(8, () => fields.amount("a time"));
  if (own.length > 1) fields.fail("a run has two times");
  const jobs = fields.optionalList(20, () => ({
    partition: fields.u32(),
    job: fields.u32(),
    milliseconds: fields.amount("a time"),
    // Not an object literal: a counter may have any name.
    counters: Object.fromEntries(
      fields.list(12, () => [fields.text(), fields.amount("a counter")] as const),
    ),
  }));
  return { outputs, evidence, timings, milliseconds: own[0] ?? null, jobs };
}

function readError(fields: FieldsReader): RecordedError {
  const code = fields.text();
  if (!isErrorCode(code)) fields.fail(`the error code ${JSON.stringify(code)} is unknown`);
  const message = fields.text();
  const field = fields.optionalText();
  const mask = fields.index(1 << PLACES.length, "the set of places");
  const where: ErrorLocation = field === undefined ? {} : { field };
  for (const [i, place] of PLACES.entries())
    if ((mask & (1 << i)) !== 0) where[place] = fields.amount(`the place "${place}"`);
  return { code, message, where };
}
