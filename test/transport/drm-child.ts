// The conformance suite over DRM, alone or behind a board on loopback; runs in a process under the mock kernel.
// SPDX-License-Identifier: MIT
import { readdirSync, readlinkSync } from "node:fs";
import { openDrm } from "../../transport-node/index.ts";
import { openLoopback } from "../helpers/loopback.ts";
import { MockControl } from "../mock-kernel/control.ts";
import { transportSuite } from "./cts.ts";

const control = MockControl.fromEnvironment();

/** Descriptors of this process, those of its libraries' own work apart. */
function descriptors(): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => !/^(anon_inode|pipe|socket|$)/.test(link)).length;
}

const overBoard = process.env["CTS_OVER"] === "ws";
const name = overBoard ? "ws to drm on the mock kernel" : "drm on the mock kernel";

for (const chip of (process.env["CTS_CHIPS"] ?? "a311d").split(","))
  transportSuite(
    `${name}, ${chip}`,
    async () => (overBoard ? openLoopback(await openDrm()) : openDrm()),
    {
      chip,
      profiles: true,
      leaks: () => {
        const { files, buffers, bytes, mappings } = control.stats().live;
        return { files, buffers, bytes, mappings, descriptors: descriptors() };
      },
    },
  );
