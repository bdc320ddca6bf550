// Says how two byte arrays differ: how many elements, by how much, and where first.
// SPDX-License-Identifier: MIT

/** "" when all bytes agree, else a sentence for an assertion. */
export function describeDifference(got: Uint8Array, want: Uint8Array, isSigned = false): string {
  if (got.length !== want.length) return `${got.length} bytes instead of ${want.length}`;
  const value = (byte: number): number => (isSigned ? (byte << 24) >> 24 : byte);
  let first = -1;
  let count = 0;
  let largest = 0;
  for (let i = 0; i < want.length; i++) {
    if (got[i] === want[i]) continue;
    if (first < 0) first = i;
    count++;
    largest = Math.max(largest, Math.abs(value(got[i]!) - value(want[i]!)));
  }
  if (count === 0) return "";
  return (
    `${count} of ${want.length} elements differ, at most by ${largest}; ` +
    `first at ${first}: ${value(got[first]!)} instead of ${value(want[first]!)}`
  );
}
