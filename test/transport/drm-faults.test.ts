// Faults of the kernel on DRM: hangs, lost devices, no memory, interruptions, late fences; nothing leaks.
// SPDX-License-Identifier: MIT
import { runUnderMock } from "../helpers/run-under-mock.ts";

await runUnderMock("drm faults", "test/transport/drm-faults-child.ts");
