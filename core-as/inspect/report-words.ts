// Sentences that go with every prediction.
// SPDX-License-Identifier: MIT
import type { System } from "../hw/systems.ts";

/** How far predictions with these figures may be off. */
export function errorText({ error, chip }: Pick<System, "error" | "chip">): string {
  return error === null
    ? `no time of this system was ever compared with a prediction (${chip})`
    : `calibration error ${(error * 100).toFixed(1)} % r.m.s.`;
}
