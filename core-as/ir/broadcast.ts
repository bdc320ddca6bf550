// Broadcasting: operands of different shapes are repeated along dimensions of size 1, counted from the last.
// SPDX-License-Identifier: MIT

/** Shape of the result of broadcasting, or null when the shapes do not fit each other. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const sizeA = a[i - rank + a.length] ?? 1;
    const sizeB = b[i - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return null;
    shape.push(sizeA === 1 ? sizeB : sizeA);
  }
  return shape;
}
