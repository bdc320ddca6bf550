// A recording as chunks of bytes: every record is one chunk, made when something has happened.
// SPDX-License-Identifier: MIT
import { crc32 } from "../../executable/crc32.ts";
import { memberIndex } from "../../executable/member-index.ts";
import type { ChipIdentity } from "../../hw/chips.ts";
import {
  ALIGNMENT,
  DIGEST_BYTES,
  EVIDENCES,
  FLAGS,
  FORMAT_VERSION,
  HEADER,
  HEADER_BYTES,
  MAGIC,
  NONE,
  OUTCOME,
  PLACES,
  RECORD,
  RECORD_HEAD_BYTES,
  STEP_KINDS,
  tagNumber,
  type RecordTag,
} from "./format.ts";
import {
  isError,
  type RecordedAnswer,
  type RecordedError,
  type RecordedLoad,
  type RecordedRun,
} from "./outcome.ts";

/** The contents of a record, field by field. */
class Fields {
  private readonly parts: Uint8Array[] = [];

  u32(value: number): this {
    return this.part(4, (view) => view.setUint32(0, value, true));
  }

  /** An amount: what no clock or counter should say counts as 0, so that it cannot spoil the recording. */
  f64(value: number): this {
    const amount = value >= 0 && value < Infinity ? value : 0;
    return this.part(8, (view) => view.setFloat64(0, amount, true));
  }

  text(text: string | undefined): this {
    if (text === undefined) return this.u32(NONE);
    const bytes = new TextEncoder().encode(text);
    return this.u32(bytes.length).bytes(bytes);
  }

  /** A SHA-256 from its hexadecimal form. */
  digest(hex: string): this {
    return this.bytes(
      Uint8Array.from({ length: DIGEST_BYTES }, (_, i) =>
        parseInt(hex.slice(2 * i, 2 * i + 2), 16),
      ),
    );
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.parts.push(bytes);
    return this;
  }

  get length(): number {
    return this.parts.reduce((sum, { length }) => sum + length, 0);
  }

  copyTo(target: Uint8Array, at: number): void {
    for (const part of this.parts) {
      target.set(part, at);
      at += part.length;
    }
  }

  private part(length: number, write: (view: DataView) => void): this {
    const bytes = new Uint8Array(length);
    write(new DataView(bytes.buffer));
    return this.bytes(bytes);
  }
}

/** Makes the chunks of one recording, in order. */
export class RecordingWriter {
  private index = 0;

  /** The chunk that begins a recording: header and META. */
  begin(transport: string, chip: ChipIdentity): Uint8Array {
    const { model, revision, productId, ecoId, customerId } = chip;
    const ids = { model, revision, productId, ecoId, customerId };
    const meta = this.record("META", new Fields().text(transport));
    const chunk = new Uint8Array(HEADER_BYTES + meta.length);
    const view = new DataView(chunk.buffer);
    chunk.set(MAGIC);
    view.setUint32(HEADER.version, FORMAT_VERSION, true);
    for (const [name, value] of Object.entries(ids))
      view.setUint32(HEADER[name as keyof typeof ids], value, true);
    view.setUint32(HEADER.crc, crc32(chunk.subarray(0, HEADER.crc)), true);
    chunk.set(meta, HEADER_BYTES);
    return chunk;
  }

  blob(digest: string, bytes: Uint8Array): Uint8Array {
    return this.record("BLOB", new Fields().digest(digest).bytes(bytes));
  }

  load({ executable, error }: RecordedLoad): Uint8Array {
    const fields = new Fields().digest(executable);
    if (error === null) fields.u32(OUTCOME.ok);
    else writeError(fields.u32(OUTCOME.error), error);
    return this.record("LOAD", fields);
  }

  run(run: RecordedRun): Uint8Array {
    const { executable, inputs, profile, timeoutMs, milliseconds, outcome } = run;
    const fields = new Fields()
      .digest(executable)
      .u32((profile ? FLAGS.profile : 0) | (timeoutMs === null ? 0 : FLAGS.timeout))
      .f64(timeoutMs ?? 0)
      .f64(milliseconds);
    fields.list(inputs, (blob) => fields.u32(blob));
    if (isError(outcome)) writeError(fields.u32(OUTCOME.error), outcome);
    else writeAnswer(fields.u32(OUTCOME.ok), outcome);
    return this.record("RUNS", fields);
  }

  end(): Uint8Array {
    return this.record("ENDS", new Fields().u32(this.index));
  }

  private record(tag: RecordTag, fields: Fields): Uint8Array {
    const { length } = fields;
    const end = RECORD_HEAD_BYTES + length;
    const record = new Uint8Array(Math.ceil(end / ALIGNMENT) * ALIGNMENT);
    const view = new DataView(record.buffer);
    view.setUint32(RECORD.tag, tagNumber(tag), true);
    view.setUint32(RECORD.bytes, length, true);
    view.setUint32(RECORD.index, this.index++, true);
    fields.copyTo(record, RECORD_HEAD_BYTES);
    view.setUint32(RECORD.crc, recordCrc(record, length), true);
    return record;
  }
}

/** Checksum of a record whose first byte is that of `bytes`, with contents of `length` bytes. */
export function recordCrc(bytes: Uint8Array, length: number): number {
  const head = crc32(bytes.subarray(0, RECORD.crc));
  return crc32(bytes.subarray(RECORD_HEAD_BYTES, RECORD_HEAD_BYTES + length), head);
}

function writeAnswer(fields: Fields, answer: RecordedAnswer): void {
  const { outputs, evidence, timings, milliseconds, jobs } = answer;
  fields.list(outputs, (blob) => fields.u32(blob));
  fields.u32(memberIndex(EVIDENCES, evidence));
  fields.list(timings, ({ step, kind, milliseconds }) =>
    fields.u32(step).u32(memberIndex(STEP_KINDS, kind)).f64(milliseconds),
  );
  fields.list(milliseconds === null ? [] : [milliseconds], (value) => fields.f64(value));
  if (jobs === null) fields.u32(NONE);
  else
    fields.list(jobs, ({ partition, job, milliseconds, counters }) =>
      fields
        .u32(partition)
        .u32(job)
        .f64(milliseconds)
        .list(Object.entries(counters), ([name, value]) => fields.text(name).f64(value)),
    );
}

function writeError(fields: Fields, { code, message, where }: RecordedError): void {
  fields.text(code).text(message).text(where.field);
  const present = PLACES.filter(
    (place) => Number.isSafeInteger(where[place]) && where[place]! >= 0,
  );
  fields.u32(present.reduce((mask, place) => mask | (1 << memberIndex(PLACES, place)), 0));
  for (const place of present) fields.f64(where[place]!);
}
