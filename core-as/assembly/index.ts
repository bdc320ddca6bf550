// The whole ABI of the core on one page. Re-exports only.
// SPDX-License-Identifier: MIT
export { arenaMark, arenaReset, arenaAlloc, arenaAllocZeroed } from "./arena";
export { faultRecord } from "./fault";
