// Every frame of the protocol: there and back, and refused when a byte is missing, too many or wrong.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ERROR_CODES,
  NpuError,
  SimFault,
  TransportError,
  type ErrorCode,
} from "../../../core-as/errors.ts";
import * as errors from "../../../core-as/errors.ts";
import type { Field } from "../../../transport-ws/protocol/fields.ts";
import type { Frame } from "../../../transport-ws/protocol/frame.ts";
import {
  addressRun,
  decodeFailure,
  decodeFrame,
  decodeResult,
  decodeRun,
  encodeFailure,
  encodeFrame,
  encodeResult,
  encodeRun,
  FRAMES,
  LOADED,
  protocolError,
  RESULT,
  RUN,
  WELCOME,
} from "../../../transport-ws/protocol.ts";
import { propSettings } from "../../helpers/prop.ts";

type AnyFields = Readonly<Record<string, Field<unknown>>>;
type AnyFrame = Frame<AnyFields>;
const ALL = FRAMES as unknown as readonly AnyFrame[];

/** Any value that a field can hold, by its kind. */
function anyValue(field: Field<unknown>): fc.Arbitrary<unknown> {
  const { kind } = field;
  const fixed = /^(\d+) bytes$/.exec(kind);
  if (fixed !== null)
    return fc.uint8Array({ minLength: Number(fixed[1]), maxLength: Number(fixed[1]) });
  if (kind.startsWith("u8: 0 no, 1 yes")) return fc.boolean();
  if (kind.startsWith("u8: "))
    return fc.constantFrom(
      ...kind
        .slice(4)
        .split(", ")
        .map((word) => word.slice(word.indexOf(" ") + 1)),
    );
  if (kind.startsWith("text")) {
    const max = Number(/at most (\d+)/.exec(kind)![1]);
    return fc.string({ unit: "grapheme", maxLength: Math.min(20, Math.floor(max / 32)) });
  }
  if (kind.startsWith("list"))
    return fc.array(anyFields((field as unknown as { entry: AnyFields }).entry), { maxLength: 5 });
  if (kind.startsWith("bytes up to"))
    return fc.uint8Array({ maxLength: 60 }).map((bytes) => [bytes]);
  if (kind.startsWith("u53 or")) return fc.option(fc.maxSafeNat());
  if (kind === "f32") return fc.float({ noNaN: true, noDefaultInfinity: true });
  if (kind === "f64") return fc.double({ noNaN: true, noDefaultInfinity: true });
  const max = { u16: 0xffff, u32: 0xffffffff, u53: Number.MAX_SAFE_INTEGER }[kind];
  if (max === undefined) throw new Error(`no values for a field ${kind}`);
  return fc.integer({ min: 0, max });
}

const anyFields = (fields: AnyFields): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, anyValue(field)])),
    { noNullPrototype: true },
  );

/** Values as reading gives them: parts become one. */
function asRead(layout: AnyFrame, values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      layout.fields[name]!.kind.startsWith("bytes up to") ? (value as Uint8Array[])[0] : value,
    ]),
  );
}

/** Decodes, or says that the protocol was broken; anything else fails the test. */
function decodes(layout: AnyFrame, bytes: Uint8Array): boolean {
  try {
    decodeFrame(layout, bytes);
    return true;
  } catch (error) {
    assert.instance(error, TransportError, String(error));
    assert.is((error as TransportError).code, "TW_IO_PROTOCOL");
    const { byteOffset } = (error as TransportError).where;
    assert.ok(byteOffset !== undefined && byteOffset <= bytes.length, String(byteOffset));
    return false;
  }
}

const test = suite("board protocol");

test("types are unique, and the page has every frame", () => {
  assert.is(new Set(ALL.map(({ type }) => type)).size, ALL.length);
  const page = readFileSync("docs/protocol.md", "utf8");
  for (const { name, type } of ALL)
    assert.match(page, new RegExp(`^### ${name}, 0x${type.toString(16).padStart(2, "0")}$`, "m"));
});

