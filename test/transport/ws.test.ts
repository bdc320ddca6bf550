// A board over WebSocket on loopback: the conformance suite with the simulator, nothing, and DRM on the mock kernel behind it.
// SPDX-License-Identifier: MIT
import { chipByName } from "../../core-as/hw/chips.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { openLoopback } from "../helpers/loopback.ts";
import { runUnderMock } from "../helpers/run-under-mock.ts";
import { transportSuite } from "./cts.ts";

const CHIP = chipByName("a311d")!;

transportSuite("ws to sim", () => openLoopback(createSimTransport(CHIP)));
transportSuite("ws to null", () => openLoopback(createNullTransport(CHIP)), { computes: false });

await runUnderMock("transport ws to drm", "test/transport/drm-child.ts", {
  nodes: [{ cores: ["a311d"] }],
  env: { CTS_CHIPS: "a311d", CTS_OVER: "ws" },
});
