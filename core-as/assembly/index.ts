// The whole ABI of the core on one page. Re-exports only.
// SPDX-License-Identifier: MIT
export { arenaMark, arenaReset, arenaAlloc, arenaAllocZeroed } from "./arena";
export { faultRecord } from "./fault";
export { simCreate, simJobCount, simMapBuffer, simSubmit, simTouch } from "./sim/simulator";
export { decodeCoefs } from "./coef/decode";
