// What a state write may hold: only values that were captured (spec/hardware.md 4).
// SPDX-License-Identifier: MIT
import { State } from "../gen/fields";

/** Sequence tags have five bits in captures (0x1f is the largest). */
export const TAG_MAX: u32 = 0x1f;

/**
 * False for unknown states and for values that NPU streams do not write; addresses are checked
 * where they are used.
 */
export function stateAllowed(address: u32, value: u32): bool {
  switch (address) {
    case State.PA_SYSTEM_MODE:
      return value == 0x11;
    case State.GL_API_MODE:
      return value == 2;
    case State.GL_FLUSH_CACHE:
      return value == 0xc23 || value == 0x403;
    case State.GL_NN_CONFIG:
      return value == 0x10 || value == 0;
    case State.UNK_03950:
      return value == 0 || value == 8;
    case State.GL_OCB_REMAP_START:
    case State.GL_OCB_REMAP_END:
    case State.GL_TP_CONFIG:
      return value == 0;
    case State.UNK_010A4:
      return value <= TAG_MAX;
    case State.PS_NN_INST_ADDR:
    case State.PS_TP_INST_ADDR:
      return true;
    default:
      return false;
  }
}
