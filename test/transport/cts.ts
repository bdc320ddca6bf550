// The conformance suite that every transport passes, whatever is behind it.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import type { Transport } from "../../core-as/runtime/transport.ts";
import { addAnswerTests } from "./cts-answers.ts";
import { addEndingTests } from "./cts-endings.ts";
import { Rig, type SuiteOptions } from "./cts-rig.ts";

export type { SuiteOptions } from "./cts-rig.ts";

/**
 * Queues the suite for a transport.
 * @param open returns a new transport for `options.chip`, which the suite closes
 */
export function transportSuite(
  name: string,
  open: () => Promise<Transport>,
  options: SuiteOptions = {},
): void {
  const test = suite(`transport ${name}`);
  const rig = new Rig(open, options);
  addAnswerTests(test, rig);
  addEndingTests(test, rig);
  test.run();
}
