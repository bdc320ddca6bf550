// Messages and fragments of a NATS channel: there and back, and nothing that is broken gets through or costs memory.
// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError } from "../../../core-as/errors.ts";
import {
  decodeMessage,
  encodeMessage,
  FrameAssembler,
  HEADER_BYTES,
  KIND,
  MIN_FRAGMENT,
  type Message,
} from "../../../transport-ws/pool/wire.ts";
import { propSettings } from "../../helpers/prop.ts";
import { rng } from "../../helpers/prng.mjs";

const u32 = fc.integer({ min: 0, max: 0xffffffff });

/** A frame cut into messages as a channel does it. */
function cut(frame: Uint8Array, pieceBytes: number): Message[] {
  const messages: Message[] = [];
  for (let from = 0; from < frame.length; from += pieceBytes) {
    const payload = frame.subarray(from, from + pieceBytes);
    messages.push({
      kind: KIND.data,
      first: from === 0,
      last: from + pieceBytes >= frame.length,
      sequence: messages.length,
      acknowledged: 0,
      argument: from === 0 ? frame.length : from,
      payload,
    });
  }
  return messages;
}

/** Runs `body`, which may throw a Tilewright error and nothing else; returns its code or null. */
function codeOf(body: () => unknown): string | null {
  try {
    body();
    return null;
  } catch (error) {
    assert.instance(error, NpuError, String(error));
    return (error as NpuError).code;
  }
}

test("messages survive encoding", () =>
  fc.assert(
    fc.property(
      u32,
      u32,
      u32,
      fc.boolean(),
      fc.boolean(),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      (sequence, acknowledged, argument, first, last, payload) => {
        const message = { kind: KIND.data, first, last, sequence, acknowledged, argument, payload };
        const bytes = encodeMessage(message);
        assert.is(bytes.length, HEADER_BYTES + payload.length);
        assert.equal({ ...decodeMessage(bytes), payload }, message);
        assert.equal([...decodeMessage(bytes).payload], [...payload]);
      },
    ),
    propSettings(500),
  ));

test("frames of any size come out of their fragments, in memory of their own", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40_000 }),
      fc.integer({ min: MIN_FRAGMENT, max: 9000 }),
      fc.integer({ min: 0, max: 255 }),
      (size, pieceBytes, salt) => {
        const frame = Uint8Array.from({ length: size }, (_, i) => (i * 7 + salt) & 255);
        const assembler = new FrameAssembler(size);
        // As Buffers, which the NATS client gives and whose slice does not copy.
        const encoded = cut(frame, pieceBytes).map((message) =>
          Buffer.from(encodeMessage(message)),
        );
        for (const [i, bytes] of encoded.entries()) {
          const out = assembler.take(decodeMessage(bytes));
          if (i < encoded.length - 1) assert.is(out, null);
          else {
            bytes.fill(0);
            assert.is(out!.constructor, Uint8Array);
            assert.equal(out, frame);
          }
        }
        assert.is(assembler.heldBytes, 0);
      },
    ),
    propSettings(300),
  ));

test("a frame above the limit is refused at its first message", () => {
  const [first] = cut(new Uint8Array(10_000), 2000);
  assert.is(
    codeOf(() => new FrameAssembler(9_999).take(first!)),
    "TW_IO_LIMIT",
  );
  assert.is(new FrameAssembler(10_000).take(first!), null);
});

test("each rule of the header is checked, with its byte", () => {
  const good = encodeMessage(cut(Uint8Array.of(1, 2, 3), 100)[0]!);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  const close = (code: number, reason = ""): Uint8Array =>
    encodeMessage({
      ...cut(Uint8Array.of(1), 100)[0]!,
      kind: KIND.close,
      first: false,
      last: false,
      argument: code,
      payload: new TextEncoder().encode(reason),
    });
  for (const [bytes, code, byte] of [
    [good.subarray(0, 15), "TW_IO_PROTOCOL", 15],
    [new Uint8Array(0), "TW_IO_PROTOCOL", 0],
    [changed(0, 2), "TW_IO_VERSION", 0],
    [changed(1, 0), "TW_IO_PROTOCOL", 2],
    [changed(1, 4), "TW_IO_PROTOCOL", 2],
    [changed(2, 4), "TW_IO_PROTOCOL", 2],
    [changed(3, 1), "TW_IO_PROTOCOL", 3],
    [good.subarray(0, 16), "TW_IO_PROTOCOL", 16],
    [close(999), "TW_IO_PROTOCOL", 12],
    [close(5000), "TW_IO_PROTOCOL", 12],
    [close(1000, "x".repeat(124)), "TW_IO_PROTOCOL", 16],
  ] as const)
    try {
      decodeMessage(bytes);
      assert.unreachable(String(bytes));
    } catch (error) {
      assert.instance(error, NpuError, String(error));
      assert.is((error as NpuError).code, code);
      assert.is((error as NpuError).where.byteOffset, byte);
    }
  assert.is(decodeMessage(close(1000, "x".repeat(123))).payload.length, 123);
});

test("20,000 mutated, cut and shuffled messages: an error of the protocol or a frame of the right size, and bounded memory", () => {
  const random = rng("pool mutations");
  const below = (limit: number): number =>
    (random.byte() | (random.byte() << 8) | (random.byte() << 16)) % limit;
  const LIMIT = 16 * 1024;
  let broken = 0;
  for (let round = 0; round < 20_000; round++) {
    const frame = new Uint8Array(1 + below(6000)).fill(round);
    const messages = cut(frame, MIN_FRAGMENT + below(2000)).map(encodeMessage);
    const which = below(messages.length);
    const victim = messages[which]!;
    const kind = below(5);
    if (kind === 0) victim[below(HEADER_BYTES)] = random.byte();
    else if (kind === 1) victim[below(HEADER_BYTES)]! ^= 1 << below(8);
    else if (kind === 2) messages[which] = victim.subarray(0, below(victim.length));
    else if (kind === 3) messages.splice(which, 1);
    else messages.splice(below(messages.length), 0, victim);
    const assembler = new FrameAssembler(LIMIT);
    const code = codeOf(() => {
      for (const bytes of messages) {
        const message = decodeMessage(bytes);
        const out = message.kind === KIND.data ? assembler.take(message) : null;
        if (out !== null) assert.ok(out.length <= LIMIT);
        assert.ok(assembler.heldBytes <= LIMIT);
      }
    });
    if (code === null) continue;
    broken++;
    assert.ok(["TW_IO_PROTOCOL", "TW_IO_VERSION", "TW_IO_LIMIT"].includes(code), code);
  }
  assert.ok(broken > 8000, `${broken} were noticed`);
});

test.run();
