// The simulator's thread from the sources. Threads do not inherit the loader of TypeScript, so it registers its own.
// SPDX-License-Identifier: MIT
import { register } from "tsx/esm/api";

register();
await import("../../transport-node/sim-thread.ts");
