// Which states a stream of an NPU job may write, and with which values (spec/hardware.md 4, spec/uapi.md 5).
// SPDX-License-Identifier: MIT
import { State } from "../gen/fields";

/** A bit for each state that a job needs to find set by its own submit. */
export const enum Given {
  REMAP_START = 1,
  REMAP_END = 2,
  NN_CONFIG = 4,
  TP_CONFIG = 8,
  UNK_03950 = 16,
}

/** The largest sequence tag of captures; the three low address bits above it stay 0. */
export const TAG_MAX: u32 = 0x1f;

/** States that an NPU stream writes at all. */
export function stateKnown(address: u32): bool {
  switch (address) {
    case State.PA_SYSTEM_MODE:
    case State.GL_API_MODE:
    case State.GL_FLUSH_CACHE:
    case State.GL_OCB_REMAP_START:
    case State.GL_OCB_REMAP_END:
    case State.GL_NN_CONFIG:
    case State.GL_TP_CONFIG:
    case State.UNK_03950:
    case State.PS_NN_INST_ADDR:
    case State.PS_TP_INST_ADDR:
    case State.UNK_010A4:
      return true;
    default:
      return false;
  }
}

/**
 * Whether a known state may get this value. Descriptor addresses and their tags are checked where jobs start.
 * @param parallel values of the reference's parallel debug mode count, too
 */
export function valueAllowed(address: u32, value: u32, parallel: bool): bool {
  switch (address) {
    case State.PA_SYSTEM_MODE:
      return value == 0x11;
    case State.GL_API_MODE:
      return value == 2;
    case State.GL_FLUSH_CACHE:
      return value == 0xc23 || (parallel && value == 0x403);
    case State.GL_NN_CONFIG:
      return value == 0x10 || (parallel && value == 0);
    case State.UNK_03950:
      return value == 0 || value == 8;
    case State.UNK_010A4:
      return value == 0 || (parallel && value <= TAG_MAX);
    case State.GL_OCB_REMAP_START:
    case State.GL_OCB_REMAP_END:
    case State.GL_TP_CONFIG:
      return value == 0;
    default:
      return true;
  }
}

/** The bit of a state in a set of Given; 0 for states that no job waits for. */
export function givenBit(address: u32): u32 {
  switch (address) {
    case State.GL_OCB_REMAP_START:
      return Given.REMAP_START;
    case State.GL_OCB_REMAP_END:
      return Given.REMAP_END;
    case State.GL_NN_CONFIG:
      return Given.NN_CONFIG;
    case State.GL_TP_CONFIG:
      return Given.TP_CONFIG;
    case State.UNK_03950:
      return Given.UNK_03950;
    default:
      return 0;
  }
}

/** The state of the lowest bit in a set. */
export function stateOfBit(bits: u32): u32 {
  if ((bits & Given.REMAP_START) != 0) return State.GL_OCB_REMAP_START;
  if ((bits & Given.REMAP_END) != 0) return State.GL_OCB_REMAP_END;
  if ((bits & Given.NN_CONFIG) != 0) return State.GL_NN_CONFIG;
  return (bits & Given.TP_CONFIG) != 0 ? State.GL_TP_CONFIG : State.UNK_03950;
}
