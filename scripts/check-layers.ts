// Fails when an import breaks a rule of the architecture.
// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { checkLayers } from "./layers.ts";

const directories = ["core-as", "transport-node", "transport-ws", "cli"].filter(existsSync);
const violations = checkLayers(directories);
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
