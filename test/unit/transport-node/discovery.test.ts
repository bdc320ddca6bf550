// Finding NPUs among nodes and cores, and what is said where there is none.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NpuError, type ErrorCode } from "../../../core-as/errors.ts";
import { CHIPS, chipByName } from "../../../core-as/hw/chips.ts";
import { ERRNO } from "../../../transport-node/device-file.ts";
import { findNpu, listCores } from "../../../transport-node/discovery.ts";
import { openDrmAmong } from "../../../transport-node/drm.ts";
import { FakeDrm, GPU, npu, type FakeNode } from "../../helpers/fake-drm.ts";

/** The error of looking for an NPU; no file stays open. */
function problemOf(nodes: FakeNode[], path?: string, core?: number): NpuError {
  const drm = new FakeDrm(nodes);
  try {
    findNpu(drm, path, core);
  } catch (error) {
    assert.instance(error, NpuError);
    assert.is(drm.held.files, 0);
    return error as NpuError;
  }
  throw new Error("an NPU was found");
}

function expectProblem(nodes: FakeNode[], code: ErrorCode, ...texts: (string | RegExp)[]): void {
  const { code: got, message } = problemOf(nodes);
  assert.is(got, code, message);
  for (const text of texts) assert.match(message, text);
}

for (const chip of CHIPS)
  test(`${chip.name} is recognised by its ids, whatever its stepping`, () => {
    const core = npu(chip.name);
    core.revision ^= 3;
    const found = findNpu(new FakeDrm([{ cores: [core] }]));
    assert.is(found.chip.name, chip.name);
    assert.is(found.core, 0);
    assert.is(found.softpinStart, 0x400000);
  });

test("an NPU beside a GPU has core index 1", () => {
  const drm = new FakeDrm([{ cores: [GPU, npu("imx8mp")] }]);
  assert.is(findNpu(drm).core, 1);
  const list = listCores(drm);
  assert.equal(
    list.map(({ core, chip, problem }) => [core, chip?.name, problem?.code]),
    [
      [0, undefined, "TW_IO_NOT_NPU"],
      [1, "imx8mp", undefined],
    ],
  );
});

test("the NPU may be on a later node, or be named", () => {
  const nodes: FakeNode[] = [{ driver: "panfrost" }, { cores: [GPU] }, { cores: [npu("a311d")] }];
  assert.is(findNpu(new FakeDrm(nodes)).file.path, "/dev/dri/renderD130");
  assert.is(findNpu(new FakeDrm(nodes), "/dev/dri/renderD130").chip.name, "a311d");
  assert.is(problemOf(nodes, "/dev/dri/renderD128").code, "TW_IO_NO_DEVICE");
  assert.match(problemOf(nodes, "/dev/dri/renderD128").message, "not a render node of etnaviv");
  assert.is(problemOf(nodes, "/dev/dri/renderD129").code, "TW_IO_NOT_NPU");
  assert.is(problemOf(nodes, "/dev/dri/renderD131").code, "TW_IO_NO_DEVICE");
  assert.match(problemOf(nodes, "/dev/dri/renderD130", 1).message, "no core 1");
});

test("the second of two NPUs can be chosen", async () => {
  const drm = new FakeDrm([{ cores: [npu("a311d"), npu("imx8mp")] }]);
  const transport = await openDrmAmong(drm, { core: 1 });
  assert.is(transport.chip.name, "imx8mp");
  assert.is(drm.submits[0]!.pipe, 1);
  await transport.close();
});

test("no device: says which driver is missing", () => {
  expectProblem([], "TW_IO_NO_DEVICE", "CONFIG_DRM_ETNAVIV");
  expectProblem([{ driver: "i915" }], "TW_IO_NO_DEVICE", "no render node");
});

test("no permission: names the group", () =>
  expectProblem(
    [{ openErrno: ERRNO.EACCES }],
    "TW_IO_PERMISSION",
    "renderD128",
    "usermod -aG render",
  ));

test("only a GPU: says so, with its ids", () =>
  expectProblem([{ cores: [GPU] }], "TW_IO_NOT_NPU", "is a GPU", "model 7000, revision 6203"));

test("ids that no table has: all five of them", () =>
  expectProblem(
    [{ cores: [{ ...npu("a311d"), customerId: 0x1234 }] }],
    "TW_IO_UNKNOWN_CHIP",
    "model 8000, revision 7120, product 45080009, eco 0, customer 1234",
  ));

test("an old driver: has which version, needs which", () => {
  expectProblem([{ version: [1, 3, 0], cores: [npu("a311d")] }], "TW_IO_KERNEL", "1.3.0", "1.4");
  // An old driver of a GPU that no NPU was ever called like.
  expectProblem(
    [{ version: [1, 2, 0], cores: [{ ...GPU, model: 0x2000 }] }],
    "TW_IO_NOT_NPU",
    "model 2000",
  );
});

for (const softpinStart of [null, 2n ** 64n - 1n])
  test(`without softpin (${softpinStart}) an NPU is refused`, () =>
    expectProblem([{ cores: [{ ...npu("a311d"), softpinStart }] }], "TW_IO_KERNEL", "softpin"));

test("of several complaints the one closest to a working NPU is told", () => {
  const gpu: FakeNode = { cores: [GPU] };
  const unknown: FakeNode = { cores: [{ ...npu("a311d"), ecoId: 77 }] };
  expectProblem([gpu, unknown], "TW_IO_UNKNOWN_CHIP");
  expectProblem([gpu, { openErrno: ERRNO.EACCES }], "TW_IO_PERMISSION");
  expectProblem([{ openErrno: 24 }], "TW_IO_DEVICE", "EMFILE");
});

test("listing opens nothing for good and leaves out what is not etnaviv's", () => {
  const drm = new FakeDrm([
    { driver: "i915" },
    { cores: [npu("a311d")], desc: "x" },
    { openErrno: 13 },
  ]);
  const list = listCores(drm);
  assert.is(drm.held.files, 0);
  assert.equal(list, [
    {
      path: "/dev/dri/renderD129",
      driver: { name: "etnaviv", desc: "x", version: "1.4.0" },
      core: 0,
      identity: npu("a311d"),
      chip: chipByName("a311d"),
      problem: null,
    },
  ]);
});

test("results are measured, unless the driver says that it is simulated", async () => {
  for (const [desc, evidence] of [
    ["etnaviv DRM", "measured"],
    ["Tilewright mock kernel (simulated)", "simulated"],
  ] as const) {
    const transport = await openDrmAmong(new FakeDrm([{ cores: [npu("a311d")], desc }]));
    assert.is(transport.evidence, evidence);
    assert.equal(transport.driver, { name: "etnaviv", desc, version: "1.4.0" });
    await transport.close();
  }
});

test.run();
