// A board of a pool as a process of its own. Arguments: address, name, milliseconds per run. Tells its parent when it has joined and
// when a run begins; leaves the pool when it is told "leave".
// SPDX-License-Identifier: MIT
import { chipByName } from "../../core-as/hw/chips.ts";
import { createSimTransport } from "../../core-as/runtime/sim-transport.ts";
import { Agent } from "../../transport-ws/agent.ts";
import { joinPool } from "../../transport-ws/pool/join.ts";
import { slowTransport } from "./slow-transport.ts";

const [servers, name, delayMs] = process.argv.slice(2) as [string, string, string];
const sim = createSimTransport(chipByName("a311d")!);
const transport = slowTransport(sim, Number(delayMs), () => process.send?.("run"));
const agent = new Agent(transport, { concurrentRuns: 2, evidence: "simulated" });
const member = await joinPool({ servers, agent, name });
process.on("message", (message) => {
  if (message !== "leave") return;
  void member
    .leave()
    .then(() => agent.close())
    .then(() => transport.close())
    .then(() => process.disconnect());
});
process.on("disconnect", () => process.exit(0));
process.send?.("joined");
