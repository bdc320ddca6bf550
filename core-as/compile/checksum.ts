// A checksum for bytes that damage may have changed, faster than a digest because nothing is copied: four lanes of the mixing step of
// xxHash32. No protection from somebody who means to deceive.
// SPDX-License-Identifier: MIT

const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;
const P3 = 0xc2b2ae3d | 0;
const LANES = 4;

/** Words of a call: small enough that a just started engine soon calls the optimised form of the loop. */
const CALL_WORDS = 0x2000;

/**
 * Mixes words into the lanes; a word's step is a bijection of word and lane, so that one changed word always changes the result.
 * @param words a multiple of the number of lanes
 */
function mix(lanes: Int32Array, words: Int32Array): void {
  let a = lanes[0]!;
  let b = lanes[1]!;
  let c = lanes[2]!;
  let d = lanes[3]!;
  for (let i = 0; i < words.length; i += LANES) {
    a = (a + Math.imul(words[i]!, P2)) | 0;
    b = (b + Math.imul(words[i + 1]!, P2)) | 0;
    c = (c + Math.imul(words[i + 2]!, P2)) | 0;
    d = (d + Math.imul(words[i + 3]!, P2)) | 0;
    a = Math.imul((a << 13) | (a >>> 19), P1);
    b = Math.imul((b << 13) | (b >>> 19), P1);
    c = Math.imul((c << 13) | (c >>> 19), P1);
    d = Math.imul((d << 13) | (d >>> 19), P1);
  }
  lanes[0] = a;
  lanes[1] = b;
  lanes[2] = c;
  lanes[3] = d;
}

/** Four words that depend on every byte and on their number. */
export function checksum(bytes: Uint8Array): Int32Array {
  const lanes = Int32Array.of(P1 ^ bytes.length, P2, P3, P1 ^ P2);
  const whole = bytes.length - (bytes.length % (4 * LANES));
  const words = wordsOf(bytes, whole);
  for (let at = 0; at < words.length; at += CALL_WORDS)
    mix(lanes, words.subarray(at, at + CALL_WORDS));
  const rest = new Uint8Array(4 * LANES);
  rest.set(bytes.subarray(whole));
  mix(lanes, new Int32Array(rest.buffer));
  return lanes;
}

function wordsOf(bytes: Uint8Array, length: number): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice(0, length);
  return new Int32Array(aligned.buffer, aligned.byteOffset, length / 4);
}
