// Errors that come from elsewhere get back the class of their code.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ERROR_CODES,
  ExecutableError,
  isErrorCode,
  NpuError,
  reviveError,
  SimFault,
  TransportError,
  type ErrorCode,
} from "../../core-as/errors.ts";

test("every code has a class of its own, with name and stage", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const error = reviveError("text", { code });
    assert.instance(error, NpuError, code);
    assert.is.not(error.name, "NpuError", code);
    assert.type(error.stage, "string", code);
  }
});

test("a revived error is what the constructor makes", () => {
  const where = { job: 3, wordIndex: 16, field: "ZRL_BITS" };
  for (const made of [
    new SimFault("TW_SIM_BAD_ADDRESS", "outside", where),
    new TransportError("TW_IO_LOST", "gone", where),
    new ExecutableError("TW_EXE_CHIP", "another chip"),
  ]) {
    const { code, message } = made;
    const revived = reviveError(message, { code, where: made.where });
    assert.instance(revived, made.constructor as typeof NpuError);
    assert.is(revived.name, made.name);
    assert.is(revived.message, message);
    assert.is(revived.stage, made.stage);
    assert.equal(revived.where, made.where);
  }
});

test("only codes of this build are codes", () => {
  assert.ok(isErrorCode("TW_IO_LOST"));
  for (const text of ["TW_IO_NOVEL", "", "toString", "__proto__"])
    assert.not.ok(isErrorCode(text), text);
});

test.run();
