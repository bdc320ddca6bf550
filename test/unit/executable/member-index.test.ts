// What a format's list does not hold is never written.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { memberIndex } from "../../../core-as/executable/member-index.ts";
import { RecordingWriter } from "../../../core-as/runtime/recording/writer.ts";
import type { RecordedAnswer } from "../../../core-as/runtime/recording/outcome.ts";
import { encodeResult } from "../../../transport-ws/protocol/hot.ts";

const unknown = "guessed" as never;

test("the number of a word is its place", () => assert.is(memberIndex(["a", "b"], "b"), 1));

test("a word that is missing in the list is a bug", () =>
  assert.throws(() => memberIndex(["a", "b"], "c"), /\["a","b"\] has no "c"/));

test("recordings refuse an evidence and a kind of step that they have no number for", () => {
  const answer: RecordedAnswer = {
    outputs: [],
    evidence: "none",
    timings: [],
    milliseconds: null,
    jobs: null,
  };
  const record = (changed: Partial<RecordedAnswer>): Uint8Array =>
    new RecordingWriter().run({
      executable: "0".repeat(64),
      inputs: [],
      profile: false,
      timeoutMs: null,
      milliseconds: 1,
      outcome: { ...answer, ...changed },
    });
  assert.ok(record({}).length > 0);
  assert.throws(() => record({ evidence: unknown }), /has no "guessed"/);
  const timings = [{ step: 0, kind: unknown, milliseconds: 1 }];
  assert.throws(() => record({ timings }), /has no "guessed"/);
});

test("so do result frames", () =>
  assert.throws(() => encodeResult(unknown, 1, 1, [], 0), /has no "guessed"/));

test.run();
