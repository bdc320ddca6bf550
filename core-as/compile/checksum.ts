// A checksum for bytes that damage may have changed. No protection from somebody who means to deceive.
// SPDX-License-Identifier: MIT
import type { Core } from "../core.ts";

/** Words of a checksum. */
export const CHECKSUM_WORDS = 16;

/** Mixed at once. */
const BLOCK_BYTES = 4 * CHECKSUM_WORDS;
/** Copied into the core's memory at once: so few that they are still in the processor's cache when they are read. */
const PIECE_BYTES = 2 ** 16;

/** Sixteen words that depend on every byte and on their number. */
export function checksum(core: Core, bytes: Uint8Array): Int32Array {
  return core.scope(() => {
    const seedOf = (lane: number): number => Math.imul(lane + 1, 0x9e3779b1) ^ bytes.length;
    const lanes = core.allocWords(
      Array.from({ length: CHECKSUM_WORDS }, (_, lane) => seedOf(lane)),
    );
    const piece = core.alloc(PIECE_BYTES);
    const mix = (part: Uint8Array): void => {
      core.write(piece, part);
      core.invoke("mixChecksum", lanes, piece, part.length);
    };
    const whole = bytes.length - (bytes.length % BLOCK_BYTES);
    for (let at = 0; at < whole; at += PIECE_BYTES)
      mix(bytes.subarray(at, Math.min(at + PIECE_BYTES, whole)));
    const rest = new Uint8Array(BLOCK_BYTES);
    rest.set(bytes.subarray(whole));
    mix(rest);
    return core.readWords(lanes, CHECKSUM_WORDS);
  });
}
