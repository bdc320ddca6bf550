// Node and the DRM transport under the mock kernel; and what runUnderMock makes of children that do not behave.
// SPDX-License-Identifier: MIT
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { needMockKernel } from "../helpers/mock-kernel.ts";
import { runFileUnderMock, runUnderMock } from "../helpers/run-under-mock.ts";

const NAME = "mock kernel: children";
const test = suite(NAME);
const CHILDREN = "test/transport/under-mock/children";

await runUnderMock("mock kernel: Node", "test/transport/under-mock/mock-node.ts", {
  nodes: [{ cores: ["gpu", "a311d"] }, { number: 129, denied: true }],
});

if (needMockKernel(NAME)) {
  test("failures are counted, with their text", async () => {
    const result = await runFileUnderMock(`${CHILDREN}/failing.ts`);
    assert.equal([result.passed, result.failed, result.broken], [1, 2, null]);
    assert.match(result.output, /the reason of the first/);
    assert.match(result.output, /the reason of the second/);
  });

  test("a child that crashes, hangs or says nothing is broken", async () => {
    const children = ["crashing", "exiting", "missing"].map((name) =>
      runFileUnderMock(`${CHILDREN}/${name}.ts`),
    );
    const [crashing, exiting, missing] = await Promise.all(children);
    assert.is(crashing!.broken, "ended by SIGSEGV");
    assert.is(exiting!.broken, "no summary of the test runner");
    assert.is(missing!.broken, "no test ran");
    const hanging = await runFileUnderMock(`${CHILDREN}/hanging.ts`, { timeoutMs: 4000 });
    assert.is(hanging.broken, "no end within 4000 ms");
  });

  test.run();
}