for (const layout of ALL)
  test(`${layout.name}: there and back; every shorter and longer frame is refused`, () => {
    fc.assert(
      fc.property(anyFields(layout.fields), (values) => {
        const bytes = encodeFrame(layout, values);
        assert.is(bytes[0], layout.type);
        assert.equal(decodeFrame(layout, bytes), asRead(layout, values));
        const hasRest = Object.values(layout.fields).some(({ kind }) =>
          kind.startsWith("bytes up"),
        );
        if (hasRest) return;
        for (let end = 0; end < bytes.length; end++)
          assert.not(decodes(layout, bytes.subarray(0, end)), `${end} of ${bytes.length} bytes`);
        assert.not(decodes(layout, Uint8Array.of(...bytes, 0)), "a byte more");
      }),
      propSettings(100),
    );
  });

for (const layout of ALL)
  test(`${layout.name}: a changed byte is another value or refused with its place`, () => {
    fc.assert(
      fc.property(
        anyFields(layout.fields),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (values, at, flip) => {
          const bytes = encodeFrame(layout, values);
          bytes[at % bytes.length]! ^= flip;
          if (decodes(layout, bytes)) assert.is.not(at % bytes.length, 0);
        },
      ),
      propSettings(300),
    );
  });

test("a list is refused by its count before memory is taken for it", () => {
  const frame = encodeFrame(LOADED, { request: 1, session: 1, inputs: [], outputs: [] });
  new DataView(frame.buffer).setUint16(7, 1000, true);
  assert.throws(
    () => decodeFrame(LOADED, frame),
    /1000 entries do not fit the frame \(at byte 7\)/,
  );
  new DataView(frame.buffer).setUint16(7, 1025, true);
  assert.throws(() => decodeFrame(LOADED, frame), /1025 entries, at most 1024/);
});

test("texts are cut between characters when written, refused when read too long or no UTF-8", () => {
  const long = encodeFailure("run", 1, new TransportError("TW_IO_DEVICE", "é".repeat(5000)));
  assert.is(decodeFailure(long).error.message, "é".repeat(2048));
  const frame = encodeFailure("run", 1, new TransportError("TW_IO_DEVICE", "abc"));
  frame[frame.length - 1] = 0xff;
  assert.throws(() => decodeFailure(frame), /message is not UTF-8/);
});

test("values that do not fit are our mistake", () => {
  assert.throws(
    () => encodeFrame(RUN, { profile: false, session: 65536, run: 0, inputs: [] }),
    RangeError,
  );
  assert.throws(
    () => encodeFrame(RUN, { profile: false, session: 0, run: 2 ** 53, inputs: [] }),
    RangeError,
  );
  assert.throws(
    () => encodeFrame(RUN, { profile: false, session: 0, run: 0.5, inputs: [] }),
    RangeError,
  );
});

test("a run's two frames: the short way writes and reads the same as the general one", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const sum = (parts: Uint8Array[]): number =>
    parts.reduce((total, { length }) => total + length, 0);
  fc.assert(
    fc.property(
      fc.record({
        profile: fc.boolean(),
        session: fc.integer({ min: 0, max: 0xffff }),
        run: fc.maxSafeNat(),
        inputs: fc.array(bytes, { maxLength: 3 }),
      }),
      (values) => {
        const frame = encodeRun(values.profile, values.inputs, sum(values.inputs));
        addressRun(frame, values.session, values.run);
        assert.equal(new Uint8Array(frame), encodeFrame(RUN, values));
        assert.equal(decodeRun(frame), decodeFrame(RUN, frame));
      },
    ),
    propSettings(500),
  );
  fc.assert(
    fc.property(
      fc.constantFrom("none" as const, "simulated" as const, "measured" as const),
      fc.maxSafeNat(),
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.array(bytes, { maxLength: 3 }),
      (evidence, run, milliseconds, outputs) => {
        const frame = encodeResult(evidence, run, milliseconds, outputs, sum(outputs));
        assert.equal(
          new Uint8Array(frame),
          encodeFrame(RESULT, { evidence, run, milliseconds, outputs }),
        );
        assert.equal(decodeResult(frame), decodeFrame(RESULT, frame));
      },
    ),
    propSettings(500),
  );
});

