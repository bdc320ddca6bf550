// DRM on the mock kernel: the whole path from the addon to the answer, for both generations of NPUs.
// SPDX-License-Identifier: MIT
import { runUnderMock } from "../helpers/run-under-mock.ts";

for (const chip of ["a311d", "imx8mp"])
  await runUnderMock(`transport drm, ${chip}`, "test/transport/drm-child.ts", {
    nodes: [{ cores: [chip] }],
    env: { CTS_CHIPS: chip },
  });