test("a run's two frames: the short way refuses what the general one refuses", () => {
  const verdict = (decode: () => unknown): string => {
    try {
      decode();
      return "taken";
    } catch (error) {
      return (error as Error).message;
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      for (const [layout, decode] of [
        [RUN, decodeRun],
        [RESULT, decodeResult],
      ] as const) {
        const frame = Uint8Array.of(layout.type, ...bytes);
        assert.is(
          verdict(() => decode(frame)),
          verdict(() => decodeFrame(layout as unknown as AnyFrame, frame)),
        );
      }
    }),
    propSettings(2000),
  );
});

test("every error arrives with class, code, place and text", () => {
  const classOf: [RegExp, string][] = [
    [/^TW_MODEL/, "ModelFormatError"],
    [/^TW_GRAPH/, "GraphError"],
    [/^TW_UNSUP/, "UnsupportedError"],
    [/^TW_PLAN/, "PlanError"],
    [/^TW_ENC/, "EncodeError"],
    [/^TW_EXE/, "ExecutableError"],
    [/^TW_SIM/, "SimFault"],
    [/^TW_CHECK/, "SubmitCheckError"],
    [/^TW_(IO|CAPTURE)/, "TransportError"],
    [/^TW_DIFF/, "MismatchError"],
    [/^TW_USAGE/, "UsageError"],
    [/^TW_BUG/, "CoreBugError"],
  ];
  const where = {
    op: 1,
    tensor: 0,
    job: 7,
    byteOffset: 2 ** 40,
    wordIndex: 3,
    addrGpu: 0xffffffff,
    field: "X",
  };
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const sent = new NpuError(`what of ${code}`, { code, stage: "s", where });
    const { about, id, error } = decodeFailure(encodeFailure("load", 9, sent));
    assert.equal(
      [about, id, error.code, error.message, error.stage, error.where],
      ["load", 9, code, `what of ${code}`, "s", where],
    );
    const name = classOf.find(([pattern]) => pattern.test(code))![1];
    assert.is(error.name, name);
    assert.instance(error, (errors as unknown as Record<string, typeof NpuError>)[name]!);
    assert.instance(error, Error);
  }
  const bare = decodeFailure(encodeFailure("run", 1, new SimFault("TW_SIM_ALIGNMENT", "m"))).error;
  assert.equal(bare.where, {});
});

test("what is no error of ours is a bug of the board; a code from the future keeps its name", () => {
  const { error } = decodeFailure(encodeFailure("run", 1, new RangeError("oops")));
  assert.is(error.code, "TW_BUG");
  assert.match(error.message, "on the board: RangeError: oops");
  const frame = encodeFailure("run", 1, new TransportError("TW_IO_DEVICE", "m"));
  const text = new TextDecoder().decode(frame).replace("TW_IO_DEVICE", "TW_IO_FUTURE");
  const future = decodeFailure(
    new Uint8Array(
      [...text].map((letter, i) => (frame[i]! > 127 ? frame[i]! : letter.charCodeAt(0))),
    ),
  );
  assert.is(future.error.code, "TW_IO_DEVICE");
  assert.match(future.error.message, "TW_IO_FUTURE");
});

test("errors about bytes say where", () => {
  assert.equal(protocolError("x", 5).where, { byteOffset: 5 });
  assert.match(protocolError("x", 5).message, "(at byte 5)");
  assert.ok(decodes(WELCOME as unknown as AnyFrame, new Uint8Array([2])) === false);
});

test.run();
